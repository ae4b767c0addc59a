import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import { HEADER_SIZE, openTable, type ParsedTable } from './sdt-header.ts'
import { buildShaped, checkBody, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import {
  FADT,
  FADT_ARM_BOOT_ARCH,
  FADT_FIELDS_1_0,
  FADT_FLAGS,
  FADT_IAPC_BOOT_ARCH,
  FADT_PREFERRED_PM_PROFILE,
} from './spec/fadt.ts'
import { ADDRESS_SPACE_ID } from './spec/header.ts'
import { type FieldValues, type U64, u64FromPair } from './values.ts'

type Values = FieldValues<(typeof FADT)['fields']>
type FirstFields = Extract<keyof Values, keyof typeof FADT_FIELDS_1_0>

/** A register, or a block of them, wherever it lies. */
export type GenericAddress = NonNullable<Values['RESET_REG']>

/**
 * The fixed ACPI description table; its signature is `FACP`. Field names are the specification's. It ends with the last
 * field that is present: leave out what the revision does not have.
 */
export interface Fadt extends ParsedTable, Pick<Values, FirstFields>, Partial<Omit<Values, FirstFields>> {
  signature: 'FACP'
}

/** What the table is made up of. */
export const FADT_SHAPE: TableShape = {
  signature: 'FACP',
  body: {
    of: FADT,
    meaning: {
      Preferred_PM_Profile: FADT_PREFERRED_PM_PROFILE,
      Flags: FADT_FLAGS,
      IAPC_BOOT_ARCH: FADT_IAPC_BOOT_ARCH,
      ARM_BOOT_ARCH: FADT_ARM_BOOT_ARCH,
      addressSpaceId: ADDRESS_SPACE_ID,
    },
  },
  bodyMinimum: Object.values(FADT_FIELDS_1_0).reduce((sum, kind) => sum + kind.size, 0),
}

/**
 * Reads a FADT of any revision.
 *
 * @throws DmascopeError `ACPI_TRUNCATED` below the 116 bytes of ACPI 1.0, `ACPI_SIGNATURE`
 */
export const parseFadt = (data: Uint8Array, at?: TableLocation): Fadt & { problems: Problem[] } =>
  parseShaped(FADT_SHAPE, data, at) as unknown as Fadt & { problems: Problem[] }

/**
 * Where a FADT says that the DSDT lies: X_DSDT, where the table has it and it is not 0, else DSDT. For those who want
 * nothing else of it.
 *
 * @throws DmascopeError as `parseFadt` does
 */
export function dsdtAddressOf(data: Uint8Array, at?: TableLocation): U64 {
  const { view, end } = openTable(data, ['FACP'], at)
  checkBody(FADT_SHAPE, end, at)
  const { DSDT, X_DSDT } = FADT.fields
  const has = end >= HEADER_SIZE + X_DSDT.offset + X_DSDT.size
  const address = has ? u64FromPair(X_DSDT.hi.get(view, HEADER_SIZE), X_DSDT.lo.get(view, HEADER_SIZE)) : 0
  return address === 0 ? DSDT.get(view, HEADER_SIZE) : address
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildFadt = (table: Fadt): Uint8Array => buildShaped(FADT_SHAPE, table)

/** Every field with its byte offset. */
export const formatFadt = (table: Fadt): AnnotatedLine[] => formatShaped(FADT_SHAPE, table)

/** A generic address of ports, as the FADT's X_ fields have them. */
export const ioAddress = (address: number, registerBitWidth: number): GenericAddress => ({
  addressSpaceId: 1,
  registerBitWidth,
  registerBitOffset: 0,
  accessSize: 0,
  address,
})
