import { PCIE_TO_PCI_BRIDGE } from '@dmascope/pci/spec'
import type { PciFunction } from '../pci/pci-function.ts'
import { type OpalPhb, segment64 } from './phbs.ts'

/** A partitionable endpoint of Linux's: a bus, or all buses from a bridge to conventional PCI on. */
export interface Endpoint {
  readonly phb: OpalPhb
  readonly number: number
  readonly bus: number
  /** Everything below the bus is in it, too. */
  readonly all: boolean
  /** In the order in which they came. */
  readonly members: PciFunction[]
}

/** Functions in the order in which Linux makes devices of them: a bus's own, then bus by bus what is below. */
function deviceOrder(functions: readonly PciFunction[], parent: PciFunction | null = null): PciFunction[] {
  const own = functions.filter((fn) => fn.parent === parent)
  return [...own, ...own.flatMap((fn) => (isBridge(fn) ? deviceOrder(functions, fn) : []))]
}

export const isBridge = (fn: PciFunction): boolean => (fn.headerType & 0x7f) === 1

/**
 * Puts the functions of a host bridge into endpoints (`pnv_ioda_setup_bus_PE`): the root bus has one of its own; a bus
 * whose functions have memory in the 64-bit window, the one whose segment of it comes first; any other the highest that
 * is free. A bus without functions has none.
 *
 * @param functions - of this host bridge, with BARs as the bus sees them
 */
export function findEndpoints(
  phb: OpalPhb,
  functions: readonly PciFunction[],
  log: (line: string) => void,
): Endpoint[] {
  const taken = new Set([phb.reservedEndpoint])
  const root = phb.reservedEndpoint === 0 ? 1 : phb.reservedEndpoint - 1
  taken.add(root)
  const found: Endpoint[] = []
  for (const fn of deviceOrder(functions)) {
    const known = found.find((one) => isIn(one, fn))
    if (known !== undefined) {
      known.members.push(fn)
      log(`pci ${fn.id}: Added to existing PE#${known.number.toString(16)}`)
      continue
    }
    const all = fn.parent?.pcieType === PCIE_TO_PCI_BRIDGE
    const segments = fn.parent === null ? [] : segmentsOf(phb, functions, fn, all)
    for (const segment of segments) taken.add(segment)
    const number = fn.parent === null ? root : (segments[0] ?? highestFree(phb, taken))
    if (number === null) {
      log(`pci ${fn.id}: Not enough PE# available`)
      continue
    }
    taken.add(number)
    log(`pci ${fn.id}: Configured PE#${number.toString(16)}`)
    found.push({ phb, number, bus: fn.bus, all, members: [fn] })
  }
  return found
}

const isIn = ({ bus, all, members }: Endpoint, fn: PciFunction): boolean =>
  fn.bus === bus || (all && isBelow(fn, members[0]!.parent))

function isBelow(fn: PciFunction, bridge: PciFunction | null): boolean {
  for (let at: PciFunction | null = fn; at !== null; at = at.parent) if (at === bridge) return true
  return false
}

/** Segments of the 64-bit window that the functions of a bus, or all below it, have memory in; ascending. */
function segmentsOf(phb: OpalPhb, functions: readonly PciFunction[], first: PciFunction, all: boolean): number[] {
  const { memory64 } = phb
  const size = segment64(phb)
  const found = new Set<number>()
  for (const fn of functions) {
    if (fn.bus !== first.bus && !(all && isBelow(fn, first.parent))) continue
    for (const { base, size: bytes } of fn.bars) {
      if (base < memory64.cpu || base >= memory64.cpu + memory64.size) continue
      const from = Math.floor((base - memory64.cpu) / size)
      for (let at = from; at < phb.endpoints && at * size < base - memory64.cpu + bytes; at++) found.add(at)
    }
  }
  return [...found].sort((a, b) => a - b)
}

function highestFree({ endpoints }: OpalPhb, taken: ReadonlySet<number>): number | null {
  for (let number = endpoints - 1; number >= 0; number--) if (!taken.has(number)) return number
  return null
}
