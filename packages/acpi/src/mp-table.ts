import type { Struct } from '@dmascope/layout'
import { checksum } from './checksum.ts'
import {
  MP_BUS,
  MP_CONFIGURATION_HEADER,
  MP_CONFIGURATION_SIGNATURE,
  MP_ENTRY_TYPE,
  MP_FLOATING_POINTER,
  MP_FLOATING_POINTER_SIGNATURE,
  MP_INTERRUPT,
  MP_IO_APIC,
  MP_PROCESSOR,
} from './spec/mp-table.ts'

/** An input of an I/O APIC, or of local ones, and what it is for. */
export interface MpInterrupt {
  readonly kind: 'io-interrupt' | 'local-interrupt'
  readonly type: 'vectored' | 'nmi' | 'smi' | 'external'
  /** Polarity in bits 1 and 0, trigger mode in bits 3 and 2; 0 as the bus has it. */
  readonly flags: number
  readonly bus: number
  readonly irq: number
  /** Identifier of the APIC; 255 for all local ones. */
  readonly apicId: number
  readonly input: number
}

/** An entry of a configuration table, in the table's order. */
export type MpEntry =
  | {
      readonly kind: 'processor'
      readonly apicId: number
      readonly apicVersion: number
      readonly usable: boolean
      readonly boots: boolean
      readonly signature: number
      readonly features: number
    }
  | { readonly kind: 'bus'; readonly id: number; readonly type: string }
  | {
      readonly kind: 'io-apic'
      readonly id: number
      readonly version: number
      readonly usable: boolean
      readonly address: number
    }
  | MpInterrupt

/** What an MP configuration table says. */
export interface MpConfiguration {
  readonly oemId: string
  readonly productId: string
  /** Guest-physical address of local APICs. */
  readonly localApic: number
  readonly entries: readonly MpEntry[]
}

const INTERRUPT_TYPES = ['vectored', 'nmi', 'smi', 'external'] as const
const REVISION_1_4 = 4
const USABLE = 1
const BOOTS = 2
const SIZES = [MP_PROCESSOR.size, MP_BUS.size, MP_IO_APIC.size, MP_INTERRUPT.size, MP_INTERRUPT.size] as const

const ascii = (text: string, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => (index < text.length ? text.charCodeAt(index) : 0x20))
const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes).trimEnd()

/** Puts what is left to make the sum of all bytes 0. */
const close = (bytes: Uint8Array, at: number): void => {
  bytes[at] = 0
  bytes[at] = checksum(bytes)
}

function writeEntry(view: DataView, at: number, entry: MpEntry): void {
  const put = (of: Struct<object>, values: Readonly<Record<string, number | Uint8Array>>): void => {
    const fields = of.fields as Readonly<Record<string, { set(view: DataView, base: number, value: unknown): void }>>
    for (const [name, value] of Object.entries({ ENTRY_TYPE: MP_ENTRY_TYPE[entry.kind], ...values })) {
      fields[name]!.set(view, at, value)
    }
  }
  switch (entry.kind) {
    case 'processor':
      put(MP_PROCESSOR, {
        LOCAL_APIC_ID: entry.apicId,
        LOCAL_APIC_VERSION: entry.apicVersion,
        CPU_FLAGS: (entry.usable ? USABLE : 0) | (entry.boots ? BOOTS : 0),
        CPU_SIGNATURE: entry.signature,
        FEATURE_FLAGS: entry.features,
      })
      break
    case 'bus':
      put(MP_BUS, { BUS_ID: entry.id, BUS_TYPE_STRING: ascii(entry.type, 6) })
      break
    case 'io-apic':
      put(MP_IO_APIC, {
        IO_APIC_ID: entry.id,
        IO_APIC_VERSION: entry.version,
        IO_APIC_FLAGS: entry.usable ? USABLE : 0,
        IO_APIC_ADDRESS: entry.address,
      })
      break
    default:
      put(MP_INTERRUPT, {
        INTERRUPT_TYPE: INTERRUPT_TYPES.indexOf(entry.type),
        INTERRUPT_FLAG: entry.flags,
        SOURCE_BUS_ID: entry.bus,
        SOURCE_BUS_IRQ: entry.irq,
        DESTINATION_APIC_ID: entry.apicId,
        DESTINATION_APIC_INTIN: entry.input,
      })
  }
}

/** The floating pointer, 16 bytes, to a configuration table at `address`. */
export function buildMpFloatingPointer(address: number): Uint8Array {
  const bytes = new Uint8Array(MP_FLOATING_POINTER.size)
  const view = new DataView(bytes.buffer)
  const { SIGNATURE, PHYSICAL_ADDRESS_POINTER, LENGTH, SPEC_REV, CHECKSUM } = MP_FLOATING_POINTER.fields
  SIGNATURE.set(view, 0, ascii(MP_FLOATING_POINTER_SIGNATURE, 4))
  PHYSICAL_ADDRESS_POINTER.set(view, 0, address)
  LENGTH.set(view, 0, 1)
  SPEC_REV.set(view, 0, REVISION_1_4)
  close(bytes, CHECKSUM.offset)
  return bytes
}

