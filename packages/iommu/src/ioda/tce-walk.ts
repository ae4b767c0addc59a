import type { Access, GuestRam } from '@dmascope/memory'
import type { Translation } from '../translator.ts'
import { IODA_FAULTS } from './faults.ts'
import { PAGE_SIZE_BIAS, TABLE_SIZE_BIAS } from './spec/tve.ts'

const MOST_LEVELS = 5
/** Upper halves of addresses that a Number below 2^53 can say. */
const REACHABLE_HI = 0x20_0000

/** Bits [shift + width - 1 : shift] of an address; `width` is 31 at most. */
function bitsAt(hi: number, lo: number, shift: number, width: number): number {
  if (shift >= 64) return 0
  const word = shift >= 32 ? hi >>> (shift - 32) : shift === 0 ? lo : (lo >>> shift) | (hi << (32 - shift))
  return (word & (2 ** width - 1)) >>> 0
}

/**
 * Walks TCE tables in memory, as QEMU does: address bits above those that choose an entry of the top table count for
 * nothing, so that a window repeats.
 *
 * @param tveHi - the entry of the translation validation table, its upper half
 * @returns 0, with `out` filled but for its tag, or a value of `IODA_FAULTS`
 */
export function walkTces(
  ram: GuestRam,
  tveHi: number,
  tveLo: number,
  hi: number,
  lo: number,
  access: Access,
  out: Translation,
): number {
  const levels = ((tveLo >>> 13) & 7) + 1
  if (levels > MOST_LEVELS) return IODA_FAULTS.badWindow.value
  const pageShift = (tveLo & 0x1f) + PAGE_SIZE_BIAS
  const tableShift = ((tveLo >>> 8) & 0x1f) + TABLE_SIZE_BIAS - 3
  // TABLE_ADDR is bits 59:12 of the table's address.
  let base = (tveHi * 0x1_0000 + (tveLo >>> 16)) * 0x1000
  let shift = pageShift + tableShift * (levels - 1)
  let tceHi = 0
  let tceLo = 0
  for (let level = levels; level > 0; level--) {
    const index = bitsAt(hi, lo, shift, Math.min(tableShift, 31))
    const at = ram.offsetToRead(base + index * 8)
    if (at < 0) return IODA_FAULTS.tableAccess.value
    tceHi = ram.view.getUint32(at)
    tceLo = ram.view.getUint32(at + 4)
    if (level > 1) {
      if ((tceLo & 3) === 0) return IODA_FAULTS.noTable.value
      if (tceHi >= REACHABLE_HI) return IODA_FAULTS.tableAccess.value
      base = tceHi * 0x1_0000_0000 + ((tceLo & ~0xfff) >>> 0)
    }
    shift -= tableShift
  }
  const rights = tceLo & 3
  if ((rights & access) !== access) {
    const { notMapped, notReadable, notWritable } = IODA_FAULTS
    return (rights === 0 ? notMapped : (access & ~rights & 2) !== 0 ? notWritable : notReadable).value
  }
  if (pageShift < 32) {
    const inner = 2 ** pageShift - 1
    out.hi = tceHi
    out.lo = ((tceLo & ~inner) | (lo & inner)) >>> 0
  } else {
    const inner = 2 ** (pageShift - 32) - 1
    out.hi = ((tceHi & ~inner) | (hi & inner)) >>> 0
    out.lo = lo >>> 0
  }
  out.log2Size = pageShift
  out.rights = rights
  out.route = 'translated'
  return 0
}
