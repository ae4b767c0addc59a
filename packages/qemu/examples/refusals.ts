import { DmascopeError } from '@dmascope/machine'
import { parseQemuCommandLine } from '@dmascope/qemu'

const commandLines = [
  ['-M', 'q35', '-device', 'virtio-blk-pci,iommu_platfrom=on'],
  ['-M', 'q35', '-device', 'virtio-net-pci,netdev=n0'],
  ['-M', 'q35', '-device', 'intel-iommu,fsts=on'],
  ['-M', 'q35', '-devise', 'edu'],
]

for (const args of commandLines) {
  try {
    parseQemuCommandLine(args, { qemuVersion: '7.2' })
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    console.log(`${error.code}\n  ${error.message}`)
  }
}
