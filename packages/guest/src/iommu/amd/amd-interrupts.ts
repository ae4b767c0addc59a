import { toHex } from '@dmascope/acpi'
import type { PageAllocator } from '@dmascope/dma'
import { IRTE_BASIC, IRTE_BASIC_BITS, IRTE_GA, IRTE_GA_HIGH, IRTE_GA_LOW } from '@dmascope/iommu/amdvi/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { Fact } from '../../result.ts'
import { IOREDTBL } from '../../spec/apic.ts'
import type { MsiMessage } from '../contract.ts'
import { MESSAGE_RANGE } from '../plain-interrupts.ts'
import type { AmdUnit } from './amd-unit.ts'
import type { DeviceTable } from './device-table.ts'

/** Entries of each device's table: as many as interrupts of the fixed kind reach. */
const LOG2_ENTRIES = 9
const ENTRIES = 2 ** LOG2_ENTRIES
/** The first entries of an I/O APIC's table are its pins'. */
const IO_APIC_PINS = 32
const PAGE = 4096

/** One interrupt remapping table. */
interface InterruptTable {
  readonly address: number
  next: number
}

/** Who sends interrupts: the ID of its own, the one that the IVRS says its requests bear, and all that PCI knows of. */
export interface InterruptSource {
  readonly unit: AmdUnit
  readonly table: DeviceTable
  readonly requester: number
  readonly alias: number
  readonly others: readonly number[]
}

/** Interrupt remapping: a table for each device, shared by those whose requests bear one ID. */
export class AmdInterrupts {
  /** Entries are of 128 bits. */
  readonly wide: boolean
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  /** Tables by device table and requester ID. */
  readonly #tables = new Map<DeviceTable, Map<number, InterruptTable>>()
  /** Entries by what they are for, so that setting an interrupt up again takes the same one. */
  readonly #indices = new Map<string, number>()

  constructor(bus: CpuBus, pages: PageAllocator, wide: boolean) {
    this.#bus = bus
    this.#pages = pages
    this.wide = wide
  }

  /**
   * A redirection entry for a pin of an I/O APIC: the entry of the table has the pin's number. Null where memory ran
   * out.
   */
  ioApicEntry(
    source: InterruptSource,
    pin: number,
    vector: number,
    level: boolean,
  ): { readonly lo: number; readonly hi: number } | null {
    const table = pin < IO_APIC_PINS ? this.#tableOf(source) : null
    if (table === null) return null
    table.next = Math.max(table.next, IO_APIC_PINS)
    this.#write(source, table, pin, vector)
    const { INTERRUPT_VECTOR, TRIGGER_MODE } = IOREDTBL.fields
    return { lo: TRIGGER_MODE.setLo(INTERRUPT_VECTOR.setLo(0, pin), level ? 1 : 0), hi: 0 }
  }

  /** A message, and what was written for it. Null where the table is full, or memory ran out. */
  message(
    source: InterruptSource,
    purpose: string,
    vector: number,
  ): { readonly message: MsiMessage; readonly fact: Fact } | null {
    const table = this.#tableOf(source)
    const index = table && this.#indexFor(table, purpose)
    if (table === null || index === null) return null
    const { address, bytes } = this.#write(source, table, index, vector)
    const fact = {
      fact: `its interrupt goes through entry ${index} of the interrupt remapping table at 0x${table.address.toString(16)}`,
      source: `IRTE @0x${address.toString(16)}`,
      bytes: toHex(bytes),
    }
    return { message: { hi: 0, lo: MESSAGE_RANGE.start, data: index, remapped: true }, fact }
  }

  #indexFor(table: InterruptTable, purpose: string): number | null {
    const known = this.#indices.get(purpose)
    if (known !== undefined) return known
    if (table.next >= ENTRIES) return null
    const index = table.next++
    this.#indices.set(purpose, index)
    return index
  }

  #tableOf(source: InterruptSource): InterruptTable | null {
    const { unit, table: devices, requester, alias, others } = source
    let tables = this.#tables.get(devices)
    if (tables === undefined) {
      tables = new Map()
      this.#tables.set(devices, tables)
    }
    const known = tables.get(requester)
    if (known !== undefined) return known
    const shared = tables.get(alias)
    const table = shared ?? this.#allocate()
    if (table === null) return null
    for (const id of new Set(shared ? [requester] : [requester, ...others, alias])) {
      if (!devices.has(id)) continue
      tables.set(id, table)
      devices.setInterrupts(id, table.address, LOG2_ENTRIES)
      unit.flushDevice(id)
    }
    unit.complete()
    return table
  }

  #allocate(): InterruptTable | null {
    const bytes = ENTRIES * (this.wide ? IRTE_GA.size : IRTE_BASIC.size)
    const address = this.#pages.allocate(Math.ceil(bytes / PAGE))
    return address === null ? null : { address, next: 0 }
  }

  /** Points an entry at a vector of APIC 0, and drops what the unit holds of the device's entries. */
  #write(
    { unit, requester, alias, others }: InterruptSource,
    table: InterruptTable,
    index: number,
    vector: number,
  ): { address: number; bytes: Uint8Array } {
    const size = this.wide ? IRTE_GA.size : IRTE_BASIC.size
    const address = table.address + index * size
    if (this.wide) {
      this.#bus.write32(address + 12, 0)
      this.#bus.write32(address + 8, IRTE_GA_HIGH.fields.Vector.setLo(0, vector))
      this.#bus.write32(address + 4, 0)
      this.#bus.write32(address, IRTE_GA_LOW.fields.RemapEn.setLo(0, 1))
    } else {
      const { RemapEn, Vector } = IRTE_BASIC_BITS.fields
      this.#bus.write32(address, RemapEn.setLo(Vector.setLo(0, vector), 1))
    }
    for (const id of new Set([requester, ...others, alias])) unit.flushInterrupts(id)
    unit.complete()
    const bytes = new Uint8Array(size)
    this.#bus.readBytes(address, bytes)
    return { address, bytes }
  }
}
