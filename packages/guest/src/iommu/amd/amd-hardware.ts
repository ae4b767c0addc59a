import { IVHD_IOMMU_FEATURE_REPORTING, IVRS_IVINFO, type Ivhd, type U64 } from '@dmascope/acpi'
import { EFR } from '@dmascope/iommu/amdvi/spec'
import { hexPair, highWord, lowWord } from '@dmascope/layout'
import { isBefore } from '../../profile/guest-profile.ts'
import type { PciDevice } from '../contract.ts'
import { ownRequester } from '../groups/dma-alias.ts'
import type { IommuContext } from '../iommu-context.ts'
import type { Pair } from '../register-file.ts'
import { AmdUnit } from './amd-unit.ts'
import { DeviceTable } from './device-table.ts'
import type { IvrsClaim, IvrsMap, IvrsSource } from './ivrs-map.ts'

/** A requester, by the table's account: its unit, and the device table in which it has an entry. */
export interface Requester {
  readonly unit: AmdUnit
  readonly table: DeviceTable
}

/** 00:14.0, where Linux expects the I/O APIC of the southbridge. */
const SOUTHBRIDGE_IOAPIC = 0x00a0

/** Every AMD IOMMU of the machine, and one device table for each segment. */
export class AmdHardware {
  readonly units: readonly AmdUnit[]
  /** Interrupt entries are of 128 bits: every unit has them. */
  readonly wide: boolean
  readonly map: IvrsMap
  readonly #tables: ReadonlyMap<number, DeviceTable>
  readonly #context: IommuContext
  #on = false

  private constructor(
    context: IommuContext,
    map: IvrsMap,
    units: readonly AmdUnit[],
    tables: ReadonlyMap<number, DeviceTable>,
  ) {
    this.#context = context
    this.map = map
    this.units = units
    this.#tables = tables
    this.wide = map.blocks.every(hasWideEntries)
  }

  /**
   * Prepares every unit, and turns off what an earlier owner left on.
   *
   * @returns the reason where the kernel gives up
   */
  static open(context: IommuContext, source: IvrsSource, map: IvrsMap): AmdHardware | string {
    const { bus, pages, log } = context
    const tables = new Map<number, DeviceTable>()
    for (const segment of map.segments.values()) {
      const table = DeviceTable.create(bus, pages, segment)
      if (table === null) return 'no memory for the device table'
      tables.set(segment.id, table)
    }
    const units: AmdUnit[] = []
    for (const [index, block] of map.blocks.entries()) {
      const unit = AmdUnit.create(index, block, bus, pages, log)
      if (unit === null || !unit.allocateEventLog(pages)) return `ivhd${index}: no memory, or no registers`
      units.push(unit)
    }
    const features = announcedFeatures(source, map)
    if (features !== null) log(`AMD-Vi: EFR of the IVRS: 0x${hexPair(features.hi, features.lo)}`)
    for (const unit of units) {
      unit.features = features
      if (unit.enabled) log(`AMD-Vi: ${unit.name}: translation was on; turned off`)
    }
    for (const unit of units) unit.disable()
    return new AmdHardware(context, map, units, tables)
  }

  /** Why interrupts cannot be remapped; null where they can. */
  get interruptsUnable(): string | null {
    const { ioApicIds = [], firstIoApicId = null } = this.#context
    const missing = ioApicIds.find((id) => !this.map.ioApics.has(id))
    if (missing !== undefined) return `firmware bug: I/O APIC ${missing} is not in the IVRS`
    if (firstIoApicId === null || this.map.ioApics.get(firstIoApicId) !== SOUTHBRIDGE_IOAPIC) {
      return 'the IVRS has no I/O APIC of a southbridge at 00:14.0'
    }
    return null
  }

  /** Turns every unit on, once. @param interrupts - devices without an interrupt table get none through */
  enable(interrupts: boolean): void {
    if (this.#on) return
    this.#on = true
    if (interrupts) for (const table of this.#tables.values()) table.blockInterrupts()
    // Later kernels announce guest translation at once; nothing here uses it.
    const guestTranslation = !isBefore(this.#context.profile, '6.12')
    for (const unit of this.units) unit.enable(this.#tables.get(unit.segment)!, this.wide, guestTranslation)
  }

  disable(): void {
    this.#on = false
    for (const unit of this.units) unit.disable()
  }

  get tables(): Iterable<DeviceTable> {
    return this.#tables.values()
  }

  flushAll(): void {
    for (const unit of this.units) unit.flushAll(this.#tables.get(unit.segment)!.lastId)
  }

  claimOf(device: PciDevice): IvrsClaim | null {
    return this.map.segments.get(device.segment)?.claimOf(ownRequester(device)) ?? null
  }

  /** Null for what no unit claims, and for a unit's own function: the table says that it is behind itself, and lies. */
  requester(segment: number, id: number): Requester | null {
    const block = this.map.segments.get(segment)?.claimOf(id)?.block
    const unit = this.units.find((one) => one.block === block)
    if (unit === undefined || this.units.some((one) => one.segment === segment && one.deviceId === id)) return null
    return { unit, table: this.#tables.get(segment)! }
  }

  aliasOf(segment: number, id: number): number {
    return this.map.segments.get(segment)?.aliasOf(id) ?? id
  }
}

/** What every unit has, by the table; null where it does not say. */
function announcedFeatures({ ivrs }: IvrsSource, { blocks }: IvrsMap): Pair | null {
  if (IVRS_IVINFO.fields.EFRSup.get(ivrs.IVinfo) === 0) return null
  let common: Pair | null = null
  for (const block of blocks) {
    if (block.kind === 'IVHD-10h') return null
    const own = pairOf(block.efrRegisterImage)
    common = common === null ? own : { hi: (common.hi & own.hi) >>> 0, lo: (common.lo & own.lo) >>> 0 }
  }
  return common
}

function hasWideEntries(block: Ivhd): boolean {
  if (block.kind === 'IVHD-10h') return IVHD_IOMMU_FEATURE_REPORTING.fields.GASup.get(block.iommuFeatureReporting) === 1
  return EFR.fields.GASup.get(pairOf(block.efrRegisterImage).lo) === 1
}

function pairOf(value: U64): Pair {
  if (typeof value === 'number') return { hi: highWord(value), lo: lowWord(value) }
  const digits = value.slice(2).padStart(16, '0')
  return { hi: Number.parseInt(digits.slice(0, 8), 16), lo: Number.parseInt(digits.slice(8), 16) }
}
