import { describe, expect, it } from 'vitest'
import { findModel } from '../src/catalogue/catalogue.ts'
import type { MachineDescription } from '../src/description.ts'
import { requireHypervisor } from '../src/hypervisor/hypervisors.ts'
import { virtioBehaviour } from '../src/hypervisor/virtio-behaviour.ts'

const machineOf = (machine: MachineDescription['machine'], ...models: string[]): MachineDescription => ({
  machine,
  qemuVersion: '11.1',
  name: 'test',
  source: 'file',
  memory: 256 * 1024 * 1024,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices: models.map((model) => ({ model, properties: {}, location: { text: 'test' } })),
  append: '',
  ignored: [],
})

const insists = (machine: MachineDescription): string =>
  virtioBehaviour(requireHypervisor('iommu-flag'), findModel('virtio-blk-pci')!, {}, machine).insists

describe("the flag proposal's device", () => {
  it.each([
    ['an intel-iommu', machineOf('q35', 'intel-iommu')],
    ['an amd-iommu', machineOf('q35', 'amd-iommu')],
    ['a virtio-iommu', machineOf('q35', 'virtio-iommu-pci')],
    ['an SMMU that is a device', machineOf('virt', 'arm-smmuv3')],
    ['an SMMU of the machine', { ...machineOf('virt'), machineProperties: { iommu: 'smmuv3' } }],
    ['a pseries', machineOf('pseries')],
  ])('insists on its flag where there is %s', (_, machine) => {
    expect(insists(machine)).toBe('always')
  })

  it.each([
    ['no IOMMU', machineOf('q35')],
    ['one that is switched off', { ...machineOf('virt'), machineProperties: { iommu: 'none' } }],
    ['a device of no other than a like name', machineOf('q35', 'iommu-testdev')],
  ])('does not where there is %s', (_, machine) => {
    expect(insists(machine)).toBe('never')
  })
})
