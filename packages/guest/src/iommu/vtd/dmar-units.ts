import type { Dmar, Drhd, Problem, Rmrr } from '@dmascope/acpi'
import type { PageAllocator } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'
import { type Malfunction, RemappingUnit } from './remapping-unit.ts'

/** The DMAR that discovery found. */
export interface DmarSource {
  readonly dmar: Dmar & { readonly problems?: readonly Problem[] }
  /** Guest-physical address of its first byte. */
  readonly address: number
  /** Its bytes, for reasons that cite them. */
  readonly bytes?: Uint8Array
}

/** A DRHD that the kernel took up. */
export interface DrhdUnit {
  readonly record: Drhd
  readonly base: number
  readonly segment: number
  readonly includeAll: boolean
  readonly unit: RemappingUnit
  /** Page-table levels that the driver chose: the most that the hardware walks; 0 where it offers none. */
  readonly levels: number
  /** Address bits that its domains have. */
  readonly width: number
  /** Why it stays off; null where it need not. */
  offBecause: string | null
}

/** What the kernel made of the table. */
export interface DmarUnits {
  /**
   * In the order in which the kernel searches them: those with scopes, last of the table first, then those with
   * INCLUDE_PCI_ALL.
   */
  readonly units: readonly DrhdUnit[]
  readonly rmrrs: readonly Rmrr[]
  /** Bit 0 of the table's flags: the platform can remap interrupts. */
  readonly interruptRemapping: boolean
}

const PAGE = 4096
const ALL_ONES = 0xffff_ffff
const LEVELS_MAX = 5
/** Bits of address below which no table can be of use: one entry of the top table of the smallest kind. */
const NARROWEST = 30

/**
 * Whether Linux takes VT-d to be there (`detect_intel_iommu`): it looks at each unit of ACPI's table before anything
 * else is read. Null, or what is broken: the kernel then leaves VT-d alone, as if there were none.
 */
export function brokenAtDetection({ dmar }: DmarSource, bus: CpuBus): string | null {
  for (const record of dmar.records) {
    if (record.kind !== 'DRHD') continue
    const base = Number(record.registerBaseAddress)
    if (base === 0) return `the DRHD at +0x${at(record)} has its registers at address 0`
    if (!answers(bus, base)) return `the registers at 0x${base.toString(16)} read as all ones`
  }
  return stopsPastEnd(dmar) ? PAST_END : null
}

const PAST_END = 'a record passes the end of the table'

/**
 * Judges a DMAR in which detection found nothing broken, as Linux does (`drivers/iommu/intel/dmar.c`), and opens its units.
 *
 * @param scalableMode - units that have scalable mode are run in it
 * @returns the units, or the reason for which the kernel leaves the whole table alone
 */
export function readDmar(
  { dmar, address }: DmarSource,
  bus: CpuBus,
  pages: PageAllocator,
  log: (line: string) => void,
  malfunction: Malfunction,
  scalableMode: boolean,
): DmarUnits | string {
  const broken = (reason: string): string => {
    log(`DMAR: firmware bug: ${reason}`)
    return reason
  }
  if (dmar.hostAddressWidth < 11) return broken(`a host address width of ${dmar.hostAddressWidth + 1} bits`)
  log(`DMAR: at 0x${address.toString(16)}, host address width ${dmar.hostAddressWidth + 1}`)

  const units: DrhdUnit[] = []
  const rmrrs: Rmrr[] = []
  for (const record of dmar.records) {
    switch (record.kind) {
      case 'DRHD':
        addUnit(units, record, bus, pages, log, malfunction, scalableMode)
        break
      case 'RMRR':
        if (!isSaneRegion(record)) log(`DMAR: firmware bug: RMRR at +0x${at(record)} is no range of whole pages`)
        rmrrs.unshift(record)
        break
      case 'RHSA':
        if (!units.some(({ base }) => base === Number(record.registerBaseAddress))) {
          log(`DMAR: firmware bug: RHSA at +0x${at(record)} names a unit that does not exist`)
        }
        break
      case 'ANDD':
        if (record.trailing !== undefined && !record.acpiObjectName.includes('\0'))
          return broken(`the name in the ANDD at +0x${at(record)} has no end`)
        break
    }
  }
  if (units.length === 0) return broken('no DRHD in the table')
  return { units, rmrrs, interruptRemapping: (dmar.flags & 1) !== 0 }
}

