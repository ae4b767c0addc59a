import { translated } from './default-devices.ts'
import type { Preset } from './preset.ts'

export const SUN4U: Preset = {
  name: 'sun4u',
  summary: 'a SPARC64 machine, whose IOMMU is in front of every device once the kernel turns it on',
  content: {
    machine: 'sun4u',
    qemuVersion: '11.1',
    memory: '512M',
    append: '',
    devices: [
      { model: 'virtio-blk-pci', id: 'blk0', bus: 'pciB', addr: '00.0', ...translated },
      { model: 'virtio-blk-pci', id: 'blk1', bus: 'pciB', addr: '01.0' },
      { model: 'nvme', id: 'nvme0', bus: 'pciB', addr: '02.0', serial: 'sun4u' },
      { model: 'e1000', id: 'net0', bus: 'pciB', addr: '03.0', mac: '52:54:00:12:34:00' },
    ],
  },
}
