import { NO_PASID, PortTlb, type Translation, type Translator } from '@dmascope/iommu'
import { AmdViUnit } from '@dmascope/iommu/amdvi'
import { SmmuV3Unit } from '@dmascope/iommu/smmuv3'
import { VtdUnit } from '@dmascope/iommu/vtd'
import type { GuestRam } from '@dmascope/memory'
import {
  AMDVI_FORMAT,
  makeWorkload,
  type PageSize,
  REQUESTER,
  ROOT,
  SMMUV3_FORMAT,
  type Stream,
  type TableFormat,
  VTD_FORMAT,
} from './iommu-workload.ts'
import type { BenchCase } from './runner.ts'

/** Translations per CPU-second that are wanted. */
const TARGETS: Readonly<Record<string, number>> = {
  'iommu/4k/rand/walk': 20e6,
  'iommu/4k/seq/tlb': 100e6,
  'iommu/4k/hot/tlb': 150e6,
  'iommu/2m/rand/walk': 30e6,
}

/** A kind of unit: its tables, and one that translates the workload's requester, as software sets it up. */
interface UnitKind {
  readonly format: TableFormat
  enabled(ram: GuestRam, iotlbEntries: number): Translator
}

const VTD: UnitKind = {
  format: VTD_FORMAT,
  enabled(ram, iotlbEntries) {
    const unit = new VtdUnit({ ram, addressWidth: 48, iotlbEntries, raiseMsi() {} })
    unit.write(0x20, 4, ROOT)
    unit.write(0x24, 4, 0)
    unit.write(0x18, 4, 0x4000_0000)
    unit.write(0x18, 4, 0x8000_0000)
    return unit
  },
}

const AMDVI: UnitKind = {
  format: AMDVI_FORMAT,
  enabled(ram, iotlbEntries) {
    const unit = new AmdViUnit({ ram, iotlbEntries, raiseMsi() {} })
    unit.write(0x00, 4, ROOT)
    unit.write(0x18, 4, 1)
    return unit
  },
}

const SMMUV3: UnitKind = {
  format: SMMUV3_FORMAT,
  enabled(ram, iotlbEntries) {
    const unit = new SmmuV3Unit({ ram, tlbEntries: iotlbEntries, raiseInterrupt() {} })
    unit.write(0x80, 4, ROOT)
    unit.write(0x88, 4, 6)
    unit.write(0x20, 4, 1)
    return unit
  },
}

/** Through `Translator.translate`, with an IOTLB of so many entries. */
function throughUnit(kind: UnitKind, size: PageSize, stream: Stream, iotlbEntries: number): () => number {
  const { ram, hi, lo, sum } = makeWorkload(size, stream, kind.format)
  const unit = kind.enabled(ram, iotlbEntries)
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

/** Through a port's own copies, with the unit behind them. */
function throughPort(kind: UnitKind, size: PageSize, stream: Stream): () => number {
  const { ram, hi, lo, sum } = makeWorkload(size, stream, kind.format)
  const port = new PortTlb(kind.enabled(ram, 2048), REQUESTER)
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

/** The unit alone (`walk` without an IOTLB, `iotlb` with one), and behind a port's copies (`tlb`). */
function casesOf(prefix: string, kind: UnitKind): BenchCase[] {
  const cases: BenchCase[] = []
  for (const size of ['4k', '2m'] as const) {
    for (const stream of ['rand', 'seq', 'hot'] as const) {
      const id = `${prefix}/${size}/${stream}`
      const made: [id: string, prepare: () => () => number][] = [
        [`${id}/walk`, () => throughUnit(kind, size, stream, 0)],
        [`${id}/iotlb`, () => throughUnit(kind, size, stream, 2048)],
        [`${id}/tlb`, () => throughPort(kind, size, stream)],
      ]
      for (const [name, prepare] of made) {
        const target = TARGETS[name]
        cases.push({ id: name, prepare, ...(target !== undefined && { target }) })
      }
    }
  }
  return cases
}

export const iommuCases = (): BenchCase[] => casesOf('iommu', VTD)

export const amdviCases = (): BenchCase[] => casesOf('iommu-amdvi', AMDVI)

export const smmuv3Cases = (): BenchCase[] => casesOf('iommu-smmuv3', SMMUV3)
