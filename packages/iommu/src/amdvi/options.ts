import type { Bits } from '@dmascope/layout'
import type { GuestRam } from '@dmascope/memory'
import { chosenFeatures } from '../chosen-features.ts'
import type { RequesterId } from '../translator.ts'
import {
  BASE_ADDRESS_LOW,
  CAP_ID,
  CAP_TYPE_IOMMU,
  CAPABILITY_HEADER,
  EFR,
  EFR2,
  HATS_LEVELS,
  MISC_INFO_0,
  RANGE,
} from './spec/features.ts'

/** What the hardware is able to do, what it announces, and where the specification leaves it a choice. */
export interface AmdViFeatures {
  /**
   * False: DMA goes past the unit as it is, whatever software programs, and no DMA faults. Commands, events and
   * interrupt remapping work all the same. No hardware is like that; QEMU's default of 11.1 is.
   */
  readonly dmaRemap: boolean
  /** False: EFR.HATS is 3, and entries that name a page table are illegal. */
  readonly dmaTranslation: boolean
  /** EFR.HATS: the most levels of page tables that are walked. */
  readonly hostLevels: 4 | 5 | 6
  /** Input and output address bits that the capability block announces; what is translated, the tables tell. */
  readonly addressWidth: number
  readonly physicalWidth: number
  /** False: a request that is to be remapped is aborted, as if its interrupt table were not there. */
  readonly interruptRemapping: boolean
  /** EFR.GASup: 128-bit interrupt entries where Control.GAEn is set. GuestMode is reserved. */
  readonly guestApic: boolean
  /** EFR.XTSup: 32-bit destinations in entries of 128 bits, where Control.XTEn is set. */
  readonly x2apic: boolean
  /** EFR2.NumIntRemapSup: 2048 interrupts for each device. Tables of that many entries serve in any case. */
  readonly announcesManyInterrupts: boolean
  /** IotlbSup: devices may cache translations (ATS). */
  readonly deviceIotlb: boolean
  /** EFR.IASup. */
  readonly invalidateAll: boolean
  /** EFR.PreFSup: PREFETCH_IOMMU_PAGES is a legal command; nothing is fetched ahead of its use. */
  readonly prefetch: boolean
  /** NpCache is announced. */
  readonly npCache: boolean
  /** What is not present is cached, too; only a unit that announces NpCache may. */
  readonly cachesNotPresent: boolean
  /** The exclusion range counts. */
  readonly exclusionRange: boolean
  /** The last 12 GiB below 1 TiB belong to HyperTransport. False: they are memory, and EFR2.HTRangeIgnore says so. */
  readonly htRange: boolean
  /** EFR2.HTRangeIgnore tells the truth about `htRange`. */
  readonly announcesHtRangeIgnore: boolean
  /** An entry with V set and TV clear ends the walk, as the specification demands; else it passes requests through. */
  readonly blockInvalidTranslation: boolean
  /** An entry is illegal as a whole: what is wrong with its page tables stops interrupts too, and the other way round. */
  readonly judgesWholeEntry: boolean
  /** An illegal command stops the command buffer, as the specification demands; else it is logged and skipped. */
  readonly haltOnCommandError: boolean
  /** Requests for interrupts that are refused are logged, as the specification demands. */
  readonly logInterruptFaults: boolean
  /** INVALIDATE_IOMMU_PAGES drops all of the domain, whatever its size says. */
  readonly invalidateWholeDomain: boolean
  /** Announced in the EFR without being there: PPRSup, GTSup with its GATS, HESup. Their fields are then not reserved. */
  readonly announcesPageRequests: boolean
  readonly announcesGuestTranslation: boolean
  readonly announcesHardwareErrors: boolean
  /** Page directories are cached, until an invalidation with PDE. */
  readonly pageDirectoryCache: boolean
  /** Entries of the IOTLB: 0 for none, else a power of two from 16 to 65536. */
  readonly iotlbEntries: number
}

/** How a device answered an invalidation of its own TLB. */
export type DeviceTlbAnswer = 'done' | 'timeout'

/** A fault, for an observer. */
export interface SeenFault {
  /** -1 for errors of the command buffer. */
  readonly requester: RequesterId
  readonly access: 'read' | 'write' | 'interrupt' | 'command'
  /** The address of the request; for hardware and command errors, that of the table entry or command. */
  readonly hi: number
  readonly lo: number
  /** A value of `FAULTS`, whose lower four bits are the event's code; or `UNSUPPORTED_REQUEST`. */
  readonly reason: number
  readonly text: string
  /** False: it is not in the event log (off, full, suppressed, or nothing that is ever logged). */
  readonly recorded: boolean
}

/** What a unit is wired to. */
export interface AmdViWiring {
  /** Guest RAM, where all tables and buffers lie. */
  readonly ram: GuestRam
  /** The unit's PCI function is to send message number MsiNum of its MSI capability, if software enabled that. */
  readonly raiseMsi: (message: number) => void
  /**
   * A TLB invalidation was sent to `requester` for the aligned 2^log2Size bytes around the address; 64 means all.
   * Answers at once; left out, every device answers `done`.
   */
  readonly onDeviceTlbInvalidate?: (requester: RequesterId, hi: number, lo: number, log2Size: number) => DeviceTlbAnswer
  readonly onFault?: (fault: SeenFault) => void
}

