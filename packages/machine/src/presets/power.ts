import { defaultDevices, translated } from './default-devices.ts'
import type { Preset } from './preset.ts'

export const POWER: readonly Preset[] = [
  {
    name: 'pseries',
    summary: 'a partition of a POWER machine, with TCE tables: the default devices, behind a dynamic DMA window',
    content: {
      machine: 'pseries',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'power9',
      append: '',
      devices: [...defaultDevices],
    },
  },
  {
    name: 'powernv',
    summary: 'a POWER machine without a hypervisor: host bridges whose IODA tables the kernel sets up itself',
    content: {
      machine: 'powernv9',
      qemuVersion: '11.1',
      memory: '1G',
      append: '',
      defaultDevices: true,
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0', bus: 'pcie.0', ...translated },
        { model: 'virtio-blk-pci', id: 'blk1', bus: 'pcie.1' },
        { model: 'virtio-rng-pci', id: 'rng0', bus: 'pcie.2', ...translated },
        { model: 'nvme', id: 'nvme0', bus: 'pcie.3', serial: 'powernv' },
        { model: 'e1000e', id: 'net0', bus: 'pcie.4', mac: '52:54:00:12:34:00' },
      ],
    },
  },
  {
    name: 'e500',
    summary: 'an embedded PowerPC with 8 GiB: the kernel opens windows through which devices see 3 GiB; no IOMMU',
    content: {
      machine: 'ppce500',
      qemuVersion: '11.1',
      memory: '8G',
      cpu: 'e5500',
      append: '',
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0' },
        { model: 'virtio-blk-pci', id: 'blk1', ...translated },
        { model: 'virtio-net-pci', id: 'net0', mac: '52:54:00:12:34:00' },
        { model: 'nvme', id: 'nvme0', serial: 'e500' },
      ],
    },
  },
  {
    name: 'mac99-dart',
    summary: 'a PowerMac G5 with its DART, which QEMU leaves out: cards that know of bit 33, and others',
    content: {
      machine: 'mac99',
      qemuVersion: '11.1',
      hypervisor: 'physical',
      memory: '2G',
      cpu: '970fx',
      append: '',
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0' },
        { model: 'virtio-net-pci', id: 'net0', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-pci', id: 'rng0' },
        { model: 'nvme', id: 'nvme0', serial: 'mac99' },
      ],
    },
  },
]

export const PEF: Preset = {
  name: 'pef',
  summary: 'a secure guest of a POWER machine (svm=on): devices reach the pages that it shares, by TCEs',
  content: {
    machine: 'pseries',
    qemuVersion: '11.1',
    memory: '512M',
    cpu: 'power9',
    machineProperties: { confidential: 'pef' },
    append: 'svm=on',
    devices: [
      { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0' },
      { model: 'virtio-blk-pci', id: 'blk1', addr: '03.0', iommu_platform: false },
      { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00' },
      { model: 'e1000e', id: 'net1', addr: '05.0', mac: '52:54:00:12:34:01' },
    ],
  },
}
