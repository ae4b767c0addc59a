import type { GuestDevice, GuestResult } from '@dmascope/guest'
import type { DeviceObservation, MachineDescription } from '@dmascope/machine'
import { formatText, formatWhy, joinReport } from '@dmascope/report'

// What the guest believed: a disk in group 1, in a translated domain; it gave it physical addresses all the same.
const disk: GuestDevice = {
  id: '0000:00:03.0',
  vendor: 0x1af4,
  device: 0x1001,
  classCode: 0x01_0000,
  revision: 0,
  driver: 'virtio_blk',
  firmware: { covered: true, by: 'DMAR DRHD 0xfed90000, scope 00:03.0' },
  iommuGroup: 1,
  domain: 'dma-fq',
  dmaPath: 'physical',
  virtio: { offered: [28, 29, 32], negotiated: [28, 29, 32], accessPlatform: false, status: 0x0f },
  interrupt: { mode: 'msix', remapped: true, delivered: 3, lost: 0 },
  io: { kind: 'blk', attempted: true, ok: true, wrongData: false, hung: false, detail: 'read 1 MiB, checksum matches' },
  refusal: null,
  why: [
    { fact: 'the table puts it behind dmar0', source: 'DMAR @0x1ffe2334 +0x58', bytes: '01 08 00 00 00 00 03 00' },
    { fact: 'physical addresses: VIRTIO_F_ACCESS_PLATFORM was not negotiated', source: 'vring_use_dma_api' },
  ],
}
const guest: GuestResult = {
  profile: 'linux-6.12',
  booted: true,
  iommus: [
    {
      id: 'dmar0',
      kind: 'vtd',
      base: 0xfed9_0000,
      exposed: true,
      enabled: true,
      interruptRemapping: true,
      default: 'dma-fq',
      addressWidth: 48,
      why: [],
    },
  ],
  devices: [disk],
  timeline: ['DMAR: one unit at 0xfed90000'],
}

// What the machine saw: 41 accesses, none through the IOMMU.
const none = { reads: 0, writes: 0, bytes: 0, translated: 0, untranslated: 0, faulted: 0 }
const seen: DeviceObservation = {
  id: '0000:00:03.0',
  model: 'virtio-blk-pci',
  deviceId: 'disk0',
  behindIommu: false,
  dma: {
    firmware: none,
    probe: none,
    'self-test': { ...none, reads: 30, writes: 11, bytes: 1_049_000, untranslated: 41 },
  },
  msi: 3,
  strays: [],
  strayCount: 0,
  faults: [],
  described: { location: 'argument 5 (-device)', model: 'virtio-blk-pci', properties: {} },
}
const description: MachineDescription = {
  machine: 'q35',
  qemuVersion: '11.1',
  name: 'q35',
  source: 'qemu',
  memory: 2 ** 29,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices: [],
  append: 'intel_iommu=on',
  ignored: [],
}

const report = joinReport({ description, guest, observations: [seen], version: '1.0.0' })
console.log(formatText(report))
const [device] = report.devices
if (device !== undefined) console.log(formatWhy(report, device))
