import { isBridge, type PciBus, type PciFunction, type PciSlot, ROM_BAR } from '@dmascope/pci'
import { PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import { messagesOf } from './message-setup.ts'
import type { BarFacts, BusFacts, FunctionFacts } from './tree/tree-facts.ts'

const CONVENTIONAL_SIZE = 256
const TYPE0 = PCI_HEADER_TYPE0.registers

/** What a device tree wants to know of functions besides what their configuration space says. */
export interface FunctionNames {
  /** QEMU's name of the device. */
  modelOf(one: PciFunction): string
  /** Chassis of a bridge. */
  chassisOf(one: PciFunction): number
  /** Whether the tree is to say that the function goes past the IOMMU. */
  tellsBypass(one: PciFunction): boolean
}

/** The functions on a bus and below it, as their configuration space shows them now. */
export const busFacts = (bus: PciBus, names: FunctionNames): BusFacts => ({
  number: bus.number,
  functions: bus.slots.map((slot) => functionFacts(slot, names)),
})

function functionFacts({ function: one, device, fn }: PciSlot, names: FunctionNames): FunctionFacts {
  const { config } = one
  const ids = config.peek(TYPE0.REVISION_ID.offset, 4)
  const bridge = isBridge(one)
  return {
    model: names.modelOf(one),
    device,
    fn,
    vendorId: config.vendorId,
    deviceId: config.deviceId,
    revision: ids & 0xff,
    classCode: ids >>> 8,
    interruptPin: config.interruptPin,
    // QEMU reads these registers of a bridge too, where its limits of memory windows stand.
    subsystemVendorId: config.peek(TYPE0.SUBSYSTEM_VENDOR_ID.offset, 2),
    subsystemId: config.peek(TYPE0.SUBSYSTEM_VENDOR_ID.offset + 2, 2),
    cacheLineSize: config.peek(TYPE0.CACHE_LINE_SIZE.offset, 1),
    status: config.peek(TYPE0.STATUS.offset, 2),
    minGrant: config.peek(TYPE0.MIN_GNT.offset, 1),
    maxLatency: config.peek(TYPE0.MAX_LAT.offset, 1),
    bars: config.bars.map(
      (bar): BarFacts => ({
        offset: bar.offset,
        size: bar.size,
        space: bar.space === 'io' ? 'io' : bar.is64 && bar.bar !== ROM_BAR ? 'mem64' : 'mem32',
      }),
    ),
    ...messagesOf(one),
    tellsBypass: names.tellsBypass(one),
    // Extended configuration space is there on a conventional bus, too, where nothing else of PCI Express is.
    express: config.size > CONVENTIONAL_SIZE,
    below: bridge ? { chassis: names.chassisOf(one), bus: busFacts(one.secondary, names) } : null,
  }
}
