import { ADDRESS_SIZES, IDR0, IDR1, IDR3, IDR5, SMMU_REGISTERS } from '@dmascope/iommu/smmuv3/spec'
import type { RegisterFile } from '../register-file.ts'

const R = SMMU_REGISTERS.registers
/** Linux holds its queues to 2^20 bytes each. */
const MOST_LOG2_COMMANDS = 16
const MOST_LOG2_EVENTS = 15
/** A batch of commands and its CMD_SYNC must fit. */
const LEAST_LOG2_COMMANDS = 7
/** Linux holds the first level of a stream table to 2^20 bytes. */
const MOST_LOG2_FIRST_LEVEL = 17
/** Bits of a StreamID that choose an entry of a second-level table. */
export const STRTAB_SPLIT = 8

/** Linux's feature bits, as it prints them. */
const FEATURE = {
  twoLevelStreamTable: 1 << 0,
  twoLevelDescriptors: 1 << 1,
  littleEndian: 1 << 2,
  bigEndian: 1 << 3,
  pri: 1 << 4,
  ats: 1 << 5,
  sev: 1 << 6,
  msi: 1 << 7,
  coherent: 1 << 8,
  stage1: 1 << 9,
  stage2: 1 << 10,
  stalls: 1 << 11,
  hypervisor: 1 << 12,
  stallsForced: 1 << 13,
  vax: 1 << 14,
  rangeInvalidation: 1 << 15,
  nesting: 1 << 19,
} as const

/** What the driver makes of the identification registers. */
export interface SmmuFeatures {
  readonly idr0: number
  readonly idr1: number
  readonly idr3: number
  readonly idr5: number
  readonly twoLevelStreamTable: boolean
  /** That the stream table covers. */
  readonly streamIdBits: number
  readonly log2Commands: number
  readonly log2Events: number
  readonly asidBits: number
  readonly rangeInvalidation: boolean
  /** Input and output address bits. */
  readonly ias: number
  readonly oas: number
  /** Encoding of `ias`, for CD.IPS: stage 1 puts out what stage 2 would take in. */
  readonly ips: number
  /** As the kernel's log prints it. */
  readonly mask: number
}

/** Reads IDR0 to IDR5 in the driver's order. A text is why it gives up. */
export function readFeatures(
  registers: RegisterFile,
  coherent: boolean,
  log: (line: string) => void,
): SmmuFeatures | string {
  const idr0 = registers.read32(R.IDR0)
  const zero = IDR0.fields
  let mask = coherent ? FEATURE.coherent : 0
  let twoLevel = zero.ST_LEVEL.get(idr0) === 1
  if (zero.CD2L.get(idr0) === 1) mask |= FEATURE.twoLevelDescriptors
  const endianness = zero.TTENDIAN.get(idr0)
  if (endianness === 0) mask |= FEATURE.littleEndian | FEATURE.bigEndian
  else if (endianness === 2) mask |= FEATURE.littleEndian
  else return 'unknown or unsupported endianness of translation tables'
  if (zero.PRI.get(idr0) === 1) mask |= FEATURE.pri
  if (zero.ATS.get(idr0) === 1) mask |= FEATURE.ats
  if (zero.SEV.get(idr0) === 1) mask |= FEATURE.sev
  if (zero.MSI.get(idr0) === 1) mask |= FEATURE.msi
  if (zero.Hyp.get(idr0) === 1) mask |= FEATURE.hypervisor
  if ((zero.COHACC.get(idr0) === 1) !== coherent) {
    log(`IDR0.COHACC overridden by FW configuration (${coherent})`)
  }
  const stall = zero.STALL_MODEL.get(idr0)
  if (stall === 2) mask |= FEATURE.stallsForced
  if (stall !== 1) mask |= FEATURE.stalls
  const stage1 = zero.S1P.get(idr0) === 1
  const stage2 = zero.S2P.get(idr0) === 1
  if (stage1) mask |= FEATURE.stage1
  if (stage2) mask |= FEATURE.stage2
  if (!stage1 && !stage2) return 'no translation support'
  const format = zero.TTF.get(idr0)
  if (format < 2) return 'the AArch64 table format is not supported'

  const idr1 = registers.read32(R.IDR1)
  const one = IDR1.fields
  if ((idr1 & (one.TABLES_PRESET.loMask | one.QUEUES_PRESET.loMask | one.REL.loMask)) !== 0) {
    return 'an embedded implementation is not supported'
  }
  const log2Commands = Math.min(MOST_LOG2_COMMANDS, one.CMDQS.get(idr1))
  if (log2Commands < LEAST_LOG2_COMMANDS) return `a command queue of 2^${log2Commands} entries is not supported`
  let streamIdBits = one.SIDSIZE.get(idr1)
  if (streamIdBits <= STRTAB_SPLIT) twoLevel = false
  if (twoLevel && streamIdBits > MOST_LOG2_FIRST_LEVEL + STRTAB_SPLIT) {
    log(`2-level strtab only covers ${MOST_LOG2_FIRST_LEVEL + STRTAB_SPLIT}/${streamIdBits} bits of SID`)
    streamIdBits = MOST_LOG2_FIRST_LEVEL + STRTAB_SPLIT
  }
  if (twoLevel) mask |= FEATURE.twoLevelStreamTable

  const idr3 = registers.read32(R.IDR3)
  const rangeInvalidation = IDR3.fields.RIL.get(idr3) === 1
  if (rangeInvalidation) mask |= FEATURE.rangeInvalidation

  const idr5 = registers.read32(R.IDR5)
  if (IDR5.fields.VAX.get(idr5) === 1) mask |= FEATURE.vax
  // The kernel's pages are of 4 KiB, and so must the smallest of a domain be.
  if (IDR5.fields.GRAN4K.get(idr5) === 0) return 'no granule of 4 KiB'
  const oas = ADDRESS_SIZES[IDR5.fields.OAS.get(idr5)] ?? 48
  const ias = Math.max(format === 3 ? 40 : 0, oas)
  if (stage1 && stage2) mask |= FEATURE.nesting
  if (!stage1) return 'only stage 2 is there, for which this kernel has no domains'
  return {
    idr0,
    idr1,
    idr3,
    idr5,
    twoLevelStreamTable: twoLevel,
    streamIdBits,
    log2Commands,
    log2Events: Math.min(MOST_LOG2_EVENTS, one.EVENTQS.get(idr1)),
    asidBits: zero.ASID16.get(idr0) === 1 ? 16 : 8,
    rangeInvalidation,
    ias,
    oas,
    ips: ADDRESS_SIZES.findIndex((bits) => bits >= ias),
    mask,
  }
}
