import { OS_SINIT_DATA, SINIT_MLE_DATA, SINIT_MLE_DATA_VERSION, TXT_HEAP_TABLES } from '@dmascope/acpi'
import type { ProtectedRegions } from './protect-memory.ts'

/** Each table of the heap begins with its length, which counts these bytes. */
const LENGTH = 8
const VERSION_OFFSET = 0
/** Of `BiosData` and `OsMleData`, whose contents nobody reads here. */
const EMPTY_TABLE = LENGTH + 8

/** The heap of a measured launch, with the copy of the DMAR at its end: the tables that a kernel walks, in their order. */
export function txtHeap(dmar: Uint8Array, { low, high }: ProtectedRegions): Uint8Array {
  const sizes: Readonly<Record<(typeof TXT_HEAP_TABLES)[number], number>> = {
    BiosData: EMPTY_TABLE,
    OsMleData: EMPTY_TABLE,
    OsSinitData: LENGTH + OS_SINIT_DATA.size,
    SinitMleData: LENGTH + SINIT_MLE_DATA.size + dmar.length,
  }
  const heap = new Uint8Array(Object.values(sizes).reduce((sum, size) => sum + size, 0))
  const view = new DataView(heap.buffer)
  let at = 0
  for (const name of TXT_HEAP_TABLES) {
    view.setUint32(at, sizes[name], true)
    const body = at + LENGTH
    if (name === 'OsSinitData') {
      const { version, vtd_pmr_lo_base, vtd_pmr_lo_size, vtd_pmr_hi_base, vtd_pmr_hi_size } = OS_SINIT_DATA.fields
      version.set(view, body, SINIT_MLE_DATA_VERSION)
      vtd_pmr_lo_base.number.set(view, body, low.base)
      vtd_pmr_lo_size.number.set(view, body, low.size)
      vtd_pmr_hi_base.number.set(view, body, high.base)
      vtd_pmr_hi_size.number.set(view, body, high.size)
    } else if (name === 'SinitMleData') {
      const { version, num_vtd_dmars, vtd_dmars_off } = SINIT_MLE_DATA.fields
      version.set(view, body, SINIT_MLE_DATA_VERSION)
      num_vtd_dmars.set(view, body, dmar.length)
      vtd_dmars_off.set(view, body, LENGTH + SINIT_MLE_DATA.size)
      heap.set(dmar, body + SINIT_MLE_DATA.size)
    } else view.setUint32(body + VERSION_OFFSET, 1, true)
    at += sizes[name]
  }
  return heap
}
