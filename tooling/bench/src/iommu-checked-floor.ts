import { makeWorkload, type PageSize, REQUESTER, type Stream, TOP_TABLE } from './iommu-workload.ts'
import { type BenchCase, reusable } from './runner.ts'

const DOMAIN = 7
const READ = 1
const SETS = 512
const STRIDE = 8

/** Where an address leads, as long as nobody asks again. */
interface Answer {
  hi: number
  lo: number
  log2Size: number
}

type Walk = (requester: number, hi: number, lo: number, access: number, out: Answer) => boolean

/**
 * One walk in plain JavaScript, in one function over memory in one piece, that makes the checks of a VT-d unit: the
 * interrupt range, the cached context of the requester, the tables' width, the cached upper tables by domain, rights at
 * each level, reserved bits of entries, and entries beyond memory. What would be a fault answers false.
 */
function makeWalk(flat: DataView): Walk {
  const contexts = new Int32Array(256 * 4)
  const line = (REQUESTER & 255) * 4
  contexts.set([REQUESTER | 0x1_0000, DOMAIN, TOP_TABLE >>> 12, 4], line)
  const upper = new Int32Array(64 * 4)
  const size = flat.byteLength
  return (requester, hi, lo, access, out) => {
    if (hi === 0 && (lo & -0x10_0000) === -0x120_0000) return false
    const context = ((requester ^ (requester >>> 8)) & 255) * 4
    if (contexts[context] !== (requester | 0x1_0000)) return false
    const domain = contexts[context + 1]!
    const levels = contexts[context + 3]!
    if (hi >>> (levels * 9 - 20) !== 0) return false
    let page = contexts[context + 2]!
    let shift = levels * 9 + 3
    let rights = 3
    const region = (lo >>> 30) | (hi << 2)
    const cached = ((region ^ domain) & 63) * 4
    if (
      upper[cached] === (domain | 0x1_0000) &&
      upper[cached + 1] === region &&
      (upper[cached + 3]! & access) === access
    ) {
      page = upper[cached + 2]!
      rights = upper[cached + 3]!
      shift = 21
    }
    for (;;) {
      const index = shift < 30 ? lo >>> shift : shift === 30 ? region : hi >>> (shift - 32)
      const at = page * 4096 + (index & 511) * 8
      if (at >= size) return false
      const entryLo = flat.getInt32(at, true)
      const entryHi = flat.getInt32(at + 4, true)
      rights &= entryLo
      if ((rights & access) !== access) return false
      if (shift === 12 || ((entryLo & 0x80) !== 0 && shift <= 30)) {
        if ((entryLo & ((1 << shift) - 4096)) !== 0 || (entryHi & 0x400f_0000) !== 0) return false
        out.hi = entryHi & 0xf_ffff
        out.lo = ((entryLo & (-1 << shift)) | (lo & ~(-1 << shift))) >>> 0
        out.log2Size = shift
        return out.hi !== 0 || (out.lo & -0x10_0000) !== -0x120_0000
      }
      if ((entryLo & 0x880) !== 0 || (entryHi & 0x400f_f800) !== 0) return false
      page = (entryLo >>> 12) | (entryHi << 20)
      if (shift === 30) {
        upper[cached] = domain | 0x1_0000
        upper[cached + 1] = region
        upper[cached + 2] = page
        upper[cached + 3] = rights
      }
      shift -= 9
    }
  }
}

function flatCopy(ram: ReturnType<typeof makeWorkload>['ram']): DataView {
  const bytes = new Uint8Array(ram.size)
  ram.readBytes(0, bytes)
  return new DataView(bytes.buffer)
}

function walkChecked(size: PageSize, stream: Stream): () => number {
  const { ram, hi, lo, sum } = makeWorkload(size, stream)
  const walk = makeWalk(flatCopy(ram))
  const out: Answer = { hi: 0, lo: 0, log2Size: 12 }
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      if (!walk(REQUESTER, hi[index]!, lo[index]!, READ, out)) return 0
      total = (total + out.lo) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

/**
 * The walk behind a table of its answers with what a port's copies must have: all 64 bits of the address, the rights of
 * the page, an epoch that an invalidation moves on, and a whole answer rather than its low word.
 */
function tlbChecked(size: PageSize, stream: Stream): () => number {
  const { ram, hi, lo, sum } = makeWorkload(size, stream)
  const walk = makeWalk(flatCopy(ram))
  const out: Answer = { hi: 0, lo: 0, log2Size: 12 }
  const lines = new Int32Array(SETS * STRIDE)
  const epochs = new Uint32Array(SETS + 1)
  let answerHi = 0
  let answerLo = 0
  let answerSize = 0
  const lookup = (high: number, low: number, access: number): boolean => {
    const page = low >>> 12
    const set = (page ^ (page >>> 8) ^ high) & (SETS - 1)
    const line = set * STRIDE
    const wanted = 4 | access
    if (
      (lines[line]! & (-4096 | wanted)) !== ((low & -4096) | wanted) ||
      lines[line + 1] !== high ||
      (epochs[lines[line + 4]!]! | 0) !== lines[line + 5]
    ) {
      if (!walk(REQUESTER, high, low, access, out)) return false
      lines[line] = (low & -4096) | 7
      lines[line + 1] = high
      lines[line + 2] = out.lo & -4096
      lines[line + 3] = out.hi
      lines[line + 4] = set
      lines[line + 5] = epochs[set]!
      lines[line + 6] = out.log2Size
    }
    answerLo = lines[line + 2]! | (low & 4095)
    answerHi = lines[line + 3]!
    answerSize = lines[line + 6]!
    return true
  }
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      if (!lookup(hi[index]!, lo[index]!, READ)) return 0
      total = (total + answerLo) | 0
    }
    if (total !== sum || answerHi === 0 || answerSize < 12) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

/** Plain JavaScript, fit to serve more than one unit or port, that makes the checks that the public API makes, for the cases that have a target. */
export const iommuCheckedCases = (): BenchCase[] => [
  { id: 'checked/iommu/4k/rand/walk', prepare: () => reusable(() => walkChecked('4k', 'rand')) },
  { id: 'checked/iommu/4k/seq/tlb', prepare: () => reusable(() => tlbChecked('4k', 'seq')) },
  { id: 'checked/iommu/4k/hot/tlb', prepare: () => reusable(() => tlbChecked('4k', 'hot')) },
  { id: 'checked/iommu/2m/rand/walk', prepare: () => reusable(() => walkChecked('2m', 'rand')) },
]
