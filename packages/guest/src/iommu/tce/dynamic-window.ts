import type { DtNode } from '@dmascope/devicetree'
import { IO_PAGE_SHIFTS } from '@dmascope/iommu/tce/spec'
import type { GuestProfile } from '../../profile/guest-profile.ts'
import type { HostBridge } from '../../pseries/host-bridges.ts'
import type { Rtas } from '../../pseries/rtas.ts'
import { configAddress } from '../../pseries/rtas-config.ts'
import type { PciDevice } from '../contract.ts'
import type { KnownWindow } from './tce-domain.ts'

/** Index in `ibm,ddw-extensions`: whether queries have six outputs. */
const EXTENSION_QUERY_SIZE = 2

const log2Up = (value: number): number => (value <= 1 ? 0 : Math.ceil(Math.log2(value)))

/** What making a window came to, with the lines that the kernel says about it. */
export interface DynamicWindow {
  readonly window: KnownWindow | null
  /** It covers all the memory there may ever be, so that all of it can be mapped once and for all. */
  readonly direct: boolean
  readonly lines: readonly string[]
}

/** The memory that there may ever be, as the kernel reckons it for its windows. */
export function memoryLimit(profile: GuestProfile, rtas: DtNode | undefined, ramEnd: number): number {
  const [hi = 0, lo = 0] = rtas?.cells('ibm,lrdr-capacity') ?? []
  const stated = hi * 0x1_0000_0000 + lo
  return profile.configuration.dynamicWindowLimit === 'hot-plug' ? stated : Math.max(stated, ramEnd)
}

/**
 * Linux's `enable_ddw`: asks for a second window, of the largest pages offered, for all memory.
 *
 * @param limit - bytes of memory that there may ever be
 */
export function createDynamicWindow(bridge: HostBridge, device: PciDevice, rtas: Rtas, limit: number): DynamicWindow {
  const [query, create] = bridge.node.cells('ibm,ddw-applicable')
  if (query === undefined || create === undefined) return { window: null, direct: false, lines: [] }
  const place = [configAddress(device), bridge.buidHi, bridge.buidLo]
  const extensions = bridge.node.cells('ibm,ddw-extensions')
  const wide = (extensions[0] ?? 0) >= EXTENSION_QUERY_SIZE && extensions[EXTENSION_QUERY_SIZE] === 1
  const asked = rtas.callToken(query, place, wide ? 6 : 5)
  const [available = 0, ...rest] = asked.results
  const block = wide ? (rest[0] ?? 0) * 0x1_0000_0000 + (rest[1] ?? 0) : (rest[0] ?? 0)
  const sizes = rest[wide ? 2 : 1] ?? 0
  const hex = (values: readonly number[]): string => values.map((value) => value.toString(16)).join(' ')
  const lines = [
    `pci ${device.id}: ibm,query-pe-dma-windows(${query.toString(16)}) ${hex(place)} returned ${asked.status}, lb=${block.toString(16)} ps=${sizes.toString(16)} wn=${available}`,
  ]
  // DEVIATION: where no window is left, Linux gives up the default one for it; no host bridge of QEMU's comes to that.
  if (asked.status !== 0 || available === 0) return { window: null, direct: false, lines }
  const pageShift = IO_PAGE_SHIFTS.reduce(
    (most, shift, bit) => ((sizes & (1 << bit)) !== 0 ? Math.max(most, shift) : most),
    0,
  )
  if (pageShift === 0) return { window: null, direct: false, lines }
  const wanted = log2Up(limit)
  const most = log2Up(block) + pageShift
  const windowShift = Math.min(wanted, most)
  const made = rtas.callToken(create, [...place, pageShift, windowShift], 4)
  const [liobn = 0, hi = 0, lo = 0] = made.results
  lines.push(
    `pci ${device.id}: ibm,create-pe-dma-window(${create.toString(16)}) ${hex([...place, pageShift, windowShift])} returned ${made.status} (liobn = 0x${liobn.toString(16)} starting addr = ${hex([hi, lo])})`,
  )
  if (made.status !== 0) return { window: null, direct: false, lines }
  return { window: { liobn, hi, lo, pageShift, windowShift }, direct: most >= wanted, lines }
}
