import type { PageAllocator } from '@dmascope/dma'
import {
  GSTS,
  INTERRUPT_RANGE_FIRST,
  IRTA,
  IRTE,
  IRTE_HIGH,
  IRTE_LOW,
  REMAPPABLE_ADDRESS,
  REMAPPABLE_RTE,
  SOURCE_VALIDATION,
  VTD_REGISTERS,
} from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { busOf } from '@dmascope/pci/spec'
import type { MsiMessage, PciDevice } from '../contract.ts'
import { dmaAliases, ownRequester } from '../groups/dma-alias.ts'
import type { RemappingUnit } from './remapping-unit.ts'

const R = VTD_REGISTERS.registers
/** IRTA.S: 2^(15+1) entries, the most there can be; Linux always takes them all. */
const SIZE_CODE = 15
const ENTRIES = 2 ** (SIZE_CODE + 1)

/** Whom an entry accepts requests from: IRTE.SVT and IRTE.SID. */
export interface SourceCheck {
  readonly svt: number
  readonly sid: number
}

/** One unit's interrupt remapping table, and what turns it on. */
export class InterruptRemapper {
  readonly unit: RemappingUnit
  /** Guest-physical address of the table. */
  readonly table: number
  readonly #bus: CpuBus
  #next = 0

  private constructor(unit: RemappingUnit, bus: CpuBus, table: number) {
    this.unit = unit
    this.#bus = bus
    this.table = table
  }

  /**
   * Prepares a unit: table, invalidation queue, table pointer, in Linux's order. Off until `enable`. Null where memory
   * ran out or the unit does not take part.
   */
  static prepare(unit: RemappingUnit, bus: CpuBus, pages: PageAllocator): InterruptRemapper | null {
    const table = pages.allocate((ENTRIES * IRTE.size) / 4096)
    if (table === null || !unit.enableQueue()) return null
    if ((unit.status & GSTS.fields.IRES.loMask) !== 0 && !unit.disable('IRE')) return null
    unit.registers.write64(R.IRTA, highWord(table), IRTA.fields.S.setLo(lowWord(table), SIZE_CODE))
    if (!unit.trigger('SIRTP')) return null
    unit.invalidateInterruptEntries(null)
    return unit.dead ? null : new InterruptRemapper(unit, bus, table)
  }

  /** Turns remapping on, and compatibility-format messages off. */
  enable(): boolean {
    if (!this.unit.enable('IRE')) return false
    return (this.unit.status & GSTS.fields.CFIS.loMask) === 0 || this.unit.disable('CFI')
  }

  /** A free entry's index; null where all are taken. */
  reserve(): number | null {
    return this.#next < ENTRIES ? this.#next++ : null
  }

  /** Points an entry at a vector of APIC 0, edge-triggered, and drops what the unit holds of it. */
  write(index: number, vector: number, source: SourceCheck): Uint8Array {
    const { P, RH, V } = IRTE_LOW.fields
    const { SVT, SID } = IRTE_HIGH.fields
    const at = this.table + index * IRTE.size
    this.#bus.write32(at + 12, 0)
    this.#bus.write32(at + 8, SVT.setLo(SID.setLo(0, source.sid), source.svt))
    this.#bus.write32(at + 4, 0)
    this.#bus.write32(at, P.setLo(RH.setLo(V.setLo(0, vector), 1), 1))
    this.unit.invalidateInterruptEntries(index)
    const bytes = new Uint8Array(IRTE.size)
    this.#bus.readBytes(at, bytes)
    return bytes
  }
}

/** A message in remappable format: the index in the address, nothing in the data (VT-d 4.1 §5.1.2). */
export function remappableMessage(index: number): MsiMessage {
  const { FORMAT, SHV, HANDLE_14_0, HANDLE_15 } = REMAPPABLE_ADDRESS.fields
  let lo = INTERRUPT_RANGE_FIRST
  lo = FORMAT.setLo(lo, 1)
  lo = SHV.setLo(lo, 1)
  lo = HANDLE_14_0.setLo(lo, index & 0x7fff)
  lo = HANDLE_15.setLo(lo, index >>> 15)
  return { hi: 0, lo, data: 0, remapped: true }
}

/** An IOAPIC entry in remappable format. Its vector is the remapped one too, so that an end of interrupt finds it. */
export function remappableEntry(index: number, vector: number, level: boolean): { lo: number; hi: number } {
  const { V, TM, HANDLE_15, HANDLE_14_0, FORMAT } = REMAPPABLE_RTE.fields
  const lo = HANDLE_15.setLo(TM.setLo(V.setLo(0, vector), level ? 1 : 0), index >>> 15)
  return { lo, hi: FORMAT.setHi(HANDLE_14_0.setHi(0, index & 0x7fff), 1) }
}

/** Accepts one requester alone. */
export const fromRequester = (requester: number): SourceCheck => ({ svt: SOURCE_VALIDATION.requester, sid: requester })

export const FROM_ANYONE: SourceCheck = { svt: SOURCE_VALIDATION.none, sid: 0 }

/**
 * Whom a device's messages come from: itself, or a bridge that takes them over; where only the bus is certain, any
 * function of the buses between.
 */
export function sourceOfMessages(device: PciDevice): SourceCheck {
  const aliases = dmaAliases(device)
  const last = aliases[aliases.length - 1]!
  const range = (first: number, end: number): SourceCheck => ({ svt: SOURCE_VALIDATION.bus, sid: (first << 8) | end })
  if (busOf(last.requester) !== last.device.bus) return range(busOf(last.requester), device.bus)
  const oneBus = aliases.every(({ requester }) => busOf(requester) === busOf(aliases[0]!.requester))
  if (aliases.length >= 2 && oneBus) return range(device.bus, device.bus)
  return fromRequester(last.device.bus === device.bus ? ownRequester(device) : last.requester)
}
