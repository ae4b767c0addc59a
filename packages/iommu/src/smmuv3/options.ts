import type { Bits } from '@dmascope/layout'
import type { GuestRam } from '@dmascope/memory'
import { chosenFeatures } from '../chosen-features.ts'
import type { RequesterId } from '../translator.ts'
import { ADDRESS_SIZES, AIDR, IDR0, IDR1, IDR3, IDR5 } from './spec/features.ts'

export type OutputSize = (typeof ADDRESS_SIZES)[number]

/** What the hardware is able to do, what it announces, and where the architecture leaves it a choice. */
export interface SmmuV3Features {
  /** IDR0.S1P: context descriptors and stage 1. */
  readonly stage1: boolean
  /** IDR0.S2P: stage 2, and with stage 1 both after one another. */
  readonly stage2: boolean
  /** IDR5.GRAN*: granules in KiB. */
  readonly granules: readonly (4 | 16 | 64)[]
  /** IDR5.OAS, in bits. */
  readonly outputSize: OutputSize
  /** IDR1.SIDSIZE: bits of a StreamID, 0 to 16. */
  readonly streamIdBits: number
  /** IDR1.CMDQS and IDR1.EVENTQS: log2 of the most entries, 0 to 19. */
  readonly log2Commands: number
  readonly log2Events: number
  /** IDR0.ASID16; else ASIDs have 8 bits. */
  readonly asid16: boolean
  /** IDR0.VMID16; else VMIDs have 8 bits. */
  readonly vmid16: boolean
  /** IDR0.ST_LEVEL. */
  readonly twoLevelStreamTable: boolean
  /** IDR3.RIL: TLB invalidations may name a range. */
  readonly rangeInvalidation: boolean
  /** IDR3.HAD: CD.HAD0 and CD.HAD1 count. */
  readonly hierarchicalAttributeDisable: boolean
  /** IDR3.BBML. */
  readonly breakBeforeMakeLevel: 0 | 1 | 2
  /** IDR3.XNX. */
  readonly announcesExecuteNeverControl: boolean
  /** AIDR.ArchMinorRev: 3.0 to 3.4. */
  readonly minorRevision: number
  /** SMMU_GBPA is there. False: it reads as 0, and transactions pass while the unit is off. */
  readonly globalBypassAttribute: boolean
  /** AP[1] counts: a page may be for privileged transactions alone, as the architecture demands. */
  readonly checksUnprivileged: boolean
  /** A page without nG belongs to every ASID, as the architecture demands; else to the one that it was walked for. */
  readonly globalPages: boolean
  /** A full event queue turns EVENTQ_PROD.OVFLG, as the architecture demands; else GERROR.EVENTQ_ABT_ERR is raised. */
  readonly overflowFlag: boolean
  /** CLASS of stage 1 faults is told, as the architecture demands; else it is 0. */
  readonly recordsClass: boolean
  /** Commands that the unit has no use for (of EL2 and EL3, ATS, PRI and stalls) do nothing; else they are illegal. */
  readonly acceptsForeignCommands: boolean
  /** CD.HA and CD.HD make a descriptor invalid; else they do nothing. Tables are never updated. */
  readonly rejectsHardwareUpdate: boolean
  /** Upper tables are cached, until an invalidation without Leaf. */
  readonly walkCache: boolean
  /** Entries of the TLB: 0 for none, else a power of two from 16 to 65536. */
  readonly tlbEntries: number
}

/** A fault, for an observer. */
export interface SeenFault {
  readonly requester: RequesterId
  readonly access: 'read' | 'write'
  readonly hi: number
  readonly lo: number
  /** An event's number, `TRANSACTION_ABORTED` or `UNSUPPORTED_REQUEST`. */
  readonly reason: number
  readonly text: string
  /** False: it is not in the event queue (off, full, not asked for, or nothing that is ever recorded). */
  readonly recorded: boolean
}

/** The wired interrupts, each a pulse. */
export type InterruptLine = 'eventq' | 'gerror' | 'cmd-sync'

/** What a unit is wired to. */
export interface SmmuV3Wiring {
  /** Guest RAM, where all tables and queues lie. */
  readonly ram: GuestRam
  readonly raiseInterrupt: (line: InterruptLine) => void
  readonly onFault?: (fault: SeenFault) => void
}

export type SmmuV3Options = Partial<SmmuV3Features> & SmmuV3Wiring

/** Refused by the configuration (STE.Config, GBPA.ABORT): no event is recorded. Above all event numbers. */
export const TRANSACTION_ABORTED = 0x80

