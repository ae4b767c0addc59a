import type { DeviceDescription, PropertyValue } from '@dmascope/machine'

/** The device in question. `+platform`: with QEMU's `iommu_platform=on`. */
export type DeviceName =
  | 'virtio-blk'
  | 'virtio-blk+platform'
  | 'virtio-net'
  | 'virtio-net+platform'
  | 'virtio-rng'
  | 'virtio-rng+platform'
  | 'e1000e'
  | 'nvme'
  | 'rtl8139'
  | 'late-writer'
  | 'nosy-reader'
  | 'assigned'

export interface DeviceInQuestion {
  readonly name: DeviceName
  readonly summary: string
  readonly model: string
  readonly properties: Readonly<Record<string, PropertyValue>>
  /** It is a virtio device that asks for `iommu_platform`, which says something of QEMU alone. */
  readonly asksForPlatform: boolean
}

const PLATFORM = { iommu_platform: true, 'disable-legacy': 'on' } as const

/** QEMU gives them that in confidential guests, unless told otherwise. */
const UNASKED = { iommu_platform: false, 'disable-legacy': 'off' } as const

const virtio = (kind: 'blk' | 'net' | 'rng', asksForPlatform: boolean): DeviceInQuestion => ({
  name: asksForPlatform ? `virtio-${kind}+platform` : `virtio-${kind}`,
  summary: asksForPlatform ? `virtio-${kind}-pci with iommu_platform=on` : `virtio-${kind}-pci`,
  model: `virtio-${kind}-pci`,
  properties: asksForPlatform ? PLATFORM : {},
  asksForPlatform,
})

/** Every device that a cell can ask about. */
export const DEVICES: readonly DeviceInQuestion[] = [
  ...(['blk', 'net', 'rng'] as const).flatMap((kind) => [virtio(kind, false), virtio(kind, true)]),
  {
    name: 'e1000e',
    summary: 'an emulated network card, with Linux’s driver',
    model: 'e1000e',
    properties: {},
    asksForPlatform: false,
  },
  {
    name: 'nvme',
    summary: 'an emulated NVMe controller, with Linux’s driver',
    model: 'nvme',
    properties: { serial: 'matrix' },
    asksForPlatform: false,
  },
  {
    name: 'rtl8139',
    summary: 'an emulated network card with 32 address lines',
    model: 'rtl8139',
    properties: {},
    asksForPlatform: false,
  },
  {
    name: 'late-writer',
    summary: 'a device that writes to a buffer once more after its driver has taken it back',
    model: 'dmascope-probe',
    properties: { dma_bits: 64, 'late-write': true },
    asksForPlatform: false,
  },
  {
    name: 'nosy-reader',
    summary: 'a device that reads the whole page of which a part is its buffer',
    model: 'dmascope-probe',
    properties: { dma_bits: 64, max_transfer: 256, 'reads-around': true },
    asksForPlatform: false,
  },
  {
    name: 'assigned',
    summary: 'a device of the host’s, assigned by VFIO',
    model: 'vfio-pci',
    properties: { host: '0000:01:00.0' },
    asksForPlatform: false,
  },
]

/** Its place in the machine: device 4 of the first bus. */
export const DEVICE_NUMBER = 4

export const describeDevice = (
  { name, model, properties, asksForPlatform }: DeviceInQuestion,
  confidential: boolean,
): DeviceDescription => ({
  model,
  id: 'asked',
  addr: { device: DEVICE_NUMBER, function: 0 },
  properties: confidential && model.startsWith('virtio') && !asksForPlatform ? UNASKED : properties,
  location: { text: name },
})

/** A virtio device at the end of a subchannel, which is of virtio 1 in any case. */
export const describeChannelDevice = ({ name, model, asksForPlatform }: DeviceInQuestion): DeviceDescription => ({
  model: model.replace(/-pci$/, '-ccw'),
  id: 'asked',
  properties: { iommu_platform: asksForPlatform },
  location: { text: name },
})