/** @throws RangeError where the entries do not fit 65535 bytes */
export function buildMpConfiguration({ oemId, productId, localApic, entries }: MpConfiguration): Uint8Array {
  const sizeOf = ({ kind }: MpEntry): number => SIZES[MP_ENTRY_TYPE[kind]]
  const length = entries.reduce((sum, entry) => sum + sizeOf(entry), MP_CONFIGURATION_HEADER.size)
  if (length > 0xffff) throw new RangeError(`an MP configuration table of ${length} bytes: the limit is 65535`)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  const { fields } = MP_CONFIGURATION_HEADER
  fields.SIGNATURE.set(view, 0, ascii(MP_CONFIGURATION_SIGNATURE, 4))
  fields.BASE_TABLE_LENGTH.set(view, 0, length)
  fields.SPEC_REV.set(view, 0, REVISION_1_4)
  fields.OEM_ID.set(view, 0, ascii(oemId, 8))
  fields.PRODUCT_ID.set(view, 0, ascii(productId, 12))
  fields.ENTRY_COUNT.set(view, 0, entries.length)
  fields.ADDRESS_OF_LOCAL_APIC.set(view, 0, localApic)
  let at: number = MP_CONFIGURATION_HEADER.size
  for (const entry of entries) {
    writeEntry(view, at, entry)
    at += sizeOf(entry)
  }
  close(bytes, fields.CHECKSUM.offset)
  return bytes
}

/** Where a floating pointer says that the configuration table is; null where the bytes are none, or it names none. */
export function parseMpFloatingPointer(bytes: Uint8Array): number | null {
  if (bytes.length < MP_FLOATING_POINTER.size) return null
  const head = bytes.subarray(0, MP_FLOATING_POINTER.size)
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const { SIGNATURE, PHYSICAL_ADDRESS_POINTER, LENGTH, SPEC_REV } = MP_FLOATING_POINTER.fields
  const revision = SPEC_REV.get(view, 0)
  if (textOf(SIGNATURE.get(view, 0)) !== MP_FLOATING_POINTER_SIGNATURE || LENGTH.get(view, 0) !== 1) return null
  if ((revision !== 1 && revision !== REVISION_1_4) || checksum(head) !== 0) return null
  return PHYSICAL_ADDRESS_POINTER.get(view, 0) || null
}

/**
 * Reads a configuration table. Linux goes by its length, and not by its count of entries; an entry of a type that nobody
 * knows ends it. Null where the bytes are no such table, or their sum is not 0.
 *
 * @param bytes - the whole table, and what follows it
 */
export function parseMpConfiguration(bytes: Uint8Array): MpConfiguration | null {
  const { fields, size } = MP_CONFIGURATION_HEADER
  if (bytes.length < size) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const length = fields.BASE_TABLE_LENGTH.get(view, 0)
  if (textOf(fields.SIGNATURE.get(view, 0)) !== MP_CONFIGURATION_SIGNATURE || length > bytes.length) return null
  if (length < size || checksum(bytes.subarray(0, length)) !== 0) return null
  const entries: MpEntry[] = []
  for (let at: number = size; at < length; ) {
    const type = view.getUint8(at)
    const step = SIZES[type]
    if (step === undefined || at + step > length) break
    entries.push(readEntry(view, at, type))
    at += step
  }
  return {
    oemId: textOf(fields.OEM_ID.get(view, 0)),
    productId: textOf(fields.PRODUCT_ID.get(view, 0)),
    localApic: fields.ADDRESS_OF_LOCAL_APIC.get(view, 0),
    entries,
  }
}

function readEntry(view: DataView, at: number, type: number): MpEntry {
  if (type === MP_ENTRY_TYPE.processor) {
    const { LOCAL_APIC_ID, LOCAL_APIC_VERSION, CPU_FLAGS, CPU_SIGNATURE, FEATURE_FLAGS } = MP_PROCESSOR.fields
    const flags = CPU_FLAGS.get(view, at)
    return {
      kind: 'processor',
      apicId: LOCAL_APIC_ID.get(view, at),
      apicVersion: LOCAL_APIC_VERSION.get(view, at),
      usable: (flags & USABLE) !== 0,
      boots: (flags & BOOTS) !== 0,
      signature: CPU_SIGNATURE.get(view, at),
      features: FEATURE_FLAGS.get(view, at),
    }
  }
  if (type === MP_ENTRY_TYPE.bus) {
    const { BUS_ID, BUS_TYPE_STRING } = MP_BUS.fields
    return { kind: 'bus', id: BUS_ID.get(view, at), type: textOf(BUS_TYPE_STRING.get(view, at)) }
  }
  if (type === MP_ENTRY_TYPE['io-apic']) {
    const { IO_APIC_ID, IO_APIC_VERSION, IO_APIC_FLAGS, IO_APIC_ADDRESS } = MP_IO_APIC.fields
    return {
      kind: 'io-apic',
      id: IO_APIC_ID.get(view, at),
      version: IO_APIC_VERSION.get(view, at),
      usable: (IO_APIC_FLAGS.get(view, at) & USABLE) !== 0,
      address: IO_APIC_ADDRESS.get(view, at),
    }
  }
  const of = MP_INTERRUPT.fields
  return {
    kind: type === MP_ENTRY_TYPE['io-interrupt'] ? 'io-interrupt' : 'local-interrupt',
    type: INTERRUPT_TYPES[of.INTERRUPT_TYPE.get(view, at) & 3]!,
    flags: of.INTERRUPT_FLAG.get(view, at),
    bus: of.SOURCE_BUS_ID.get(view, at),
    irq: of.SOURCE_BUS_IRQ.get(view, at),
    apicId: of.DESTINATION_APIC_ID.get(view, at),
    input: of.DESTINATION_APIC_INTIN.get(view, at),
  }
}
