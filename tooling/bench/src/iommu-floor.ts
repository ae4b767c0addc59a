import {
  AMDVI_FORMAT,
  makeWorkload,
  type PageSize,
  SMMUV3_FORMAT,
  type Stream,
  type TableFormat,
  TOP_TABLE,
  VTD_FORMAT,
} from './iommu-workload.ts'
import type { BenchCase } from './runner.ts'

const TLB_LINES = 1024

/** The least that a walk can be: no context, no rights, no reserved bits, no faults, memory in one piece. */
function walkOnly(size: PageSize, stream: Stream, format: TableFormat): () => number {
  const { ram, hi, lo, sum } = makeWorkload(size, stream, format)
  const flat = flatCopy(ram)
  const large = size === '2m'
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      total = (total + bareWalk(flat, hi[index]!, lo[index]!, large)) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

/** The same behind a direct-mapped table of pages that nothing ever invalidates. */
function tlbOnly(size: PageSize, stream: Stream, format: TableFormat): () => number {
  const { ram, hi, lo, sum } = makeWorkload(size, stream, format)
  const flat = flatCopy(ram)
  const large = size === '2m'
  const shift = large ? 21 : 12
  const inner = 2 ** shift - 1
  const pages = new Int32Array(TLB_LINES).fill(-1)
  const outputs = new Int32Array(TLB_LINES)
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      const low = lo[index]!
      const page = (low >>> shift) | (hi[index]! << (32 - shift))
      const line = page & (TLB_LINES - 1)
      if (pages[line] !== page) {
        pages[line] = page
        outputs[line] = bareWalk(flat, hi[index]!, low, large) & ~inner
      }
      total = (total + (outputs[line]! | (low & inner))) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

function flatCopy(ram: ReturnType<typeof makeWorkload>['ram']): DataView {
  const bytes = new Uint8Array(ram.size)
  ram.readBytes(0, bytes)
  return new DataView(bytes.buffer)
}

function bareWalk(flat: DataView, hi: number, lo: number, large: boolean): number {
  const third = flat.getInt32(TOP_TABLE + ((hi >>> 7) & 511) * 8, true) & -4096
  const second = flat.getInt32(third + (((hi << 2) | (lo >>> 30)) & 511) * 8, true) & -4096
  const entry = flat.getInt32(second + ((lo >>> 21) & 511) * 8, true)
  if (large) return (entry & -0x20_0000) | (lo & 0x1f_ffff)
  return (flat.getInt32((entry & -4096) + ((lo >>> 12) & 511) * 8, true) & -4096) | (lo & 4095)
}

/** Both formats have addresses in the same bits, which is all that the floor looks at. */
function casesOf(prefix: string, format: TableFormat): BenchCase[] {
  const cases: BenchCase[] = []
  for (const size of ['4k', '2m'] as const) {
    for (const stream of ['rand', 'seq', 'hot'] as const) {
      const id = `floor/${prefix}/${size}/${stream}`
      cases.push({ id: `${id}/walk`, prepare: () => walkOnly(size, stream, format) })
      cases.push({ id: `${id}/tlb`, prepare: () => tlbOnly(size, stream, format) })
    }
  }
  return cases
}

/** Plain JavaScript floors for the same streams. */
export const iommuFloorCases = (): BenchCase[] => casesOf('iommu', VTD_FORMAT)

export const amdviFloorCases = (): BenchCase[] => casesOf('iommu-amdvi', AMDVI_FORMAT)

export const smmuv3FloorCases = (): BenchCase[] => casesOf('iommu-smmuv3', SMMUV3_FORMAT)
