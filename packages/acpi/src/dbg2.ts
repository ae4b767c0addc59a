import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { RecordSet, UnknownRecord } from './records.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import { ADDRESS_SPACE_ID, GENERIC_ADDRESS_STRUCTURE } from './spec/header.ts'
import {
  DBG2,
  DBG2_ADDRESS_SIZE,
  DBG2_BYTE,
  DBG2_DEVICE,
  DBG2_HEAD,
  DBG2_PORT_TYPE,
  SERIAL_INTERFACE,
} from './spec/serial-ports.ts'
import type { FieldValues, RecordValues } from './values.ts'

type Derived =
  | 'numberOfGenericAddressRegisters'
  | 'namespaceStringLength'
  | 'namespaceStringOffset'
  | 'oemDataLength'
  | 'oemDataOffset'
  | 'baseAddressRegisterOffset'
  | 'addressSizeOffset'
type DeviceValues = RecordValues<typeof DBG2_DEVICE>
type Listed<Item> = Item & { offset?: number }

/** A debug port. Lists follow the fields, each at a multiple of four, where no offset is given. */
export interface Dbg2Device extends Omit<DeviceValues, Derived>, Partial<Pick<DeviceValues, Derived>> {
  kind: 'device'
  /** Byte in the table; set when parsed, ignored when built. */
  offset?: number
  /** Bytes behind the last field, as hexadecimal digits. */
  padding?: string
  baseAddresses: Listed<FieldValues<(typeof GENERIC_ADDRESS_STRUCTURE)['fields']>>[]
  addressSizes: Listed<{ size: number }>[]
  /** The name of the device in the namespace, with its NUL, a byte an element. */
  namespaceString: Listed<{ byte: number }>[]
  oemData: Listed<{ byte: number }>[]
}

/** Ports for debuggers. */
export interface Dbg2 extends ParsedTable, FieldValues<(typeof DBG2)['fields']> {
  signature: 'DBG2'
  devices: (Dbg2Device | UnknownRecord)[]
}

const DEVICES: RecordSet = {
  what: 'debug device information structure',
  head: DBG2_HEAD,
  kinds: {
    0: {
      kind: 'device',
      of: DBG2_DEVICE,
      meaning: { portType: DBG2_PORT_TYPE, portSubtype: SERIAL_INTERFACE },
      minimum: DBG2_DEVICE.size,
      alignment: 1,
      lists: [
        {
          key: 'baseAddresses',
          form: { of: GENERIC_ADDRESS_STRUCTURE, meaning: { addressSpaceId: ADDRESS_SPACE_ID } },
          place: 'baseAddressRegisterOffset',
          count: 'numberOfGenericAddressRegisters',
        },
        {
          key: 'addressSizes',
          form: { of: DBG2_ADDRESS_SIZE },
          place: 'addressSizeOffset',
          count: 'numberOfGenericAddressRegisters',
        },
        {
          key: 'namespaceString',
          form: { of: DBG2_BYTE },
          place: 'namespaceStringOffset',
          count: 'namespaceStringLength',
        },
        { key: 'oemData', form: { of: DBG2_BYTE }, place: 'oemDataOffset', count: 'oemDataLength' },
      ],
    },
  },
}

/** What the table is made up of. */
export const DBG2_SHAPE: TableShape = {
  signature: 'DBG2',
  body: { of: DBG2 },
  list: { kind: 'records', key: 'devices', set: DEVICES },
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseDbg2 = (data: Uint8Array, at?: TableLocation): Dbg2 & { problems: Problem[] } =>
  parseShaped(DBG2_SHAPE, data, at) as unknown as Dbg2 & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildDbg2 = (table: Dbg2): Uint8Array => buildShaped(DBG2_SHAPE, table)

/** Every field with its byte offset. */
export const formatDbg2 = (table: Dbg2): AnnotatedLine[] => formatShaped(DBG2_SHAPE, table)
