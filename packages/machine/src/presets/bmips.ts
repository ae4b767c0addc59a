import type { DeviceContent } from '../file/schema.ts'
import type { Preset } from './preset.ts'

/** What a BCM3384 has in its slots, none of which asks what stands before memory. */
const cards: readonly DeviceContent[] = [
  { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0' },
  { model: 'virtio-net-pci', id: 'net0', addr: '03.0', mac: '52:54:00:12:34:00' },
  { model: 'virtio-rng-pci', id: 'rng0', addr: '04.0' },
  { model: 'e1000e', id: 'net1', addr: '05.0', mac: '52:54:00:12:34:01' },
  { model: 'nvme', id: 'nvme0', addr: '06.0', serial: 'bmips' },
]

export const BMIPS: readonly Preset[] = [
  {
    name: 'bmips',
    summary: 'a Broadcom BCM3384 (MIPS): cards behind a bus that sees two banks of memory in each other’s place',
    content: {
      machine: 'bcm3384',
      qemuVersion: '11.1',
      hypervisor: 'physical',
      memory: '256M',
      cpu: 'bmips5000',
      append: '',
      devices: [...cards],
    },
  },
  {
    name: 'bmips-viper',
    summary: 'the chip’s other processor, whose cache reads ahead: cards that nobody flushes it for, and others',
    content: {
      machine: 'bcm3384',
      qemuVersion: '11.1',
      hypervisor: 'physical-no-flag',
      memory: '64M',
      cpu: 'bmips4350',
      append: '',
      devices: [...cards],
    },
  },
]
