import { type DeviceTree, type DtNode, pathOf } from '@dmascope/devicetree'
import type { Bar } from '../pci/bars.ts'

/** Spaces of phys.hi (PCI Bus Binding §2.2.1.1). */
const SPACE_MASK = 0x0300_0000
const SPACE_IO = 0x0100_0000
/** Linux's MAX_PHBS. */
const MOST_SEGMENTS = 0x1_0000
/** Cells of an entry of `ranges`: three of the child's address, two of the parent's, two of the size. */
const RANGE_CELLS = 7
/** Below 2^53: what a Number, and the CPU seam, can say. */
const REACHABLE_HI = 0x20_0000

/** Bus addresses [bus, bus + size) lie at CPU addresses from `cpu` on. */
interface BridgeRange {
  readonly io: boolean
  readonly bus: number
  readonly cpu: number
  readonly size: number
}

/** A PCI host bridge, as its node tells of it. */
export interface HostBridge {
  readonly node: DtNode
  readonly path: string
  /** PCI domain: the lower 16 bits of the bus unit identifier. */
  readonly segment: number
  readonly buidHi: number
  readonly buidLo: number
  readonly firstBus: number
  readonly extendedConfig: boolean
  readonly ranges: readonly BridgeRange[]
}

/** Ports of each bridge are numbered apart, as Linux maps each bridge's I/O window to a place of its own. */
export const FIRST_PORT = 0x1_0000
export const PORTS_A_BRIDGE = 0x1_0000

/** The PCI host bridges of the root node, in order. */
export function findHostBridges(tree: DeviceTree, log: (line: string) => void): HostBridge[] {
  const bridges: HostBridge[] = []
  for (const node of tree.root.children) {
    const type = node.string('device_type')
    if (type !== 'pci' && type !== 'pciex') continue
    const [buidHi = 0, buidLo = 0] = node.cells('reg')
    const path = pathOf(node)
    const segment = buidLo % MOST_SEGMENTS
    if (bridges.some((other) => other.segment === segment)) {
      log(`PCI: ${path} has the domain of another host bridge, not used`)
      continue
    }
    log(`PCI host bridge ${path}, domain ${segment.toString(16).padStart(4, '0')}`)
    bridges.push({
      node,
      path,
      segment,
      buidHi,
      buidLo,
      firstBus: (node.cells('bus-range')[0] ?? 0) & 0xff,
      extendedConfig: node.cell('ibm,pci-config-space-type') === 1,
      ranges: rangesOf(node),
    })
  }
  return bridges
}

function rangesOf(node: DtNode): BridgeRange[] {
  const cells = node.cells('ranges')
  const ranges: BridgeRange[] = []
  for (let at = 0; at + RANGE_CELLS <= cells.length; at += RANGE_CELLS) {
    const [space, busHi, busLo, cpuHi, cpuLo, sizeHi, sizeLo] = cells.slice(at, at + RANGE_CELLS) as Cells
    if (busHi >= REACHABLE_HI || cpuHi >= REACHABLE_HI || sizeHi >= REACHABLE_HI) continue
    ranges.push({
      io: (space & SPACE_MASK) === SPACE_IO,
      bus: busHi * 0x1_0000_0000 + busLo,
      cpu: cpuHi * 0x1_0000_0000 + cpuLo,
      size: sizeHi * 0x1_0000_0000 + sizeLo,
    })
  }
  return ranges
}

type Cells = [number, number, number, number, number, number, number]

/**
 * A register at a bus address, where software finds it: memory at CPU addresses, I/O at ports of the bridge's own.
 *
 * @param order - the bridge's number among all
 * @returns null where no window leads there
 */
export function placeBar(bridge: HostBridge, order: number, bar: Bar): Bar | null {
  const found = bridge.ranges.find(
    ({ io, bus, size }) => io === (bar.kind === 'io') && bar.base >= bus && bar.base + bar.size <= bus + size,
  )
  if (found === undefined) return null
  const base = bar.base - found.bus + (found.io ? FIRST_PORT + order * PORTS_A_BRIDGE : found.cpu)
  return { ...bar, base }
}
