import type { QemuVersion } from '../description.ts'
import { PCI_PROPERTIES } from './base-properties.ts'
import type { BackendModel, BarModel, CapabilityModel, DeviceModel, PciModel } from './model.ts'
import { QEMU_VERSIONS } from './property.ts'
import type { PropertyList } from './property-specs.ts'
import { bearing, text } from './property-specs.ts'

const KiB = 1024

/** `io(4, 32)`: an I/O BAR. */
export const io = (index: BarModel['index'], size: number): BarModel => ({
  index,
  kind: 'io',
  prefetchable: false,
  size,
})

/** `mem(0, 128 * 1024)`: a 32-bit memory BAR. */
export const mem = (index: BarModel['index'], size: number, prefetchable = false): BarModel => ({
  index,
  kind: 'mem32',
  prefetchable,
  size,
})

/** A 64-bit memory BAR. */
export const mem64 = (index: BarModel['index'], size: number, prefetchable = false): BarModel => ({
  index,
  kind: 'mem64',
  prefetchable,
  size,
})

/**
 * Capabilities in the way lspci abbreviates them: `01@c8,05@d0,x0001@100` is power management at 0xc8, MSI at 0xd0,
 * and the extended capability 1 (AER) at 0x100; in the order in which software walks the chain.
 */
function capabilities(list: string): readonly CapabilityModel[] {
  if (list === '') return []
  return list.split(',').map((entry) => {
    const match = /^(x?)([0-9a-f]+)@([0-9a-f]+)$/.exec(entry)
    if (match === null) throw new TypeError(`a capability is written id@offset in hexadecimal, got "${entry}"`)
    return { id: Number.parseInt(match[2]!, 16), offset: Number.parseInt(match[3]!, 16), extended: match[1] === 'x' }
  })
}

/** Option ROMs: what QEMU's files round up to. */
export const NIC_ROM = 256 * KiB
export const VGA_ROM = 64 * KiB

/** Red Hat's IDs, which QEMU gives to every function that states no others. */
const SUBSYSTEM = { subsystemVendorId: 0x1af4, subsystemId: 0x1100 }

/** What a model's PCI side states; the rest are QEMU's defaults. */
export interface PciInput extends Partial<Omit<PciModel, 'vendorId' | 'deviceId' | 'classCode' | 'capabilities'>> {
  readonly ids: readonly [vendor: number, device: number]
  readonly classCode: number
  readonly caps?: string
}

export function pciModel(input: PciInput): PciModel {
  const { ids, caps, ...rest } = input
  const nature = input.nature ?? 'conventional'
  return {
    vendorId: ids[0],
    deviceId: ids[1],
    revision: 0,
    ...SUBSYSTEM,
    headerType: 0,
    interruptPin: 1,
    configSize: nature === 'express' ? 4096 : 256,
    bars: [],
    msixVectors: 0,
    msixBar: 0,
    msiVectors: 0,
    romSize: 0,
    dmaBits: 32,
    nature,
    capabilities: capabilities(caps ?? ''),
    ...rest,
  }
}

/** A backend property. The property itself is added to the model's list. */
export const backend = (
  property: string,
  option: BackendModel['option'],
  kind: BackendModel['kind'],
  missing: string | null = null,
): BackendModel => ({ property, option, kind, missing })

export const DRIVE = (missing: string | null = null): BackendModel => backend('drive', 'drive', 'disk', missing)
export const NETDEV: BackendModel = backend('netdev', 'netdev', 'network')

/** What a model states; the rest is empty. */
export type ModelInput = Partial<Omit<DeviceModel, 'properties'>> & {
  readonly name: string
  readonly kind: DeviceModel['kind']
  /** A function is called when they are first asked for. */
  readonly properties?: PropertyList | (() => PropertyList)
}

/** A model; one with a PCI side takes QEMU's PCI properties too. */
export function deviceModel(input: ModelInput): DeviceModel {
  const onPci = (input.pci ?? input.virtio ?? null) !== null
  const backends = input.backends ?? []
  let properties: PropertyList | null = null
  return {
    aliases: [],
    versions: QEMU_VERSIONS,
    dma: false,
    plug: onPci ? 'any' : (input.virtioBus ?? null) === null ? 'not-pci' : 'virtio-bus',
    pci: null,
    virtio: null,
    virtioBus: null,
    bridge: null,
    where: null,
    required: {},
    ...input,
    parents: onPci ? ['pci-device', ...(input.parents ?? [])] : (input.parents ?? []),
    backends,
    // Of most models nobody ever asks.
    get properties() {
      properties ??= {
        ...(onPci ? PCI_PROPERTIES : {}),
        ...Object.fromEntries(backends.map(({ property }) => [property, bearing(text)])),
        ...(typeof input.properties === 'function' ? input.properties() : input.properties),
      }
      return properties
    },
  }
}

/** The QEMU releases from one on. */
export const SINCE_8: readonly QemuVersion[] = ['11.1']
