import type { GuestRam } from '@dmascope/memory'
import { chosenFeatures } from '../chosen-features.ts'
import type { RequesterId } from '../translator.ts'
import { CAP, ECAP, SAGAW_39, SAGAW_48, SAGAW_57, SSLPS_1G, SSLPS_2M } from './spec/capabilities.ts'

/** What the hardware is able to do: what CAP_REG and ECAP_REG say, and where they leave it a choice. */
export interface VtdFeatures {
  /** Widest address that second-stage tables translate; tables of fewer levels, from three on, are walked too. */
  readonly addressWidth: 39 | 48 | 57
  /** ECAP.IR. */
  readonly interruptRemapping: boolean
  /** ECAP.EIM: 32-bit destinations. */
  readonly extendedInterruptMode: boolean
  /** CAP.CM: not-present and faulty entries are cached too. */
  readonly cachingMode: boolean
  /** ECAP.DT: devices may cache translations (ATS). */
  readonly deviceIotlb: boolean
  /** ECAP.PT: contexts may pass requests through. */
  readonly passThrough: boolean
  /** ECAP.SC: leaf entries may force snooping. */
  readonly snoopControl: boolean
  /** CAP.DRD and CAP.DWD. */
  readonly drain: boolean
  /** False: SAGAW is 0 and TE does nothing, so that only interrupts are remapped. */
  readonly dmaTranslation: boolean
  /** Bit 62 of a leaf entry is the retired TM field, and so not reserved. */
  readonly transientMapping: boolean
  /** Large second-stage pages: CAP.SSLPS. */
  readonly largestPage: '4k' | '2m' | '1g'
  /** CAP.ESRTPS. */
  readonly enhancedSetRootPointer: boolean
  /** SRTP and SIRTP drop the caches that depend on the table, which ESRTPS and ESIRTPS announce. */
  readonly flushOnSetPointer: boolean
  /** Number of fault recording registers, 1 to 256. */
  readonly faultRecords: number
  /** A pending fault of a requester hides further ones of it, as the specification allows. */
  readonly collapseFaults: boolean
  /** Interrupts in compatibility format are refused while CFIS is clear, as the specification demands. */
  readonly blockCompatibilityFormat: boolean
  /** IRTE.SVT 2 takes the upper byte of SID for the last bus that is allowed, and the lower for the first. */
  readonly reversedBusRange: boolean
  /** Upper tables are cached, until an invalidation that does not say that only leaves changed. */
  readonly pagingStructureCache: boolean
  /** ECAP.SMTS: root tables of scalable mode; what they may hold, the following tell. */
  readonly scalableMode: boolean
  /** ECAP.FSTS: first-stage tables of four levels. */
  readonly firstStage: boolean
  /** CAP.FS1GP: first-stage pages of 1 GiB. */
  readonly firstStage1g: boolean
  /** CAP.FS5LP: first-stage tables of five levels, too. */
  readonly firstStageFiveLevels: boolean
  /** ECAP.SSTS: second-stage tables in scalable mode. */
  readonly secondStage: boolean
  /** Bits of a PASID that a request may bear, 1 to 20: ECAP.PASID and ECAP.PSS. 0: requests bear none. */
  readonly pasidBits: number
  /** Whether RID_PASID of a context entry is looked at, or is 0; and whether ECAP.RPS says so. */
  readonly ridPasid: 'none' | 'unannounced' | 'announced'
  /** ECAP.SRS. Nothing asks for supervisor privilege here. */
  readonly supervisorRequests: boolean
  /** In scalable mode faults of root, context and second-stage tables bear legacy mode's reasons. */
  readonly legacyReasons: boolean
  /** CAP.PLMR and CAP.PHMR: two regions can be closed to devices, with translation on or off. */
  readonly protectedMemory: boolean
  /** Entries of the IOTLB: 0 for none, else a power of two from 16 to 65536. */
  readonly iotlbEntries: number
}

/** How a device answered an invalidation of its device-TLB. */
export type DeviceTlbAnswer = 'done' | 'timeout' | 'invalid'

/** A fault, for an observer. */
export interface SeenFault {
  readonly requester: RequesterId
  readonly access: 'read' | 'write' | 'interrupt'
  /** The address, or the index of the interrupt. */
  readonly hi: number
  readonly lo: number
  /** FRCD.FR, or `UNSUPPORTED_REQUEST`. */
  readonly reason: number
  readonly text: string
  /** That the request bore, if any. */
  readonly pasid?: number
  /** False: the hardware did not record it (overflow, collapsed, FPD, or nothing that is ever recorded). */
  readonly recorded: boolean
}

/** What a unit is wired to. */
export interface VtdWiring {
  /** Guest RAM, where all tables and queues lie. */
  readonly ram: GuestRam
  /** Sends the unit's own interrupt messages, which are not remapped. */
  readonly raiseMsi: (hi: number, lo: number, data: number) => void
  /**
   * A device-TLB invalidation was sent to `requester` for the aligned 2^log2Size bytes around the address; 64 means
   * all. Answers at once; left out, every device answers `done`.
   */
  readonly onDeviceTlbInvalidate?: (
    requester: RequesterId,
    hi: number,
    lo: number,
    log2Size: number,
    /** The PASID whose translations are meant; left out for those without one. -1: those of all PASIDs. */
    pasid?: number,
  ) => DeviceTlbAnswer
  readonly onFault?: (fault: SeenFault) => void
}

export type VtdOptions = Partial<VtdFeatures> & VtdWiring

