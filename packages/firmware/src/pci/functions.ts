import { HEADER_TYPE, PCI_HEADER_TYPE0, PCI_HEADER_TYPE1, PCI_VENDOR_ID_ABSENT } from '@dmascope/pci/spec'
import type { PciConfig } from './config-access.ts'

/** A function that firmware found. */
export interface FoundFunction {
  /** Routing ID. */
  readonly id: number
  readonly bus: number
  readonly device: number
  readonly fn: number
  readonly vendorId: number
  readonly deviceId: number
  /** Base class and sub-class: 0x0604 is a bridge. */
  readonly classCode: number
  readonly isBridge: boolean
  /** Of a bridge, once buses are numbered. */
  readonly secondaryBus: number
  /** The bridge that it is behind; null on a root bus. */
  readonly parent: FoundFunction | null
}

/** Base class and sub-class of a PCI-to-PCI bridge; subtractive ones are among them. */
export const CLASS_BRIDGE_PCI = 0x0604
const { VENDOR_ID, DEVICE_ID, SUB_CLASS, HEADER_TYPE: HEADER } = PCI_HEADER_TYPE0.registers

/** Routing IDs of the functions that answer on a bus, ascending; functions above 0 only of multifunction devices. */
export function functionsOnBus(config: PciConfig, bus: number): number[] {
  const ids: number[] = []
  for (let device = 0; device < 32; device++) {
    const first = (bus << 8) | (device << 3)
    const vendor = config.read16(first, VENDOR_ID.offset)
    if (vendor === PCI_VENDOR_ID_ABSENT || vendor === 0) continue
    ids.push(first)
    if (HEADER_TYPE.fields.MULTI_FUNCTION.get(config.read8(first, HEADER.offset)) === 0) continue
    for (let fn = 1; fn < 8; fn++) {
      const other = config.read16(first | fn, VENDOR_ID.offset)
      if (other !== PCI_VENDOR_ID_ABSENT && other !== 0) ids.push(first | fn)
    }
  }
  return ids
}

export const classOf = (config: PciConfig, id: number): number => config.read16(id, SUB_CLASS.offset)

/** Every function on the buses that are numbered, in the order of routing IDs, as SeaBIOS lists them. */
export function probeFunctions(config: PciConfig, rootBuses: readonly number[]): FoundFunction[] {
  const found: FoundFunction[] = []
  const bridges = new Map<number, FoundFunction>()
  const buses = new Set(rootBuses)
  for (let bus = 0; bus <= 0xff; bus++) {
    if (!buses.has(bus)) continue
    for (const id of functionsOnBus(config, bus)) {
      const classCode = classOf(config, id)
      const isBridge = classCode === CLASS_BRIDGE_PCI
      const one: FoundFunction = {
        id,
        bus,
        device: (id >> 3) & 31,
        fn: id & 7,
        vendorId: config.read16(id, VENDOR_ID.offset),
        deviceId: config.read16(id, DEVICE_ID.offset),
        classCode,
        isBridge,
        secondaryBus: isBridge ? config.read8(id, PCI_HEADER_TYPE1.registers.SECONDARY_BUS_NUMBER.offset) : 0,
        parent: bridges.get(bus) ?? null,
      }
      found.push(one)
      // A bridge below its own bus, or to a bus that another leads to, would be no tree.
      if (isBridge && one.secondaryBus > bus && !bridges.has(one.secondaryBus)) {
        bridges.set(one.secondaryBus, one)
        buses.add(one.secondaryBus)
      }
    }
  }
  return found
}
