import {
  type DeviceTree,
  type DtNode,
  findDmaWindows,
  parseRanges,
  pathOf,
  translateAddress,
} from '@dmascope/devicetree'
import type { BusWindow } from '@dmascope/dma'
import type { InboundWindows } from '../dma/inbound-windows.ts'

/** The kernel's addresses end here. */
const END = 2 ** 53

/**
 * How devices of a bus see memory, as Linux's `of_dma_get_range` makes it of the tree: the windows of the nearest bus
 * upwards that names any, in the tree's order, each followed to memory by where it begins.
 *
 * @param bus - the host bridge for PCI functions, the parent node for other devices
 * @returns null where the tree says nothing, or nothing that can be used: memory is at its own address then
 */
export function busWindows(bus: DtNode, log: (line: string) => void): InboundWindows | null {
  const { on, windows, problem } = findDmaWindows(bus)
  if (on === null) return null
  if (problem !== null) log(`OF: translation of DMA addresses to CPU addresses failed: ${problem}`)
  const found: BusWindow[] = []
  for (const { bus: start, cpu, size } of windows) {
    if (typeof start !== 'number' || typeof cpu !== 'number') continue
    // Linux's list of windows ends with one of no size.
    if (size === 0) break
    found.push({ cpu, bus: start, length: Math.min(Number(size), END - 1 - Math.max(cpu, start)) })
  }
  return found.length === 0 ? null : { windows: found, by: `dma-ranges of ${pathOf(on)}` }
}

/**
 * One past the last address in memory that all devices reach, as far as the tree says: Linux's
 * `of_dma_get_max_cpu_address`, which asks each bus that is not switched off for the end of its windows.
 *
 * @returns null where no bus has windows
 */
export function reachOfAll({ root }: DeviceTree): number | null {
  let reach: number | null = null
  const waiting: DtNode[] = [root]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    const { kind, entries } = parseRanges(node, 'dma-ranges')
    if (kind === 'mapped') {
      let end = 0
      for (const { parent, parentUpper, size } of entries) {
        const { parent: above } = node
        const up = above === null ? null : translateAddress(above, parent, 'dma-ranges', parentUpper)
        const address = up === null ? parent : up.ok ? up.address : null
        if (address !== null) end = Math.max(end, Math.min(Number(address) + Number(size), END))
      }
      if (end > 0 && (reach === null || end < reach)) reach = end
    }
    for (const child of node.children) {
      const status = child.string('status')
      if (status === undefined || status === 'okay' || status === 'ok') waiting.push(child)
    }
  }
  return reach
}
