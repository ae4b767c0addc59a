import { type DeviceTree, pathOf } from '@dmascope/devicetree'
import type { BusView } from '@dmascope/dma'
import type { Fact } from '../result.ts'

/** One entry of `dma-ranges`, by the names that the kernels gave to its cells. */
interface BmipsRange {
  readonly child: number
  readonly parent: number
  readonly size: number
}

/** What one table for all devices comes to. */
export interface UbusWindows {
  readonly view: BusView
  readonly fact: Fact
}

const CELLS = 3

/**
 * How Linux before 5.18 sees buses on BMIPS (arch/mips/bmips/dma.c, `bmips_init_dma_ranges`): the `dma-ranges` of the
 * first `brcm,ubus`, three cells an entry, holds for every device of the machine; no other bus is asked. The first cell
 * is taken for memory's address and the second for the bus's, where a tree means it the other way round: on a BCM3384
 * that comes to the same, since its two banks are exchanged.
 *
 * @returns null where there is no such bus, or it says nothing
 */
export function ubusWindows(tree: DeviceTree, log: (line: string) => void): UbusWindows | null {
  const ubus = [...tree.nodes()].find((node) => node.strings('compatible').includes('brcm,ubus'))
  if (ubus === undefined || !ubus.has('dma-ranges')) return null
  const cells = ubus.cells('dma-ranges')
  const ranges = Array.from({ length: Math.floor(cells.length / CELLS) }, (_, entry): BmipsRange => {
    const [child = 0, parent = 0, size = 0] = cells.slice(entry * CELLS, (entry + 1) * CELLS)
    return { child, parent, size }
  })
  if (ranges.length === 0) {
    log('bmips-dma: error parsing dma-ranges property')
    return null
  }
  // The table ends with an entry of no size.
  const end = ranges.findIndex(({ size }) => size === 0)
  const table = end < 0 ? ranges : ranges.slice(0, end)
  const text = table.map(
    ({ child, parent, size }) =>
      `0x${child.toString(16)} to 0x${(child + size - 1).toString(16)} from 0x${parent.toString(16)} on`,
  )
  return {
    view: new UbusView(table),
    fact: { fact: `every bus sees memory at ${text.join(', and ')}`, source: `dma-ranges of ${pathOf(ubus)}` },
  }
}

/** What is in no entry is at its own address. */
class UbusView implements BusView {
  readonly kind = 'direct'
  readonly #ranges: readonly BmipsRange[]

  constructor(ranges: readonly BmipsRange[]) {
    this.#ranges = ranges
  }

  /** By where it begins: these kernels do not ask whether it is one piece on the bus. */
  toBus(cpu: number): number {
    for (const { child, parent, size } of this.#ranges) {
      if (cpu >= child && cpu < child + size) return cpu - child + parent
    }
    return cpu
  }

  cpuEnd(busEnd: number): number {
    return busEnd
  }
}
