import { type DeviceTree, type DtNode, pathOf } from '@dmascope/devicetree'
import type { Bar } from '../pci/bars.ts'
import { SABRE_COMPATIBLE } from '../spec/sabre.ts'

const SPACE_MASK = 0x0300_0000
const SPACE_CONFIG = 0
const SPACE_IO = 0x0100_0000
const RANGE_CELLS = 7
/** Below 2^53: what a Number, and the CPU seam, can say. */
const REACHABLE_HI = 0x20_0000

/** Bus addresses [bus, bus + size) lie at CPU addresses from `cpu` on. */
interface SabreRange {
  readonly io: boolean
  readonly bus: number
  readonly cpu: number
  readonly size: number
}

/** The host bridge, as its node tells of it. */
export interface SabreBridge {
  readonly node: DtNode
  readonly path: string
  /** Where its registers begin. */
  readonly registers: number
  readonly firstBus: number
  readonly ranges: readonly SabreRange[]
  /** Where devices' addresses are to be: `virtual-dma`. Null where the node says nothing of it. */
  readonly dvma: { readonly base: number; readonly size: number } | null
  /** No cache stands between devices and memory that software would have to flush. */
  readonly noStreamingCache: boolean
}

/** The first Sabre of the tree; Linux takes no second one. A text is why there is none. */
export function findSabre(tree: DeviceTree): SabreBridge | string {
  const node = tree.root.children.find((one) =>
    one.strings('compatible').some((name) => SABRE_COMPATIBLE.includes(name)),
  )
  if (node === undefined) return 'no PCI host bridge that is known'
  const [hi = REACHABLE_HI, lo = 0] = node.cells('reg')
  if (hi >= REACHABLE_HI) return 'sabre: No reg property'
  const [base, size] = node.cells('virtual-dma')
  return {
    node,
    path: pathOf(node),
    registers: hi * 0x1_0000_0000 + lo,
    firstBus: (node.cells('bus-range')[0] ?? 0) & 0xff,
    ranges: rangesOf(node),
    dvma: base === undefined || size === undefined ? null : { base, size },
    noStreamingCache: node.has('no-streaming-cache'),
  }
}

function rangesOf(node: DtNode): SabreRange[] {
  const cells = node.cells('ranges')
  const ranges: SabreRange[] = []
  for (let at = 0; at + RANGE_CELLS <= cells.length; at += RANGE_CELLS) {
    const [space, busHi, busLo, cpuHi, cpuLo, sizeHi, sizeLo] = cells.slice(at, at + RANGE_CELLS) as Cells
    const kind = space & SPACE_MASK
    if (kind === SPACE_CONFIG || busHi !== 0 || cpuHi >= REACHABLE_HI || sizeHi > 1) continue
    ranges.push({
      io: kind === SPACE_IO,
      bus: busLo,
      cpu: cpuHi * 0x1_0000_0000 + cpuLo,
      size: sizeHi * 0x1_0000_0000 + sizeLo,
    })
  }
  return ranges
}

type Cells = [number, number, number, number, number, number, number]

/** A register at a bus address, where software finds it: ports keep their numbers. Null where no window leads there. */
export function placeSabreBar({ ranges }: SabreBridge, bar: Bar): Bar | null {
  const found = ranges.find(
    ({ io, bus, size }) => io === (bar.kind === 'io') && bar.base >= bus && bar.base + bar.size <= bus + size,
  )
  if (found === undefined) return null
  return found.io ? bar : { ...bar, base: bar.base - found.bus + found.cpu }
}

/** The memory of so many ports; null where the bridge has none there. */
export function portAddress({ ranges }: SabreBridge, port: number, width: number): number | null {
  const found = ranges.find(({ io, bus, size }) => io && port >= bus && port + width <= bus + size)
  return found === undefined ? null : port - found.bus + found.cpu
}