export type AmdViOptions = Partial<AmdViFeatures> & AmdViWiring

/** A unit without options left out: what the specification says, six levels, interrupt remapping. */
const DEFAULT_FEATURES: AmdViFeatures = {
  dmaRemap: true,
  dmaTranslation: true,
  hostLevels: 6,
  addressWidth: 64,
  physicalWidth: 52,
  interruptRemapping: true,
  guestApic: true,
  x2apic: false,
  announcesManyInterrupts: false,
  deviceIotlb: false,
  invalidateAll: true,
  prefetch: true,
  npCache: false,
  cachesNotPresent: false,
  exclusionRange: true,
  htRange: true,
  announcesHtRangeIgnore: true,
  blockInvalidTranslation: true,
  judgesWholeEntry: false,
  haltOnCommandError: true,
  logInterruptFaults: true,
  invalidateWholeDomain: false,
  announcesPageRequests: false,
  announcesGuestTranslation: false,
  announcesHardwareErrors: false,
  pageDirectoryCache: true,
  iotlbEntries: 2048,
}

/**
 * The features with their defaults.
 *
 * @throws RangeError where a number is outside of what the registers can say; TypeError where features contradict
 */
export function completeFeatures(options: Partial<AmdViFeatures>): AmdViFeatures {
  const features = chosenFeatures(DEFAULT_FEATURES, options)
  const { hostLevels, addressWidth, physicalWidth, iotlbEntries } = features
  if (hostLevels !== 4 && hostLevels !== 5 && hostLevels !== 6) {
    throw new RangeError(`hostLevels is 4, 5 or 6, got ${hostLevels}`)
  }
  if (!(Number.isInteger(addressWidth) && addressWidth >= 32 && addressWidth <= 64)) {
    throw new RangeError(`addressWidth is 32 to 64, got ${addressWidth}`)
  }
  if (!(Number.isInteger(physicalWidth) && physicalWidth >= 32 && physicalWidth <= 52)) {
    throw new RangeError(`physicalWidth is 32 to 52, got ${physicalWidth}`)
  }
  const power = Number.isInteger(Math.log2(iotlbEntries))
  if (iotlbEntries !== 0 && !(power && iotlbEntries >= 16 && iotlbEntries <= 65536)) {
    throw new RangeError(`iotlbEntries is 0, or a power of two from 16 to 65536, got ${iotlbEntries}`)
  }
  if (features.cachesNotPresent && !features.npCache) throw new TypeError('cachesNotPresent needs npCache')
  return features
}

const flag = (value: boolean): number => (value ? 1 : 0)

/** The Extended Feature Register as [hi, lo]. */
export function extendedFeatureOf(features: AmdViFeatures): readonly [hi: number, lo: number] {
  return wordOf(EFR, {
    PreFSup: flag(features.prefetch),
    PPRSup: flag(features.announcesPageRequests),
    GTSup: flag(features.announcesGuestTranslation),
    IASup: flag(features.invalidateAll),
    GASup: flag(features.guestApic),
    XTSup: flag(features.x2apic),
    HESup: flag(features.announcesHardwareErrors),
    HATS: features.dmaTranslation ? HATS_LEVELS[features.hostLevels] : HATS_LEVELS.none,
    // Guest tables of six levels, as QEMU has it.
    GATS: features.announcesGuestTranslation ? 2 : 0,
  })
}

/** The Extended Feature 2 Register as [hi, lo]. */
export function extendedFeature2Of(features: AmdViFeatures): readonly [hi: number, lo: number] {
  return wordOf(EFR2, {
    HTRangeIgnore: flag(!features.htRange && features.announcesHtRangeIgnore),
    NumIntRemapSup: flag(features.announcesManyInterrupts),
  })
}

/**
 * The six words of the capability block, for the unit's PCI function.
 *
 * @param base - where the registers lie: a multiple of 16 KiB below 2^53
 */
export function capabilityBlockOf(features: AmdViFeatures, base: number): readonly number[] {
  const header = wordOf(CAPABILITY_HEADER, {
    CapID: CAP_ID,
    CapType: CAP_TYPE_IOMMU,
    IotlbSup: flag(features.deviceIotlb),
    HtTunnel: 1,
    NpCache: flag(features.npCache),
    EFRSup: 1,
    CapExt: 1,
  })
  const info = wordOf(MISC_INFO_0, { GVAsize: 2, PAsize: features.physicalWidth, VAsize: features.addressWidth })
  const low = BASE_ADDRESS_LOW.fields.BaseAddress.setLo(0, base % 0x1_0000_0000)
  // IVRS tells which devices are behind the unit: the range is not valid, and reads as QEMU's.
  const range = RANGE.fields.LastDevice.setLo(0, 0xff)
  return [header[1], low, Math.floor(base / 0x1_0000_0000), range, info[1], 0]
}

function wordOf<Name extends string>(
  word: Bits<Name>,
  values: NoInfer<Partial<Record<Name, number>>>,
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
