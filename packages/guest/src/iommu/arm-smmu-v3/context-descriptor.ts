import { CD_0, CD_1, CD_3 } from '@dmascope/iommu/smmuv3/spec'
import { highWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { MAIR } from './long-descriptor-table.ts'

const { V, EPD1, T0SZ, IR0, OR0, SH0, IPS, AA64, R, A, ASET, ASID } = CD_0.fields
/** 48 bits of address. */
const T0SZ_48 = 16
const WRITE_BACK = 1
const INNER_SHAREABLE = 3

/** What a stage 1 domain puts into its devices' context descriptors. */
export interface DescribedContext {
  readonly root: number
  readonly asid: number
  /** CD.IPS. */
  readonly ips: number
}

/** All of a context descriptor but its first two words, which make it valid. */
export function writeDescriptorRest(bus: CpuBus, at: number, { root }: DescribedContext): void {
  const { TTB0 } = CD_1.fields
  bus.write32(at + 8, TTB0.setLo(0, root))
  bus.write32(at + 12, highWord(root))
  bus.write32(at + 16, 0)
  bus.write32(at + 20, 0)
  bus.write32(at + 24, CD_3.fields.MAIR.setLo(0, MAIR))
  bus.write32(at + 28, 0)
}

/** The first two words: tables of low addresses alone, faults recorded and terminated. V is written last. */
export function writeDescriptorFirst(bus: CpuBus, at: number, { asid, ips }: DescribedContext): void {
  let lo = EPD1.setLo(V.setLo(T0SZ.setLo(0, T0SZ_48), 1), 1)
  lo = SH0.setLo(OR0.setLo(IR0.setLo(lo, WRITE_BACK), WRITE_BACK), INNER_SHAREABLE)
  let hi = IPS.setHi(AA64.setHi(0, 1), ips)
  hi = ASID.setHi(ASET.setHi(A.setHi(R.setHi(hi, 1), 1), 1), asid)
  bus.write32(at + 4, hi)
  bus.write32(at, lo)
}
