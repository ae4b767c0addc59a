import type { DtNode } from '@dmascope/devicetree'
import type { Bar } from '../pci/bars.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { readFunction } from '../pci/enumerate.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { type HostBridge, placeBar } from './host-bridges.ts'

/** More functions than any machine has. */
const MOST_FUNCTIONS = 4096
const ADDRESS_CELLS = 5
const SPACE_IO = 0x0100_0000
const SPACE_MASK = 0x0300_0000
const BAR0 = 0x10
const BARS = 6
/** Base class and sub-class of a bridge to another PCI bus. */
const PCI_BRIDGE = 0x0604

/** A function, and the node that it was made from. */
export interface ScannedFunction {
  readonly fn: PciFunction
  readonly node: DtNode
}

/**
 * Makes the functions of a host bridge from the nodes below it, as Linux does in a partition: a node without a function
 * that answers is no device, and a function without a node is not found. BARs are where `assigned-addresses` says.
 */
export function scanTree(
  bridge: HostBridge,
  order: number,
  config: ConfigAccess,
  log: (line: string) => void,
): ScannedFunction[] {
  const secondaryOf = (fn: PciFunction, node: DtNode): number | null => {
    if (fn.classCode >>> 8 !== PCI_BRIDGE) return null
    const [secondary] = node.cells('bus-range')
    if (secondary !== undefined && secondary > fn.bus && secondary <= 0xff && node.has('ranges')) return secondary
    log(`pci ${fn.id}: Can't get bus-range and ranges for PCI-PCI bridge, nothing below it is found`)
    return null
  }
  const barsOf = (node: DtNode): Bar[] => assignedBars(node, (bar) => placeBar(bridge, order, bar))
  return scanNodes(bridge, config, log, barsOf, secondaryOf)
}

/**
 * The functions that have nodes below a host bridge and answer, each bus before what is behind its bridges.
 *
 * @param secondaryOf - the bus behind a function; null where it is no bridge to be followed
 */
export function scanNodes(
  bridge: { readonly node: DtNode; readonly segment: number; readonly firstBus: number },
  config: ConfigAccess,
  log: (line: string) => void,
  barsOf: (node: DtNode) => Bar[],
  secondaryOf: (fn: PciFunction, node: DtNode) => number | null,
): ScannedFunction[] {
  const found: ScannedFunction[] = []
  const scanBus = (node: DtNode, bus: number, parent: PciFunction | null): void => {
    const first = found.length
    for (const child of node.children) {
      if (found.length >= MOST_FUNCTIONS) return
      const [address] = child.cells('reg')
      if (address === undefined) continue
      const at = {
        segment: bridge.segment,
        bus,
        device: (address >>> 11) & 0x1f,
        function: (address >>> 8) & 7,
      }
      const fn = readFunction(config, at, parent, false, log, () => barsOf(child))
      if (fn !== null) found.push({ fn, node: child })
    }
    for (const { fn, node: child } of found.slice(first)) {
      const secondary = secondaryOf(fn, child)
      if (secondary !== null) scanBus(child, secondary, fn)
    }
  }
  scanBus(bridge.node, bridge.firstBus, null)
  return found
}

/**
 * `assigned-addresses`: entries of five cells: phys.hi with space and register, the address, the size.
 *
 * @param place - where software finds such a register; null where no window leads there
 */
export function assignedBars(node: DtNode, place: (bar: Bar) => Bar | null): Bar[] {
  const cells = node.cells('assigned-addresses')
  const bars: Bar[] = []
  for (let at = 0; at + ADDRESS_CELLS <= cells.length; at += ADDRESS_CELLS) {
    const [space, hi, lo, sizeHi, sizeLo] = cells.slice(at, at + ADDRESS_CELLS) as [
      number,
      number,
      number,
      number,
      number,
    ]
    const index = ((space & 0xff) - BAR0) / 4
    if (!Number.isInteger(index) || index < 0 || index >= BARS || bars.some((other) => other.index === index)) continue
    const base = hi * 0x1_0000_0000 + lo
    const size = sizeHi * 0x1_0000_0000 + sizeLo
    if (!Number.isSafeInteger(base + size) || size === 0) continue
    const kind = (space & SPACE_MASK) === SPACE_IO ? ('io' as const) : ('memory' as const)
    const placed = place({ index, kind, base, size })
    if (placed !== null) bars.push(placed)
  }
  return bars.sort((a, b) => a.index - b.index)
}