/** A unit with all options left out: legacy mode, four-level tables, interrupt remapping, one fault record. */
const DEFAULT_FEATURES: VtdFeatures = {
  addressWidth: 48,
  interruptRemapping: true,
  extendedInterruptMode: false,
  cachingMode: false,
  deviceIotlb: false,
  passThrough: true,
  snoopControl: false,
  drain: true,
  dmaTranslation: true,
  transientMapping: false,
  largestPage: '1g',
  enhancedSetRootPointer: false,
  flushOnSetPointer: false,
  faultRecords: 1,
  collapseFaults: false,
  blockCompatibilityFormat: true,
  reversedBusRange: false,
  pagingStructureCache: true,
  scalableMode: false,
  firstStage: true,
  firstStage1g: true,
  firstStageFiveLevels: false,
  secondStage: true,
  pasidBits: 20,
  ridPasid: 'announced',
  supervisorRequests: false,
  legacyReasons: false,
  protectedMemory: false,
  iotlbEntries: 2048,
}

/** Where the IOTLB and fault recording registers stand, and the largest address mask: free choices, QEMU's here. */
export const IOTLB_REGISTERS_OFFSET = 0xf0
export const FAULT_RECORDING_OFFSET = 0x220
export const LARGEST_ADDRESS_MASK = 18
export const LARGEST_HANDLE_MASK = 15

/**
 * The features with their defaults.
 *
 * @throws RangeError where a number is outside of what the registers can say; TypeError where features contradict
 */
export function completeFeatures(options: Partial<VtdFeatures>): VtdFeatures {
  const features = chosenFeatures(DEFAULT_FEATURES, options)
  const { addressWidth, faultRecords, iotlbEntries } = features
  if (addressWidth !== 39 && addressWidth !== 48 && addressWidth !== 57) {
    throw new RangeError(`addressWidth is 39, 48 or 57, got ${addressWidth}`)
  }
  if (!(Number.isInteger(faultRecords) && faultRecords >= 1 && faultRecords <= 256)) {
    throw new RangeError(`faultRecords is 1 to 256, got ${faultRecords}`)
  }
  const power = Number.isInteger(Math.log2(iotlbEntries))
  if (iotlbEntries !== 0 && !(power && iotlbEntries >= 16 && iotlbEntries <= 65536)) {
    throw new RangeError(`iotlbEntries is 0, or a power of two from 16 to 65536, got ${iotlbEntries}`)
  }
  const { pasidBits } = features
  if (!(Number.isInteger(pasidBits) && pasidBits >= 0 && pasidBits <= 20)) {
    throw new RangeError(`pasidBits is 0 to 20, got ${pasidBits}`)
  }
  if (features.extendedInterruptMode && !features.interruptRemapping) {
    throw new TypeError('extendedInterruptMode needs interruptRemapping')
  }
  return features
}

const flag = (value: boolean): number => (value ? 1 : 0)

/** CAP_REG as [hi, lo]. */
export function capabilityOf(features: VtdFeatures): readonly [hi: number, lo: number] {
  const { addressWidth, largestPage } = features
  const scalable = (value: boolean): number => flag(features.scalableMode && value)
  const depths = [SAGAW_39, addressWidth >= 48 ? SAGAW_48 : 0, addressWidth >= 57 ? SAGAW_57 : 0]
  const pages = [largestPage === '4k' ? 0 : SSLPS_2M, largestPage === '1g' ? SSLPS_1G : 0]
  return wordOf(CAP, {
    ND: 6,
    CM: flag(features.cachingMode),
    PHMR: flag(features.protectedMemory),
    PLMR: flag(features.protectedMemory),
    SAGAW: features.dmaTranslation ? depths.reduce((all, one) => all | one, 0) : 0,
    MGAW: addressWidth - 1,
    FRO: FAULT_RECORDING_OFFSET / 16,
    SSLPS: pages.reduce((all, one) => all | one, 0),
    PSI: 1,
    NFR: features.faultRecords - 1,
    MAMV: LARGEST_ADDRESS_MASK,
    DWD: flag(features.drain),
    DRD: flag(features.drain),
    FS1GP: scalable(features.firstStage && features.firstStage1g),
    FS5LP: scalable(features.firstStage && features.firstStageFiveLevels),
    ESRTPS: flag(features.enhancedSetRootPointer),
  })
}

/** ECAP_REG as [hi, lo]. */
export function extendedCapabilityOf(features: VtdFeatures): readonly [hi: number, lo: number] {
  const { scalableMode, pasidBits } = features
  const scalable = (value: boolean): number => flag(scalableMode && value)
  return wordOf(ECAP, {
    QI: 1,
    DT: flag(features.deviceIotlb),
    IR: flag(features.interruptRemapping),
    EIM: flag(features.extendedInterruptMode),
    PT: flag(features.passThrough),
    SC: flag(features.snoopControl),
    IRO: IOTLB_REGISTERS_OFFSET / 16,
    MHMV: features.interruptRemapping ? LARGEST_HANDLE_MASK : 0,
    SRS: scalable(features.supervisorRequests),
    PSS: scalableMode && pasidBits > 0 ? pasidBits - 1 : 0,
    PASID: scalable(pasidBits > 0),
    SMTS: flag(scalableMode),
    SSTS: scalable(features.secondStage),
    FSTS: scalable(features.firstStage),
    RPS: scalable(features.ridPasid === 'announced'),
  })
}

function wordOf<Name extends string>(
  word: { readonly fields: Readonly<Record<Name, (typeof CAP)['fields']['CM']>> },
  values: Partial<Record<Name, number>>,
): readonly [hi: number, lo: number] {
  let hi = 0
  let lo = 0
  for (const name in values) {
    const value = values[name]!
    lo = word.fields[name].setLo(lo, value)
    hi = word.fields[name].setHi(hi, value)
  }
  return [hi, lo]
}
