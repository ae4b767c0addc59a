import {
  AMDVI_REGISTERS,
  EVENT,
  EVENT_CODE,
  EVENT_HEADER,
  eventName,
  IO_PAGE_FAULT,
  STATUS,
} from '@dmascope/iommu/amdvi/spec'
import { hexPair } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { formatBdf } from '@dmascope/pci/spec'
import type { RecordedFault } from '../contract.ts'
import { type AmdUnit, EVENT_LOG_SIZE } from './amd-unit.ts'

const R = AMDVI_REGISTERS.registers
const RECORDED_IN = 'event log'

/** Reads what a unit logged, as the interrupt handler does: status first, then events from head to tail. */
export function readUnitEvents(unit: AmdUnit, bus: CpuBus): RecordedFault[] {
  const { registers, eventLog } = unit
  if (eventLog === null || unit.dead) return []
  const status = registers.read32(R.Status)
  const { EventLogInt, EventOverflow } = STATUS.fields
  const place = (pointer: number): number => pointer & (EVENT_LOG_SIZE - EVENT.size)
  const tail = place(registers.read32(R.EventTail))
  let head = place(registers.read32(R.EventHead))
  if ((status & (EventLogInt.loMask | EventOverflow.loMask)) === 0 && head === tail) return []
  registers.write32(R.Status, (EventLogInt.loMask | EventOverflow.loMask) >>> 0)
  const faults: RecordedFault[] = []
  for (let seen = 0; head !== tail && seen < EVENT_LOG_SIZE / EVENT.size; seen++) {
    const at = eventLog + head
    const words = [0, 4, 8, 12].map((offset) => bus.read32(at + offset)) as [number, number, number, number]
    const fault = decode(unit, words)
    if (fault !== null) faults.push(fault)
    // What was read is cleared, since an event's code may arrive after the tail that announces it.
    for (const offset of [0, 4, 8, 12]) bus.write32(at + offset, 0)
    head = (head + EVENT.size) % EVENT_LOG_SIZE
    registers.write32(R.EventHead, head)
  }
  if ((status & EventOverflow.loMask) !== 0) {
    unit.restartEventLog()
    faults.push({
      source: '',
      address: 0,
      reason: 0,
      unit: unit.name,
      recordedIn: RECORDED_IN,
      access: 'unknown',
      text: `${unit.name}: the event log overflowed; what came after is lost`,
    })
  }
  return faults
}

/** One event; null for a place where nothing was logged. */
function decode(unit: AmdUnit, [lo, hi, addressLo, addressHi]: [number, number, number, number]): RecordedFault | null {
  const reason = EVENT_HEADER.fields.EventCode.get(lo, hi)
  if (reason === 0) return null
  const address = `0x${hexPair(addressHi, addressLo).replace(/^0+(?=.)/, '')}`
  const source = formatBdf(EVENT_HEADER.fields.DeviceID.get(lo, hi), unit.segment)
  const about = reason === EVENT_CODE.IO_PAGE_FAULT ? pageFault(lo, hi) : ''
  const device = namesDevice(reason) ? ` device=${source}` : ''
  return {
    source: namesDevice(reason) ? source : '',
    address: addressHi * 0x1_0000_0000 + ((addressLo & ~0xfff) >>> 0),
    reason,
    unit: unit.name,
    recordedIn: RECORDED_IN,
    access: accessOf(reason, lo, hi),
    text: `Event logged [${eventName(reason)}${device}${about} address=${address} flags=0x${flagsOf(hi)}]`,
  }
}

const namesDevice = (code: number): boolean =>
  code !== EVENT_CODE.ILLEGAL_COMMAND_ERROR && code !== EVENT_CODE.COMMAND_HARDWARE_ERROR

const pageFault = (lo: number, hi: number): string =>
  ` domain=0x${IO_PAGE_FAULT.fields.DomainID.get(lo, hi).toString(16).padStart(4, '0')}`

/** Bits 59:48 of the event, as Linux prints them. */
const flagsOf = (hi: number): string => ((hi >>> 20) & 0xfff).toString(16).padStart(4, '0')

function accessOf(code: number, lo: number, hi: number): RecordedFault['access'] {
  if (!namesDevice(code)) return 'unknown'
  const { I, RW } = IO_PAGE_FAULT.fields
  if (I.get(lo, hi) === 1) return 'interrupt'
  return RW.get(lo, hi) === 1 ? 'write' : 'read'
}
