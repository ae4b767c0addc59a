/** Words of a line of the configuration cache. */
export const STRIDE = 32
/** 0, or the stream with a mark. */
export const TAG = 0
export const KIND = 1
/** ASID | VMID << 16: the tag of what is cached of the stream's translations. */
export const CONTEXT = 2
/** The event that every transaction makes, of a line of KIND_FAULT. */
export const REASON = 3
export const FLAGS = 4
/** Upper word of the addresses that stage 1 may not put out: bits beyond the effective CD.IPS. */
export const OUTPUT_BEYOND_HI = 5
/** What CD.TTB0 and CD.TTB1 translate: see below. */
export const REGION_0 = 8
export const REGION_1 = 16
/** Stage 2: page number and index of the top table's first entry, shift of its entries, granule, and address sizes. */
export const STAGE_2_TABLE = 24
export const STAGE_2_TOP = 25
export const STAGE_2_SHIFT = 26
export const STAGE_2_GRANULE = 27
export const STAGE_2_INPUT_BITS = 28
export const STAGE_2_OUTPUT_BITS = 29

/** KIND; from KIND_STAGE_1 on, transactions are translated. */
export const KIND_FAULT = 0
export const KIND_ABORT = 1
export const KIND_BYPASS = 2
export const KIND_STAGE_1 = 3
export const KIND_STAGE_2 = 4
export const KIND_NESTED = 5

/** FLAGS. Access flag faults are off: CD.AFFD and STE.S2AFFD. */
export const ACCESS_FLAG_FREE = 0x1
export const STAGE_2_ACCESS_FLAG_FREE = 0x2
/** Faults are recorded: CD.R and STE.S2R. */
export const RECORDED = 0x4
export const STAGE_2_RECORDED = 0x8
/** Top bytes are ignored: CD.TBI0, CD.TBI1. */
export const TOP_BYTE_IGNORED_0 = 0x10
export const TOP_BYTE_IGNORED_1 = 0x20
export const TOP_BYTE_IGNORED = TOP_BYTE_IGNORED_0 | TOP_BYTE_IGNORED_1
/** Pages for privileged transactions alone are open, too. */
export const PRIVILEGED = 0x40

/**
 * Words of a region. An address is in region 0 if all bits of the two masks are clear in it, and in region 1 if all are
 * set. A disabled region has masks of ones, and no granule.
 */
export const MASK_HI = 0
export const MASK_LO = 1
/** Page number of the top table, and the index of its first entry there: a small one need not start a page. */
export const TABLE = 2
export const TOP = 3
/** Entries of the top table stand for 2^SHIFT bytes. */
export const SHIFT = 4
/** log2 of the granule; 0 of a disabled region. */
export const GRANULE = 5
/** CD.HAD. */
export const FLAT = 6

/** A page that no memory has stands for all that lie beyond 31 bits. */
export const NO_PAGE = 0x7fff_ffff

/** Page number of a table at the address (hi, lo), hi of 20 bits. */
export const pageOf = (hi: number, lo: number): number => (hi >= 0x800 ? NO_PAGE : (lo >>> 12) | (hi << 20))

/** Shift of the top table's entries, for an input of so many bits. */
export const topShift = (inputBits: number, log2Granule: number): number => {
  const stride = log2Granule - 3
  const levels = Math.ceil((inputBits - log2Granule) / stride)
  return log2Granule + (levels - 1) * stride
}
