import { DmascopeError } from '@dmascope/layout'

/**
 * Something wrong with a table that its readers get past, as Linux does. The table still prints, and rebuilds to the
 * same bytes.
 */
export interface Problem {
  readonly code: ProblemCode
  /** Byte in the table. */
  readonly offset: number
  readonly message: string
}

/** Stable; new ones may be added. */
export type ProblemCode =
  /** The header's length is not the number of bytes that there are, or less than a header. */
  | 'ACPI_LENGTH'
  | 'ACPI_CHECKSUM'
  /** A record or device scope says that it is shorter than its own type and length: what follows cannot be found. */
  | 'ACPI_RECORD_LENGTH'
  | 'ACPI_RECORD_PAST_END'
  /** A record is shorter than its type's fields; kept as raw bytes. */
  | 'ACPI_RECORD_SHORT'
  | 'ACPI_RECORD_UNKNOWN'
  /** Bytes that belong to no field. */
  | 'ACPI_TRAILING'
  /** A list that a record says to lie outside it, over its fixed fields or over another list; read as empty. */
  | 'ACPI_LIST_PLACE'
  /** The table's list of nodes does not start within it. */
  | 'ACPI_NODE_OFFSET'
  /** The table says that it has another number of nodes than there are. */
  | 'ACPI_NODE_COUNT'
  | 'DMAR_DRHD_ADDRESS'
  | 'DMAR_RMRR_RANGE'
  | 'DMAR_SCOPE_PATH'
  | 'DMAR_NO_DRHD'
  | 'DMAR_DRHD_ORDER'
  | 'MCFG_ALLOCATION'
  | 'IVRS_NO_IVHD'
  | 'IVRS_IVHD_ADDRESS'
  /** A range of devices without its other end, or that ends before it starts. */
  | 'IVRS_DEVICE_RANGE'
  | 'IVRS_IVMD_RANGE'
  /** A node that refers to no node, or to one that cannot be meant. */
  | 'IORT_REFERENCE'
  | 'IORT_ID_MAPPING'
  | 'IORT_RMR_RANGE'
  | 'VIOT_REFERENCE'
  | 'VIOT_PCI_RANGE'

/** Where the bytes came from; shown in errors, and added to printed offsets. */
export interface TableLocation {
  /** Physical address of the table's first byte. */
  readonly address?: number
  /** A file or another name for people. */
  readonly source?: string
}

export const hex = (value: number, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`

/** The error for bytes that are no such table. Codes: `ACPI_TRUNCATED`, `ACPI_SIGNATURE`. */
export function tableError(
  code: 'ACPI_TRUNCATED' | 'ACPI_SIGNATURE' | 'ACPI_LOADER',
  table: string,
  offset: number,
  message: string,
  at: TableLocation = {},
): DmascopeError {
  const where = at.source ?? (at.address === undefined ? '' : hex(at.address))
  return new DmascopeError(code, `${table}${where && ` (${where})`} at byte ${hex(offset)}: ${message}`, {
    table,
    offset,
    ...at,
  })
}
