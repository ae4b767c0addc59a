import { bits, field, le64, struct } from '@dmascope/layout'

/** An entry of the event log. The second half is an address, whose meaning the event tells. */
export const EVENT = struct('event', 'AMD IOMMU 3.07 §2.5', { low: le64, address: le64 })

/** Values of EventCode. */
export const EVENT_CODE = {
  ILLEGAL_DEV_TABLE_ENTRY: 1,
  IO_PAGE_FAULT: 2,
  DEV_TAB_HARDWARE_ERROR: 3,
  PAGE_TAB_HARDWARE_ERROR: 4,
  ILLEGAL_COMMAND_ERROR: 5,
  COMMAND_HARDWARE_ERROR: 6,
  IOTLB_INV_TIMEOUT: 7,
  INVALID_DEVICE_REQUEST: 8,
  INVALID_PPR_REQUEST: 9,
  EVENT_COUNTER_ZERO: 10,
} as const

const names: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(EVENT_CODE).map(([name, value]) => [value, name]),
)
const EventCode = field([63, 60], 'rw', names)

/** `IO_PAGE_FAULT`, or `event 0xc`. */
export const eventName = (code: number): string => names[code] ?? `event 0x${code.toString(16)}`

/** What every event begins with. */
export const EVENT_HEADER = bits(64, 'event [63:0]', 'AMD IOMMU 3.07 §2.5', { EventCode, DeviceID: [15, 0] })

/** ILLEGAL_DEV_TABLE_ENTRY, bits 63:0. The address is the one that was to be accessed. */
export const ILLEGAL_DEV_TABLE_ENTRY = bits(64, 'ILLEGAL_DEV_TABLE_ENTRY [63:0]', 'AMD IOMMU 3.07 §2.5.2', {
  EventCode,
  TR: 56,
  RZ: field(55, 'rw', { 0: 'illegal level encoding', 1: 'reserved bit not zero' }),
  RW: 53,
  I: 51,
  GN: 48,
  PASID_15_0: [47, 32],
  PASID_19_16: [19, 16],
  DeviceID: [15, 0],
})

/** IO_PAGE_FAULT, bits 63:0. The address is the one that was to be accessed. */
export const IO_PAGE_FAULT = bits(64, 'IO_PAGE_FAULT [63:0]', 'AMD IOMMU 3.07 §2.5.3', {
  EventCode,
  TR: field(56, 'rw', { 0: 'transaction', 1: 'translation request' }),
  RZ: field(55, 'rw', { 0: 'illegal level encoding', 1: 'reserved bit not zero' }),
  PE: field(54, 'rw', { 1: 'no permission' }),
  RW: field(53, 'rw', { 0: 'read', 1: 'write' }),
  PR: field(52, 'rw', { 0: 'not present', 1: 'present' }),
  I: field(51, 'rw', { 0: 'memory', 1: 'interrupt' }),
  US: 50,
  NX: 49,
  GN: 48,
  DomainID: [47, 32],
  PASID_19_16: [19, 16],
  DeviceID: [15, 0],
})

/** Values of Type of the hardware errors. */
export const HARDWARE_ERROR_TYPE = { masterAbort: 1, targetAbort: 2, dataError: 3 } as const

const HardwareErrorType = field([58, 57], 'rw', { 1: 'master abort', 2: 'target abort', 3: 'data error' })

/** DEV_TAB_HARDWARE_ERROR, bits 63:0. The address is that of the device table entry. */
export const DEV_TAB_HARDWARE_ERROR = bits(64, 'DEV_TAB_HARDWARE_ERROR [63:0]', 'AMD IOMMU 3.07 §2.5.4', {
  EventCode,
  Type: HardwareErrorType,
  TR: 56,
  RW: 53,
  I: 51,
  DeviceID: [15, 0],
})

/** PAGE_TAB_HARDWARE_ERROR, bits 63:0. The address is that of the entry of a page or interrupt table. */
export const PAGE_TAB_HARDWARE_ERROR = bits(64, 'PAGE_TAB_HARDWARE_ERROR [63:0]', 'AMD IOMMU 3.07 §2.5.5', {
  EventCode,
  Type: HardwareErrorType,
  TR: 56,
  RW: 53,
  I: 51,
  GN: 48,
  DomainID: [47, 32],
  DeviceID: [15, 0],
})

/** ILLEGAL_COMMAND_ERROR, bits 63:0. The address is that of the command. */
export const ILLEGAL_COMMAND_ERROR = bits(64, 'ILLEGAL_COMMAND_ERROR [63:0]', 'AMD IOMMU 3.07 §2.5', { EventCode })

/** COMMAND_HARDWARE_ERROR, bits 63:0. The address is the one that could not be read or written. */
export const COMMAND_HARDWARE_ERROR = bits(64, 'COMMAND_HARDWARE_ERROR [63:0]', 'AMD IOMMU 3.07 §2.5.7', {
  EventCode,
  Type: HardwareErrorType,
})

/** IOTLB_INV_TIMEOUT, bits 63:0. The address is that of the command. */
export const IOTLB_INV_TIMEOUT = bits(64, 'IOTLB_INV_TIMEOUT [63:0]', 'AMD IOMMU 3.07 §2.5', {
  EventCode,
  DeviceID: [15, 0],
})

/** Values of Type of INVALID_DEVICE_REQUEST. */
export const INVALID_DEVICE_REQUEST_TYPE = {
  interruptRangeRead: 0,
  pretranslated: 1,
  portIo: 2,
  systemManagementWrite: 3,
  systemManagementRead: 4,
  interruptWrite: 5,
  reservedInterruptWrite: 6,
} as const

/** INVALID_DEVICE_REQUEST, bits 63:0. The address is the one that was to be accessed. */
export const INVALID_DEVICE_REQUEST = bits(64, 'INVALID_DEVICE_REQUEST [63:0]', 'AMD IOMMU 3.07 §2.5', {
  EventCode,
  Type: [59, 57],
  TR: 56,
  GN: 48,
  PASID_15_0: [47, 32],
  PASID_19_16: [19, 16],
  DeviceID: [15, 0],
})
