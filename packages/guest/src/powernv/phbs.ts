import { type DeviceTree, type DtNode, pathOf } from '@dmascope/devicetree'
import type { Bar } from '../pci/bars.ts'

const RANGE_CELLS = 7
const SPACE_MASK = 0x0300_0000
const SPACE_MEM32 = 0x0200_0000
const MSI32_BYTES = 0x1_0000
const MOST_ENDPOINTS = 0x1000
const SMALLEST_SEGMENT = 0x10_0000

/** Bus addresses [bus, bus + size) lie at CPU addresses from `cpu` on. */
interface MemoryWindow {
  readonly bus: number
  readonly cpu: number
  readonly size: number
}

/** A PCI host bridge with IODA tables, as its node tells of it. */
export interface OpalPhb {
  readonly node: DtNode
  readonly path: string
  /** Its PCI domain, and its number for OPAL. */
  readonly segment: number
  readonly endpoints: number
  /** The endpoint of what is in no other. */
  readonly reservedEndpoint: number
  readonly memory32: MemoryWindow
  readonly memory64: MemoryWindow
  /** The last M64 BAR: it covers the whole window. */
  readonly memory64Bar: number
  readonly messages: { readonly first: number; readonly count: number }
}

/** The host bridges of the root node, in order. What lacks a property that Linux cannot do without is left out, with a line. */
export function findPhbs(tree: DeviceTree, log: (line: string) => void): OpalPhb[] {
  return tree.root.children
    .filter((node) => node.strings('compatible').includes('ibm,ioda3-phb'))
    .flatMap((node) => {
      const path = pathOf(node)
      log(`Initializing IODA2 PHB (${path})`)
      const phb = readPhb(node, path)
      if (typeof phb !== 'string') return [phb]
      log(`${path}: ${phb}, not used`)
      return []
    })
}

function readPhb(node: DtNode, path: string): OpalPhb | string {
  const [, segment] = node.cells('ibm,opal-phbid')
  const [first, count] = node.cells('ibm,opal-msi-ranges')
  const [firstBar = 0, bars = 16] = node.cells('ibm,opal-available-m64-ranges')
  const endpoints = node.cell('ibm,opal-num-pes') ?? 1
  const memory32 = memory32Of(node)
  const window = node.cells('ibm,opal-m64-window')
  if (segment === undefined) return 'Missing "ibm,opal-phbid" property'
  if (first === undefined || count === undefined) return 'no ibm,opal-msi-ranges'
  if (memory32 === null || window.length < 6) return 'no memory window'
  if (!(endpoints > 1 && endpoints <= MOST_ENDPOINTS)) return `${endpoints} endpoints make no sense`
  const [busHi, busLo, cpuHi, cpuLo, sizeHi, sizeLo] = window as [number, number, number, number, number, number]
  const memory64 = {
    bus: busHi * 0x1_0000_0000 + busLo,
    cpu: cpuHi * 0x1_0000_0000 + cpuLo,
    size: sizeHi * 0x1_0000_0000 + sizeLo,
  }
  if (memory64.size < endpoints * SMALLEST_SEGMENT) return 'its 64-bit window is too small'
  if (!Number.isSafeInteger(memory64.cpu + memory64.size) || !Number.isSafeInteger(memory64.bus + memory64.size)) {
    return 'its 64-bit window is out of reach'
  }
  return {
    node,
    path,
    segment,
    endpoints,
    reservedEndpoint: node.cell('ibm,opal-reserved-pe') ?? 0,
    memory32,
    memory64,
    memory64Bar: firstBar + bars - 1,
    messages: { first, count },
  }
}

function memory32Of(node: DtNode): MemoryWindow | null {
  const cells = node.cells('ranges')
  for (let at = 0; at + RANGE_CELLS <= cells.length; at += RANGE_CELLS) {
    const [space, busHi, busLo, cpuHi, cpuLo, sizeHi, sizeLo] = cells.slice(at, at + RANGE_CELLS) as Cells
    const cpu = cpuHi * 0x1_0000_0000 + cpuLo
    if ((space & SPACE_MASK) !== SPACE_MEM32 || busHi !== 0 || sizeHi !== 0 || !Number.isSafeInteger(cpu)) continue
    return { bus: busLo, cpu, size: sizeLo }
  }
  return null
}

type Cells = [number, number, number, number, number, number, number]

/** Bytes of the 32-bit window that one endpoint's segment has: messages take the last 64 KiB of it. */
export const segment32 = ({ memory32, endpoints }: OpalPhb): number => (memory32.size + MSI32_BYTES) / endpoints

/** The same of the 64-bit window. */
export const segment64 = ({ memory64, endpoints }: OpalPhb): number => memory64.size / endpoints

/** A register at a bus address, where the processor finds it; null where no window leads there: ports have none. */
export function moveBar({ memory32, memory64 }: OpalPhb, bar: Bar): Bar | null {
  if (bar.kind === 'io') return null
  const window = [memory32, memory64].find(({ bus, size }) => bar.base >= bus && bar.base + bar.size <= bus + size)
  return window === undefined ? null : { ...bar, base: bar.base - window.bus + window.cpu }
}
