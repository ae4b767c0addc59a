import type { MachineFileContent } from '../file/schema.ts'
import { defaultDevices, translated } from './default-devices.ts'
import type { Preset } from './preset.ts'

/** An Arm machine without IOMMU, whose host bridge has these windows for devices. */
const behindWindows = (windows: NonNullable<MachineFileContent['inbound']>[number]['windows']): MachineFileContent => ({
  machine: 'virt',
  qemuVersion: '11.1',
  memory: '512M',
  cpu: 'cortex-a57',
  machineProperties: { 'gic-version': '3' },
  inbound: [{ windows }],
  append: '',
  devices: [...defaultDevices],
})

export const ARM: readonly Preset[] = [
  {
    name: 'arm-virt',
    summary: 'an Arm machine, started from a device tree: the default devices behind an SMMUv3, with an ITS',
    content: {
      machine: 'virt',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'cortex-a57',
      machineProperties: { 'gic-version': '3', iommu: 'smmuv3' },
      append: '',
      devices: [...defaultDevices],
    },
  },
  {
    name: 'arm-mmio',
    summary: 'an Arm machine with virtio devices over MMIO: no IOMMU is in front of them, whatever they are told',
    content: {
      machine: 'virt',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'cortex-a57',
      machineProperties: { 'gic-version': '3', iommu: 'smmuv3' },
      virtioTransports: { 'force-legacy': 'off' },
      append: '',
      devices: [
        { model: 'virtio-blk-device', id: 'blk0', iommu_platform: true },
        { model: 'virtio-blk-device', id: 'blk1' },
        { model: 'virtio-net-device', id: 'net0', mac: '52:54:00:12:34:00', iommu_platform: true },
        { model: 'virtio-rng-pci', id: 'rng0', addr: '02.0', ...translated },
      ],
    },
  },
  ...(
    [
      [
        'arm-noncoherent',
        'noncoherent',
        'an Arm machine whose data cache DMA does not look into: virtio with the DMA API and without',
      ],
      [
        'arm-virtual-cache',
        'virtual-cache',
        'an Arm machine whose cache goes by virtual addresses, other ones for guest and host',
      ],
      [
        'arm-write-buffer',
        'write-buffer',
        'an Arm machine whose writes arrive late, unless a register is read: with the DMA API and without',
      ],
    ] as const
  ).map(
    ([name, memorySystem, summary]): Preset => ({
      name,
      summary,
      content: {
        machine: 'virt',
        qemuVersion: '11.1',
        memory: '512M',
        cpu: 'cortex-a57',
        memorySystem,
        append: '',
        devices: [
          { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0', ...translated },
          { model: 'virtio-blk-pci', id: 'blk1', addr: '03.0' },
          { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00', ...translated },
          { model: 'virtio-rng-pci', id: 'rng0', addr: '05.0' },
          { model: 'e1000e', id: 'net1', addr: '06.0', mac: '52:54:00:12:34:01' },
        ],
      },
    }),
  ),
  {
    name: 'arm-offset',
    summary: 'an Arm machine without IOMMU whose host bridge sees memory at 0xc0000000, which dma-ranges tells',
    content: behindWindows([{ bus: 0xc000_0000, memory: 0x4000_0000, size: '512M' }]),
  },
  {
    name: 'arm-window',
    summary: 'the same, but the host bridge sees the lower half of memory alone: the rest is bounced',
    content: { ...behindWindows([{ bus: 0x4000_0000, memory: 0x4000_0000, size: '1G' }]), memory: '2G' },
  },
]

export const RESTRICTED_POOL: Preset = {
  name: 'restricted-pool',
  summary: 'an Arm machine whose devices reach no memory but a pool that the tree names; the kernel knows',
  content: {
    machine: 'virt',
    qemuVersion: '11.1',
    memory: '512M',
    cpu: 'cortex-a57',
    machineProperties: { 'gic-version': '3' },
    restrictedPool: '16M',
    append: '',
    guest: 'linux-6.12,restricted-pools=on',
    devices: [...defaultDevices],
  },
}
