import type { GuestDevice, GuestIommu, GuestResult } from '@dmascope/guest'
import type { DeviceObservation, DmaCounts, MachineDescription, StrayAccess } from '@dmascope/machine'
import type { BootAccounts } from '../src/index.ts'

export const counts = (some: Partial<DmaCounts> = {}): DmaCounts => ({
  reads: 0,
  writes: 0,
  bytes: 0,
  translated: 0,
  untranslated: 0,
  faulted: 0,
  ...some,
})

/** A disk that was tested and works, in group 1, given IOVAs. */
export const guestDevice = (some: Partial<GuestDevice> = {}): GuestDevice => ({
  id: '0000:00:03.0',
  vendor: 0x1af4,
  device: 0x1042,
  classCode: 0x01_0000,
  revision: 1,
  driver: 'virtio_blk',
  firmware: { covered: true, by: 'DMAR DRHD 0xfed90000, scope 00:03.0' },
  iommuGroup: 1,
  domain: 'dma-fq',
  dmaPath: 'iommu',
  virtio: { offered: [32, 33], negotiated: [32, 33], accessPlatform: true, status: 0x0f },
  interrupt: { mode: 'msix', remapped: true, delivered: 3, lost: 0 },
  io: { kind: 'blk', attempted: true, ok: true, wrongData: false, hung: false, detail: 'checksum matches' },
  refusal: null,
  why: [],
  ...some,
})

export const withIo = (some: Partial<GuestDevice['io']>): Pick<GuestDevice, 'io'> => ({
  io: { ...guestDevice().io, ...some },
})

export const vtd = (some: Partial<GuestIommu> = {}): GuestIommu => ({
  id: 'dmar0',
  kind: 'vtd',
  base: 0xfed9_0000,
  exposed: true,
  enabled: true,
  interruptRemapping: true,
  default: 'dma-fq',
  addressWidth: 48,
  why: [],
  ...some,
})

export const guestResult = (some: Partial<GuestResult> = {}): GuestResult => ({
  profile: 'linux-6.12',
  booted: true,
  iommus: [vtd()],
  devices: [guestDevice()],
  timeline: [],
  ...some,
})

/** The same disk as the machine saw it: behind the IOMMU, 41 accesses, all translated. */
export const observation = (some: Partial<DeviceObservation> = {}): DeviceObservation => ({
  id: '0000:00:03.0',
  model: 'virtio-blk-pci',
  deviceId: 'disk0',
  behindIommu: true,
  dma: {
    firmware: counts(),
    probe: counts(),
    'self-test': counts({ reads: 30, writes: 11, bytes: 4096, translated: 41 }),
  },
  msi: 3,
  strays: [],
  strayCount: 0,
  faults: [],
  described: { location: 'argument 5 (-device)', model: 'virtio-blk-pci', properties: {} },
  ...some,
})

/** DMA of the self-test alone. */
export const tested = (some: Partial<DmaCounts>): Pick<DeviceObservation, 'dma'> => ({
  dma: { firmware: counts(), probe: counts(), 'self-test': counts(some) },
})

export const stray = (some: Partial<StrayAccess> = {}): StrayAccess => ({
  kind: 'read',
  busAddress: '0xfffff000',
  physical: '0xfffff000',
  length: 2,
  landed: 'rom',
  count: 1,
  ...some,
})

export const withStrays = (...strays: StrayAccess[]): Pick<DeviceObservation, 'strays' | 'strayCount'> => ({
  strays,
  strayCount: strays.reduce((sum, { count }) => sum + count, 0),
})

export const fault = (phase: 'firmware' | 'probe' | 'self-test'): DeviceObservation['faults'][number] => ({
  address: '0x1000',
  reason: 6,
  text: 'read: no permission to read',
  phase,
})

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

export const accounts = (
  guest: GuestResult,
  observations: readonly DeviceObservation[],
  some: Partial<MachineDescription> = {},
): BootAccounts => ({ description: { ...description, ...some }, guest, observations, version: '1.2.3' })
