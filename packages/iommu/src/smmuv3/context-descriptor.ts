import {
  ACCESS_FLAG_FREE,
  CONTEXT,
  FLAGS,
  FLAT,
  GRANULE,
  MASK_HI,
  MASK_LO,
  OUTPUT_BEYOND_HI,
  PRIVILEGED,
  pageOf,
  RECORDED,
  REGION_0,
  REGION_1,
  SHIFT,
  TABLE,
  TOP,
  TOP_BYTE_IGNORED_0,
  TOP_BYTE_IGNORED_1,
  topShift,
} from './configuration.ts'
import type { SmmuV3Features } from './options.ts'
import { ADDRESS_SIZES } from './spec/features.ts'
import { CD_0, CD_1, CD_2, CONTEXT_DESCRIPTOR, TG0_GRANULES, TG1_GRANULES } from './spec/tables.ts'

const { word0, word1, word2 } = CONTEXT_DESCRIPTOR.fields
const { V, AA64, A, S, HA, HD, ENDI, IPS, ASID, AFFD, R, TBI0, TBI1 } = CD_0.fields
const { T0SZ, TG0, EPD0, T1SZ, TG1, EPD1 } = CD_0.fields
const SMALLEST_TSZ = 16
const LARGEST_TSZ = 39

/**
 * What a context descriptor says (IHI 0070 §5.4), into a line of the configuration cache that has its stream table
 * entry already. Answers whether it is valid.
 */
export function decodeContextDescriptor(
  view: DataView,
  at: number,
  features: SmmuV3Features,
  words: Int32Array,
  into: number,
): boolean {
  const lo = word0.lo.get(view, at)
  const hi = word0.hi.get(view, at)
  if (V.get(lo) === 0 || AA64.get(lo, hi) === 0) return false
  // IDR0.TERM_MODEL asks for A, and IDR0.STALL_MODEL forbids S.
  if (A.get(lo, hi) === 0 || S.get(lo, hi) !== 0) return false
  if (features.rejectsHardwareUpdate && (HA.get(lo, hi) !== 0 || HD.get(lo, hi) !== 0)) return false
  const outputBits = Math.min(ADDRESS_SIZES[IPS.get(lo, hi)] ?? features.outputSize, features.outputSize)
  const asid = ASID.get(lo, hi)
  words[into + CONTEXT]! |= features.asid16 ? asid : asid & 0xff
  words[into + OUTPUT_BEYOND_HI] = 0xffff & ~(2 ** (outputBits - 32) - 1)
  let flags = words[into + FLAGS]!
  if (AFFD.get(lo, hi) !== 0) flags |= ACCESS_FLAG_FREE
  if (R.get(lo, hi) !== 0) flags |= RECORDED
  if (TBI0.get(lo, hi) !== 0) flags |= TOP_BYTE_IGNORED_0
  if (TBI1.get(lo, hi) !== 0) flags |= TOP_BYTE_IGNORED_1
  if (!features.checksUnprivileged) flags |= PRIVILEGED
  words[into + FLAGS] = flags
  const low =
    (EPD0.get(lo) !== 0 && disableRegion(words, into + REGION_0)) ||
    decodeRegion(words, into + REGION_0, features, outputBits, {
      lo: word1.lo.get(view, at),
      hi: word1.hi.get(view, at),
      tsz: T0SZ.get(lo),
      granule: TG0_GRANULES[TG0.get(lo)]!,
      bigEndian: ENDI.get(lo) !== 0,
      flat: CD_1.fields.HAD0.get(word1.lo.get(view, at)),
    })
  const high =
    (EPD1.get(lo) !== 0 && disableRegion(words, into + REGION_1)) ||
    decodeRegion(words, into + REGION_1, features, outputBits, {
      lo: word2.lo.get(view, at),
      hi: word2.hi.get(view, at),
      tsz: T1SZ.get(lo),
      granule: TG1_GRANULES[TG1.get(lo)]!,
      bigEndian: ENDI.get(lo) !== 0,
      flat: CD_2.fields.HAD1.get(word2.lo.get(view, at)),
    })
  return low && high
}

/** No address but one is told to be in it, and that one finds no granule. */
function disableRegion(words: Int32Array, into: number): true {
  words[into + MASK_HI] = -1
  words[into + MASK_LO] = -1
  return true
}

/** What a context descriptor says of one of its two tables. */
interface Region {
  readonly lo: number
  readonly hi: number
  readonly tsz: number
  readonly granule: number
  readonly bigEndian: boolean
  readonly flat: number
}

function decodeRegion(
  words: Int32Array,
  into: number,
  features: SmmuV3Features,
  outputBits: number,
  { lo, hi, tsz, granule, bigEndian, flat }: Region,
): boolean {
  if (bigEndian || tsz < SMALLEST_TSZ || tsz > LARGEST_TSZ) return false
  if (granule === 0 || !features.granules.includes((2 ** (granule - 10)) as 4 | 16 | 64)) return false
  const tableHi = hi & 0xf_ffff
  if (tableHi >= 2 ** (outputBits - 32)) return false
  const inputBits = 64 - tsz
  const shift = topShift(inputBits, granule)
  // A table is aligned to its size; bits below that do not count.
  const aligned = lo & -16 & (-1 << (inputBits - shift + 3))
  words[into + MASK_HI] = inputBits >= 32 ? ~(2 ** (inputBits - 32) - 1) : -1
  words[into + MASK_LO] = inputBits >= 32 ? 0 : -1 << inputBits
  words[into + TABLE] = pageOf(tableHi, aligned)
  words[into + TOP] = (aligned & 4095) >>> 3
  words[into + SHIFT] = shift
  words[into + GRANULE] = granule
  words[into + FLAT] = features.hierarchicalAttributeDisable ? flat : 0
  return true
}
