import { IO_PAGE_SHIFTS, RTAS_STATUS } from './spec/ddw.ts'
import type { TceUnit } from './tce-unit.ts'

/**
 * The RTAS calls of the Dynamic DMA Windows option. Arguments and results are as the call's own cells; `results[0]` is
 * the status. The bridge is found by the caller: that the BUID in arguments 1 and 2 names one of its own.
 */

const WINDOWS = 2
/** Entries that a window may have at most: 2^37, in a query with six outputs; with five, one word tells less. */
const LARGEST_BLOCK_HI = 0x20
const LARGEST_BLOCK_32 = 0x8000_0000

const status = (results: Uint32Array, code: number): void => {
  results[0] = code
}

/** ibm,query-pe-dma-window: windows to be had, the largest block of entries, page sizes, migration. */
export function queryPeDmaWindow(unit: TceUnit | null, args: Uint32Array, results: Uint32Array): void {
  const extended = results.length === 6
  if (args.length !== 3 || !(extended || results.length === 5) || unit === null || !unit.features.dynamicWindows) {
    status(results, RTAS_STATUS.parameterError)
    return
  }
  let sizes = 0
  IO_PAGE_SHIFTS.forEach((shift, bit) => {
    if (unit.features.pageShifts.includes(shift)) sizes |= 1 << bit
  })
  const block = extended ? [LARGEST_BLOCK_HI, 0] : [LARGEST_BLOCK_32]
  results.set([RTAS_STATUS.success, WINDOWS - unit.openWindows, ...block, sizes, 0])
}

/** ibm,create-pe-dma-window: log2 of the page size and of the window's; answers LIOBN and bus address. */
export function createPeDmaWindow(unit: TceUnit | null, args: Uint32Array, results: Uint32Array): void {
  const [, , , pageShift, windowShift] = args
  if (args.length !== 5 || results.length !== 4 || unit === null || !unit.features.dynamicWindows) {
    status(results, RTAS_STATUS.parameterError)
    return
  }
  if (!unit.features.pageShifts.includes(pageShift!) || windowShift! < pageShift!) {
    status(results, RTAS_STATUS.parameterError)
    return
  }
  const window = unit.openDynamic(pageShift!, windowShift!)
  if (window === null) status(results, RTAS_STATUS.hardwareError)
  else results.set([RTAS_STATUS.success, window.liobn, window.baseHi, window.baseLo])
}

/**
 * ibm,remove-pe-dma-window, by LIOBN. The default window comes back with the last window that goes, if that was not
 * the default one itself.
 *
 * @param unit - the one that has the LIOBN in argument 0
 */
export function removePeDmaWindow(unit: TceUnit | null, args: Uint32Array, results: Uint32Array): void {
  const window = unit?.windowOf(args[0] ?? 0) ?? null
  if (args.length !== 1 || results.length !== 1 || unit === null || window === null || !window.isOpen) {
    status(results, RTAS_STATUS.parameterError)
    return
  }
  if (!unit.features.dynamicWindows) {
    status(results, RTAS_STATUS.parameterError)
    return
  }
  const { isDefault } = window
  unit.close(window)
  if (unit.openWindows === 0 && !isDefault) unit.reset()
  status(results, RTAS_STATUS.success)
}

/** ibm,reset-pe-dma-window: the default window alone. */
export function resetPeDmaWindow(unit: TceUnit | null, args: Uint32Array, results: Uint32Array): void {
  if (args.length !== 3 || results.length !== 1 || unit === null || !unit.features.dynamicWindows) {
    status(results, RTAS_STATUS.parameterError)
    return
  }
  unit.reset()
  status(results, RTAS_STATUS.success)
}
