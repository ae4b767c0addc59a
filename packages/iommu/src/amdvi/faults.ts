import { EVENT_CODE, HARDWARE_ERROR_TYPE, INVALID_DEVICE_REQUEST_TYPE, IO_PAGE_FAULT } from './spec/events.ts'

/** Why a request was refused, or the command buffer stopped. */
export interface FaultCause {
  /** The event's code in bits 3:0, and which of its causes above. Below 0x100. */
  readonly value: number
  /** Upper word of the event's first half, without the request's own bits: code and flags. */
  readonly eventHi: number
  readonly text: string
}

const { PR, PE, RZ } = IO_PAGE_FAULT.fields
const CODE_SHIFT = 28
/** Type stands in bits 26:25 of a hardware error's upper word, in bits 27:25 of an invalid device request's. */
const TYPE_SHIFT = 25

const made = (code: number, cause: number, flags: number, text: string): FaultCause => ({
  value: code | (cause << 4),
  eventHi: ((code << CODE_SHIFT) | flags) >>> 0,
  text,
})
const illegalEntry = (cause: number, flags: number, text: string): FaultCause =>
  made(EVENT_CODE.ILLEGAL_DEV_TABLE_ENTRY, cause, flags, text)
const pageFault = (cause: number, flags: number, text: string): FaultCause =>
  made(EVENT_CODE.IO_PAGE_FAULT, cause, flags, text)
const hardwareError = (code: number, cause: number, text: string): FaultCause =>
  made(code, cause, HARDWARE_ERROR_TYPE.masterAbort << TYPE_SHIFT, text)
const invalidRequest = (type: number, text: string): FaultCause =>
  made(EVENT_CODE.INVALID_DEVICE_REQUEST, type, type << TYPE_SHIFT, text)

/** All faults (AMD IOMMU 3.07 §2.5), with the flags that their event carries. */
export const FAULTS = {
  entryReserved: illegalEntry(0, RZ.hiMask, 'reserved bits set in the device table entry'),
  entryMode: illegalEntry(1, 0, 'the device table entry asks for more levels than the unit walks'),
  entryControl: illegalEntry(2, RZ.hiMask, 'reserved control value in the device table entry'),
  entryTableLength: illegalEntry(3, 0, 'interrupt table longer than 2048 entries'),
  notPresent: pageFault(0, 0, 'page not present'),
  noPermission: pageFault(1, PR.hiMask | PE.hiMask, 'no permission'),
  pageReserved: pageFault(2, PR.hiMask | RZ.hiMask, 'reserved bits set in a page-table entry'),
  levelEncoding: pageFault(3, PR.hiMask, 'page-table entry with an impossible level or page size'),
  beyondWidth: pageFault(4, 0, 'address beyond the width that the tables translate'),
  translationInvalid: pageFault(5, 0, 'device table entry without a valid translation'),
  beyondTable: pageFault(6, 0, 'requester beyond the device table'),
  interruptUnmapped: pageFault(7, 0, 'interrupt table entry not enabled'),
  interruptBeyondTable: pageFault(8, 0, 'interrupt index beyond the table'),
  interruptReserved: pageFault(9, PR.hiMask | RZ.hiMask, 'reserved value in the interrupt table entry'),
  interruptAborted: pageFault(10, 0, 'the device table entry blocks this type of interrupt'),
  interruptTarget: pageFault(11, 0, 'interrupt message outside of the interrupt range'),
  entryAccess: hardwareError(EVENT_CODE.DEV_TAB_HARDWARE_ERROR, 0, 'device table lies outside of memory'),
  pageTableAccess: hardwareError(EVENT_CODE.PAGE_TAB_HARDWARE_ERROR, 0, 'page table lies outside of memory'),
  interruptTableAccess: hardwareError(EVENT_CODE.PAGE_TAB_HARDWARE_ERROR, 1, 'interrupt table lies outside of memory'),
  illegalCommand: made(EVENT_CODE.ILLEGAL_COMMAND_ERROR, 0, 0, 'illegal command'),
  commandAccess: hardwareError(EVENT_CODE.COMMAND_HARDWARE_ERROR, 0, 'command buffer or store outside of memory'),
  deviceTlbTimeout: made(EVENT_CODE.IOTLB_INV_TIMEOUT, 0, 0, 'device did not invalidate its TLB'),
  interruptRangeRead: invalidRequest(INVALID_DEVICE_REQUEST_TYPE.interruptRangeRead, 'read of the interrupt range'),
  pretranslated: invalidRequest(
    INVALID_DEVICE_REQUEST_TYPE.pretranslated,
    'translated request of a device that may not translate',
  ),
  portIo: invalidRequest(INVALID_DEVICE_REQUEST_TYPE.portIo, 'port I/O of a device that may not'),
  systemManagementWrite: invalidRequest(
    INVALID_DEVICE_REQUEST_TYPE.systemManagementWrite,
    'system management write of a device that may not',
  ),
  systemManagementRead: invalidRequest(
    INVALID_DEVICE_REQUEST_TYPE.systemManagementRead,
    'read of the system management range',
  ),
  interruptWrite: invalidRequest(
    INVALID_DEVICE_REQUEST_TYPE.interruptWrite,
    'HyperTransport interrupt of a device that may not',
  ),
  reservedInterruptWrite: invalidRequest(
    INVALID_DEVICE_REQUEST_TYPE.reservedInterruptWrite,
    'write to the reserved interrupt range',
  ),
} as const satisfies Record<string, FaultCause>

const byValue: readonly (FaultCause | undefined)[] = (() => {
  const table: (FaultCause | undefined)[] = []
  for (const one of Object.values(FAULTS)) table[one.value] = one
  return table
})()

/** The fault with this value; undefined for one that no unit answers. */
export const faultOf = (value: number): FaultCause | undefined => byValue[value]