const at = (record: { readonly offset?: number }): string => (record.offset ?? 0).toString(16)

/** Whether CAP and ECAP are anything but all ones, which is what a bus answers where there is nothing. */
function answers(bus: CpuBus, base: number): boolean {
  if (!Number.isSafeInteger(base + PAGE)) return false
  return [0x08, 0x0c, 0x10, 0x14].some((offset) => bus.read32(base + offset) !== ALL_ONES)
}

/** A record of no length ends the table silently; one that is too long condemns it. */
function stopsPastEnd(dmar: DmarSource['dmar']): boolean {
  if (dmar.trailing === undefined) return false
  // Device scopes stop likewise, but within their record; what stopped the table stands last.
  const stops = (dmar.problems ?? []).filter(
    ({ code }) => code === 'ACPI_RECORD_LENGTH' || code === 'ACPI_RECORD_PAST_END',
  )
  return (
    stops.reduce<Problem | null>((last, one) => (last && last.offset > one.offset ? last : one), null)?.code ===
    'ACPI_RECORD_PAST_END'
  )
}

function addUnit(
  units: DrhdUnit[],
  record: Drhd,
  bus: CpuBus,
  pages: PageAllocator,
  log: (line: string) => void,
  malfunction: Malfunction,
  scalableMode: boolean,
): void {
  const base = Number(record.registerBaseAddress)
  const segment = record.segmentNumber
  if (units.some((one) => one.base === base && one.segment === segment)) return
  const unit = new RemappingUnit(`dmar${units.length}`, base, bus, pages, malfunction, scalableMode)
  const { maxWidth, cap, ecap } = unit.capabilities
  const offered = offeredLevels(unit)
  const hex = ({ hi, lo }: { hi: number; lo: number }): string =>
    `0x${hi.toString(16)}${lo.toString(16).padStart(8, '0')}`
  log(`DMAR: ${unit.name}: registers at 0x${base.toString(16)}, CAP ${hex(cap)}, ECAP ${hex(ecap)}`)
  let levels = LEVELS_MAX
  while (levels >= 3 && (offered & (1 << levels)) === 0) levels--
  if (levels < 3 || maxWidth < NARROWEST) levels = 0
  if (levels === 0) log(`DMAR: ${unit.name}: no supported address width; it will not translate`)
  const includeAll = (record.flags & 1) !== 0
  const entry: DrhdUnit = {
    record,
    base,
    segment,
    includeAll,
    unit,
    levels,
    // Numbers count bytes up to 2^53 exactly; no domain needs that many.
    width: Math.min(12 + 9 * levels, maxWidth, 52),
    offBecause: levels === 0 ? 'it offers no address width' : null,
  }
  if (includeAll) units.push(entry)
  else units.unshift(entry)
}

/**
 * Page-table depths, a mask of levels 3, 4, 5 as bits 3, 4, 5. A first stage has four, and maybe five; where both
 * stages are there, what both have.
 */
function offeredLevels({ scalable, capabilities }: RemappingUnit): number {
  const second = capabilities.levels
  if (!scalable || !capabilities.firstStage) return second
  const first = 0b1_0000 | (capabilities.firstStageFiveLevels ? 0b10_0000 : 0)
  return capabilities.secondStage ? first & second : first
}

function isSaneRegion(record: Rmrr): boolean {
  const base = Number(record.reservedMemoryRegionBaseAddress)
  const limit = Number(record.reservedMemoryRegionLimitAddress)
  return base % PAGE === 0 && (limit + 1) % PAGE === 0 && limit > base
}
