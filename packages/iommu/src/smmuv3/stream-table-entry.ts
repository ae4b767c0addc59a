import {
  CONTEXT,
  FLAGS,
  KIND,
  KIND_ABORT,
  KIND_BYPASS,
  KIND_NESTED,
  KIND_STAGE_1,
  KIND_STAGE_2,
  PRIVILEGED,
  pageOf,
  STAGE_2_ACCESS_FLAG_FREE,
  STAGE_2_GRANULE,
  STAGE_2_INPUT_BITS,
  STAGE_2_OUTPUT_BITS,
  STAGE_2_RECORDED,
  STAGE_2_SHIFT,
  STAGE_2_TABLE,
  STAGE_2_TOP,
} from './configuration.ts'
import type { SmmuV3Features } from './options.ts'
import { ADDRESS_SIZES } from './spec/features.ts'
import { STE_0, STE_1, STE_2, STE_CONFIG, STREAM_TABLE_ENTRY, TG0_GRANULES } from './spec/tables.ts'

const { word0, word1, word2, word3 } = STREAM_TABLE_ENTRY.fields
const { V, Config, S1ContextPtr, S1CDMax } = STE_0.fields
const { S1STALLD, PRIVCFG } = STE_1.fields
const { S2VMID, S2T0SZ, S2SL0, S2TG, S2PS, S2AA64, S2ENDI, S2AFFD, S2S, S2R } = STE_2.fields
const TRANSLATES = 4
const PRIVILEGED_ALWAYS = 3
/** At most 16 tables stand side by side at the top of stage 2. */
const LOG2_CONCATENATED = 4
const LARGEST_T0SZ = 39
const SMALLEST_T0SZ = 16

/**
 * What a stream table entry says (IHI 0070 §5.2), into a line of the configuration cache. Answers the address of the
 * context descriptor where stage 1 is on, else 0; or -1 for an invalid entry.
 */
export function decodeStreamTableEntry(
  view: DataView,
  at: number,
  features: SmmuV3Features,
  words: Int32Array,
  into: number,
): number {
  const lo = word0.lo.get(view, at)
  const hi = word0.hi.get(view, at)
  if (V.get(lo) === 0) return -1
  const config = Config.get(lo)
  if ((config & TRANSLATES) === 0) {
    words[into + KIND] = KIND_ABORT
    return 0
  }
  if (config === STE_CONFIG.bypass) {
    words[into + KIND] = KIND_BYPASS
    return 0
  }
  const stage1 = config !== STE_CONFIG.stage2
  const stage2 = config !== STE_CONFIG.stage1
  if ((stage1 && !features.stage1) || (stage2 && !features.stage2)) return -1
  words[into + KIND] = stage1 ? (stage2 ? KIND_NESTED : KIND_STAGE_1) : KIND_STAGE_2
  if (PRIVCFG.get(word1.lo.get(view, at), word1.hi.get(view, at)) === PRIVILEGED_ALWAYS) {
    words[into + FLAGS]! |= PRIVILEGED
  }
  if (features.stage2) {
    const vmid = S2VMID.get(word2.lo.get(view, at))
    words[into + CONTEXT] = (features.vmid16 ? vmid : vmid & 0xff) << 16
  }
  if (stage2 && !decodeStageTwo(view, at, features, words, into)) return -1
  if (!stage1) return 0
  // There are no substreams (IDR1.SSIDSIZE is 0), and nothing stalls (IDR0.STALL_MODEL is 1).
  if (S1CDMax.get(lo, hi) !== 0 || S1STALLD.get(word1.lo.get(view, at)) !== 0) return -1
  return S1ContextPtr.get(lo, hi)
}

function decodeStageTwo(
  view: DataView,
  at: number,
  features: SmmuV3Features,
  words: Int32Array,
  into: number,
): boolean {
  const lo = word2.lo.get(view, at)
  const hi = word2.hi.get(view, at)
  const granule = TG0_GRANULES[S2TG.get(lo, hi)]!
  const outputBits = Math.min(ADDRESS_SIZES[S2PS.get(lo, hi)] ?? features.outputSize, features.outputSize)
  const t0sz = S2T0SZ.get(lo, hi)
  const inputBits = 64 - t0sz
  const startLevel = S2SL0.get(lo, hi)
  const tableLo = word3.lo.get(view, at) & -16
  const tableHi = word3.hi.get(view, at) & 0xf_ffff
  if (S2AA64.get(lo, hi) === 0 || S2ENDI.get(lo, hi) !== 0 || S2S.get(lo, hi) !== 0) return false
  if (granule === 0 || !features.granules.includes((2 ** (granule - 10)) as 4 | 16 | 64)) return false
  // Without small translation tables (IDR3.STT), and with an input no wider than the output.
  if (t0sz > LARGEST_T0SZ || t0sz < SMALLEST_T0SZ || inputBits > outputBits) return false
  if (tableHi >= 2 ** (outputBits - 32)) return false
  if (startLevel === 3) return false
  const stride = granule - 3
  const levels = startLevel + (granule === 12 ? 2 : 1)
  const shift = granule + (levels - 1) * stride
  const topBits = inputBits - shift
  if (topBits < 1 || topBits > stride + LOG2_CONCATENATED) return false
  const aligned = tableLo & (topBits + 3 >= 32 ? 0 : -1 << (topBits + 3))
  words[into + STAGE_2_TABLE] = pageOf(tableHi, aligned)
  words[into + STAGE_2_TOP] = (aligned & 4095) >>> 3
  words[into + STAGE_2_SHIFT] = shift
  words[into + STAGE_2_GRANULE] = granule
  words[into + STAGE_2_INPUT_BITS] = inputBits
  words[into + STAGE_2_OUTPUT_BITS] = outputBits
  if (S2AFFD.get(lo, hi) !== 0) words[into + FLAGS]! |= STAGE_2_ACCESS_FLAG_FREE
  if (S2R.get(lo, hi) !== 0) words[into + FLAGS]! |= STAGE_2_RECORDED
  return true
}
