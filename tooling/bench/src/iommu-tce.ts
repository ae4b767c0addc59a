import { NO_PASID, PortTlb, type Translation } from '@dmascope/iommu'
import { createPeDmaWindow, TceCalls, TceUnit } from '@dmascope/iommu/tce'
import { HCALL } from '@dmascope/iommu/tce/spec'
import { GuestRam } from '@dmascope/memory'
import { makeWorkload, type PageSize, pagesOf, REQUESTER, type Stream } from './iommu-workload.ts'
import type { BenchCase } from './runner.ts'

/** A unit whose dynamic window is where the workload's pages are; each was put there by a call of its own. */
function mapped(size: PageSize): TceUnit {
  const { count, log2Size, start, output } = pagesOf(size)
  const unit = new TceUnit({ pageShifts: [12, log2Size], dynamicWindowHi: start / 2 ** 32 })
  const made = new Uint32Array(4)
  createPeDmaWindow(unit, Uint32Array.of(REQUESTER << 8, 0, 0, log2Size, Math.log2(count) + log2Size), made)
  if (made[0] !== 0) throw new Error(`the window ends with ${made[0]! | 0}`)
  const calls = new TceCalls({ ram: new GuestRam([{ base: 0, size: 4096 }]) })
  calls.add(unit)
  const out = new Uint32Array(2)
  const args = new Uint32Array(6)
  for (let page = 0; page < count; page++) {
    const at = start + page * 2 ** log2Size
    const entry = output(page) + 3
    args.set([made[1]!, 0, at % 2 ** 32, Math.floor(at / 2 ** 32), entry % 2 ** 32, Math.floor(entry / 2 ** 32)])
    const code = calls.call(HCALL.H_PUT_TCE, args, out)
    if (code !== 0) throw new Error(`a call ended with ${code}`)
  }
  return unit
}

function throughUnit(size: PageSize, stream: Stream): () => number {
  const { hi, lo, sum } = makeWorkload(size, stream)
  const unit = mapped(size)
  const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      if (unit.translate(REQUESTER, NO_PASID, 'untranslated', hi[index]!, lo[index]! >>> 0, 1, out) !== 0) return 0
      total = (total + out.lo) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

function throughPort(size: PageSize, stream: Stream): () => number {
  const { hi, lo, sum } = makeWorkload(size, stream)
  const port = new PortTlb(mapped(size), REQUESTER)
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      if (port.lookup(hi[index]!, lo[index]! >>> 0, 1) !== 0) return 0
      total = (total + port.lo) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

/** The least that it can be: one array of pages, no windows, rights or faults. */
function arrayOnly(size: PageSize, stream: Stream): () => number {
  const { hi, lo, sum } = makeWorkload(size, stream)
  const { count, log2Size, start, output } = pagesOf(size)
  const outputs = Int32Array.from({ length: count }, (_, page) => output(page) | 0)
  const firstHi = start / 2 ** 32
  const inner = 2 ** log2Size - 1
  return () => {
    let total = 0
    for (let index = 0; index < hi.length; index++) {
      const low = lo[index]!
      const page = (low >>> log2Size) | ((hi[index]! - firstHi) << (32 - log2Size))
      total = (total + (outputs[page]! | (low & inner))) | 0
    }
    if (total !== sum) throw new Error(`outputs sum to ${total}, expected ${sum}`)
    return hi.length
  }
}

/** The unit alone (`walk`: it looks each time), and behind a port's copies (`tlb`). */
export function tceCases(): BenchCase[] {
  const cases: BenchCase[] = []
  for (const size of ['4k', '2m'] as const) {
    for (const stream of ['rand', 'seq', 'hot'] as const) {
      const id = `iommu-tce/${size}/${stream}`
      cases.push({ id: `${id}/walk`, prepare: () => throughUnit(size, stream) })
      cases.push({ id: `${id}/tlb`, prepare: () => throughPort(size, stream) })
      cases.push({ id: `floor/${id}/walk`, prepare: () => arrayOnly(size, stream) })
    }
  }
  return cases
}