/** A unit without options left out: what the architecture says, stage 1, all granules, 48 bits. */
const DEFAULT_FEATURES: SmmuV3Features = {
  stage1: true,
  stage2: false,
  granules: [4, 16, 64],
  outputSize: 48,
  streamIdBits: 16,
  log2Commands: 16,
  log2Events: 16,
  asid16: true,
  vmid16: false,
  twoLevelStreamTable: true,
  rangeInvalidation: true,
  hierarchicalAttributeDisable: true,
  breakBeforeMakeLevel: 0,
  announcesExecuteNeverControl: false,
  minorRevision: 2,
  globalBypassAttribute: true,
  checksUnprivileged: true,
  globalPages: true,
  overflowFlag: true,
  recordsClass: true,
  acceptsForeignCommands: false,
  rejectsHardwareUpdate: false,
  walkCache: true,
  tlbEntries: 2048,
}

const inRange = (name: string, value: number, first: number, last: number): void => {
  if (Number.isInteger(value) && value >= first && value <= last) return
  throw new RangeError(`${name} is ${first} to ${last}, got ${value}`)
}

/**
 * The features with their defaults.
 *
 * @throws RangeError where a number is outside of what the registers can say; TypeError where features contradict
 */
export function completeFeatures(options: Partial<SmmuV3Features>): SmmuV3Features {
  const features = chosenFeatures(DEFAULT_FEATURES, options)
  const { granules, outputSize, tlbEntries } = features
  inRange('streamIdBits', features.streamIdBits, 0, 16)
  inRange('log2Commands', features.log2Commands, 0, 19)
  inRange('log2Events', features.log2Events, 0, 19)
  inRange('breakBeforeMakeLevel', features.breakBeforeMakeLevel, 0, 2)
  inRange('minorRevision', features.minorRevision, 0, 15)
  if (!ADDRESS_SIZES.includes(outputSize)) {
    throw new RangeError(`outputSize is one of ${ADDRESS_SIZES.join(', ')}, got ${outputSize}`)
  }
  if (granules.length === 0 || granules.some((granule) => granule !== 4 && granule !== 16 && granule !== 64)) {
    throw new RangeError(`granules are 4, 16 and 64, at least one of them, got [${granules.join(', ')}]`)
  }
  const power = Number.isInteger(Math.log2(tlbEntries))
  if (tlbEntries !== 0 && !(power && tlbEntries >= 16 && tlbEntries <= 65536)) {
    throw new RangeError(`tlbEntries is 0, or a power of two from 16 to 65536, got ${tlbEntries}`)
  }
  if (!features.stage1 && !features.stage2) throw new TypeError('a unit has stage1, stage2 or both')
  return features
}

const flag = (value: boolean): number => (value ? 1 : 0)

/** SMMU_IDR0 to SMMU_IDR5 and SMMU_AIDR. Tables are little-endian AArch64, coherent; faults terminate. */
export function identificationOf(features: SmmuV3Features): Readonly<Record<string, number>> {
  return {
    IDR0: wordOf(IDR0, {
      S1P: flag(features.stage1),
      S2P: flag(features.stage2),
      TTF: 2,
      COHACC: 1,
      ASID16: flag(features.asid16),
      VMID16: flag(features.vmid16),
      TTENDIAN: 2,
      STALL_MODEL: 1,
      TERM_MODEL: 1,
      ST_LEVEL: flag(features.twoLevelStreamTable),
    }),
    IDR1: wordOf(IDR1, {
      SIDSIZE: features.streamIdBits,
      CMDQS: features.log2Commands,
      EVENTQS: features.log2Events,
    }),
    IDR3: wordOf(IDR3, {
      HAD: flag(features.hierarchicalAttributeDisable),
      XNX: flag(features.announcesExecuteNeverControl),
      RIL: flag(features.rangeInvalidation),
      BBML: features.breakBeforeMakeLevel,
    }),
    IDR5: wordOf(IDR5, {
      OAS: ADDRESS_SIZES.indexOf(features.outputSize),
      GRAN4K: flag(features.granules.includes(4)),
      GRAN16K: flag(features.granules.includes(16)),
      GRAN64K: flag(features.granules.includes(64)),
    }),
    AIDR: wordOf(AIDR, { ArchMinorRev: features.minorRevision }),
  }
}

function wordOf<Name extends string>(word: Bits<Name>, values: Partial<Record<NoInfer<Name>, number>>): number {
  let lo = 0
  for (const [name, value] of Object.entries(values) as [Name, number][]) lo = word.fields[name].setLo(lo, value)
  return lo
}
