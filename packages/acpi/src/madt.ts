import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { RecordExtras, RecordSet, UnknownRecord } from './records.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import {
  MADT,
  MADT_FLAGS,
  MADT_GIC_ITS,
  MADT_GIC_MSI_FRAME,
  MADT_GICC,
  MADT_GICC_FLAGS,
  MADT_GICD,
  MADT_GICR,
  MADT_HEAD,
  MADT_INTERRUPT_SOURCE_OVERRIDE,
  MADT_IO_APIC,
  MADT_LOCAL_APIC,
  MADT_LOCAL_APIC_ADDRESS_OVERRIDE,
  MADT_LOCAL_APIC_FLAGS,
  MADT_LOCAL_APIC_NMI,
  MADT_LOCAL_X2APIC,
  MADT_LOCAL_X2APIC_NMI,
  MADT_NMI_SOURCE,
  MPS_INTI_FLAGS,
} from './spec/madt.ts'
import type { FieldValues, RecordValues } from './values.ts'

export interface MadtLocalApic extends RecordValues<typeof MADT_LOCAL_APIC>, RecordExtras {
  kind: 'local-apic'
}
export interface MadtIoApic extends RecordValues<typeof MADT_IO_APIC>, RecordExtras {
  kind: 'io-apic'
}
/** ISA interrupt `source` arrives at `globalSystemInterrupt`, with polarity and trigger mode of `MPS_INTI_FLAGS`. */
export interface MadtInterruptSourceOverride extends RecordValues<typeof MADT_INTERRUPT_SOURCE_OVERRIDE>, RecordExtras {
  kind: 'interrupt-source-override'
}
export interface MadtNmiSource extends RecordValues<typeof MADT_NMI_SOURCE>, RecordExtras {
  kind: 'nmi-source'
}
export interface MadtLocalApicNmi extends RecordValues<typeof MADT_LOCAL_APIC_NMI>, RecordExtras {
  kind: 'local-apic-nmi'
}
export interface MadtLocalApicAddressOverride
  extends RecordValues<typeof MADT_LOCAL_APIC_ADDRESS_OVERRIDE>,
    RecordExtras {
  kind: 'local-apic-address-override'
}
export interface MadtLocalX2apic extends RecordValues<typeof MADT_LOCAL_X2APIC>, RecordExtras {
  kind: 'local-x2apic'
}
export interface MadtLocalX2apicNmi extends RecordValues<typeof MADT_LOCAL_X2APIC_NMI>, RecordExtras {
  kind: 'local-x2apic-nmi'
}
type GiccValues = RecordValues<typeof MADT_GICC>
/** What it had in ACPI 5.0. */
type GiccRequired =
  | 'cpuInterfaceNumber'
  | 'acpiProcessorUid'
  | 'flags'
  | 'parkingProtocolVersion'
  | 'performanceInterruptGsiv'
  | 'parkedAddress'
  | 'physicalBaseAddress'
/** A processor's interface to the GIC. It ends with the last field that is present: later revisions have more. */
export interface MadtGicc extends Pick<GiccValues, GiccRequired>, Partial<Omit<GiccValues, GiccRequired>> {
  kind: 'gicc'
  /** Byte in the table; set when parsed, ignored when built. */
  offset?: number
  /** Bytes behind the last field, as hexadecimal digits. */
  padding?: string
}
export interface MadtGicd extends RecordValues<typeof MADT_GICD>, RecordExtras {
  kind: 'gicd'
}
export interface MadtGicMsiFrame extends RecordValues<typeof MADT_GIC_MSI_FRAME>, RecordExtras {
  kind: 'gic-msi-frame'
}
export interface MadtGicr extends RecordValues<typeof MADT_GICR>, RecordExtras {
  kind: 'gicr'
}
export interface MadtGicIts extends RecordValues<typeof MADT_GIC_ITS>, RecordExtras {
  kind: 'gic-its'
}
export type MadtRecord =
  | MadtLocalApic
  | MadtIoApic
  | MadtInterruptSourceOverride
  | MadtNmiSource
  | MadtLocalApicNmi
  | MadtLocalApicAddressOverride
  | MadtLocalX2apic
  | MadtLocalX2apicNmi
  | MadtGicc
  | MadtGicd
  | MadtGicMsiFrame
  | MadtGicr
  | MadtGicIts
  | UnknownRecord

/** The multiple APIC description table; its signature is `APIC`. */
export interface Madt extends ParsedTable, FieldValues<(typeof MADT)['fields']> {
  signature: 'APIC'
  records: MadtRecord[]
}

const local = { flags: MADT_LOCAL_APIC_FLAGS }
const inti = { flags: MPS_INTI_FLAGS }

const INTERRUPT_CONTROLLER_STRUCTURES: RecordSet = {
  what: 'interrupt controller structure',
  head: MADT_HEAD,
  kinds: {
    0: { kind: 'local-apic', of: MADT_LOCAL_APIC, meaning: local },
    1: { kind: 'io-apic', of: MADT_IO_APIC },
    2: { kind: 'interrupt-source-override', of: MADT_INTERRUPT_SOURCE_OVERRIDE, meaning: inti },
    3: { kind: 'nmi-source', of: MADT_NMI_SOURCE, meaning: inti },
    4: { kind: 'local-apic-nmi', of: MADT_LOCAL_APIC_NMI, meaning: inti },
    5: { kind: 'local-apic-address-override', of: MADT_LOCAL_APIC_ADDRESS_OVERRIDE },
    9: { kind: 'local-x2apic', of: MADT_LOCAL_X2APIC, meaning: local },
    10: { kind: 'local-x2apic-nmi', of: MADT_LOCAL_X2APIC_NMI, meaning: inti },
    11: {
      kind: 'gicc',
      of: MADT_GICC,
      meaning: { flags: MADT_GICC_FLAGS },
      minimum: MADT_GICC.fields.gicv.offset,
      alignment: 1,
      lists: [],
    },
    12: { kind: 'gicd', of: MADT_GICD },
    13: { kind: 'gic-msi-frame', of: MADT_GIC_MSI_FRAME },
    14: { kind: 'gicr', of: MADT_GICR },
    15: { kind: 'gic-its', of: MADT_GIC_ITS },
  },
}

/** What the table is made up of. */
export const MADT_SHAPE: TableShape = {
  signature: 'APIC',
  body: { of: MADT, meaning: { flags: MADT_FLAGS } },
  list: { kind: 'records', key: 'records', set: INTERRUPT_CONTROLLER_STRUCTURES },
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseMadt = (data: Uint8Array, at?: TableLocation): Madt & { problems: Problem[] } =>
  parseShaped(MADT_SHAPE, data, at) as unknown as Madt & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildMadt = (table: Madt): Uint8Array => buildShaped(MADT_SHAPE, table)

/** Every field with its byte offset. */
export const formatMadt = (table: Madt): AnnotatedLine[] => formatShaped(MADT_SHAPE, table)
