import { parseQemuCommandLine } from '@dmascope/qemu'

const machine = parseQemuCommandLine(
  [
    ...['qemu-system-x86_64', '-machine', 'q35,kernel-irqchip=split', '-nodefaults', '-m', '1G', '-display', 'none'],
    ...['-device', 'intel-iommu,intremap=on'],
    ...['-drive', 'file=disk.img,if=none,id=d0'],
    ...['-device', 'virtio-blk-pci,drive=d0,addr=02.0,disable-legacy=on,iommu_platform=on'],
    ...['-nic', 'tap,model=virtio-net-pci,vhost=on'],
    ...['-append', 'intel_iommu=on'],
  ],
  { qemuVersion: '11.1' },
)

console.log(`${machine.machine}, ${machine.memory / 2 ** 20} MiB, ${machine.append}; ignored: ${machine.ignored}`)
for (const { model, addr, backend, properties, location } of machine.devices) {
  const slot = addr === undefined ? 'any slot' : `slot ${addr.device}.${addr.function}`
  const behind = backend === undefined ? 'nothing' : `${backend.kind} by ${backend.where}`
  console.log(`${model}: ${slot}, ${behind}, iommu_platform ${properties.iommu_platform ?? 'not given'}`)
  console.log(`  ${location.text}`)
}
