import { bits, bytes, le16, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'ACPI 6.5 §5.2.25'

/** The body of the GTDT, before its platform timers. The last two fields came with revision 3. */
export const GTDT = struct('GTDT', SOURCE, {
  cntControlBasePhysicalAddress: le64,
  reserved: le32,
  secureEl1TimerGsiv: le32,
  secureEl1TimerFlags: le32,
  nonSecureEl1TimerGsiv: le32,
  nonSecureEl1TimerFlags: le32,
  virtualEl1TimerGsiv: le32,
  virtualEl1TimerFlags: le32,
  el2TimerGsiv: le32,
  el2TimerFlags: le32,
  cntReadBasePhysicalAddress: le64,
  platformTimerCount: le32,
  /** From the table's start. */
  platformTimerOffset: le32,
  virtualEl2TimerGsiv: le32,
  virtualEl2TimerFlags: le32,
})

export const GTDT_TIMER_FLAGS = bits(32, 'Timer Flags', SOURCE, {
  ALWAYS_ON_CAPABILITY: 2,
  TIMER_INTERRUPT_POLARITY: 1,
  TIMER_INTERRUPT_MODE: 0,
})

/** What every platform timer structure starts with. */
export const GTDT_PLATFORM_TIMER = struct('Platform Timer', SOURCE, { type: u8, length: le16 })

/** Type 0: memory-mapped timers. Their frames are at `gtBlockTimerOffset` from the structure's start. */
export const GTDT_GT_BLOCK = struct('GT Block', SOURCE, {
  type: u8,
  length: le16,
  reserved: u8,
  gtBlockPhysicalAddress: le64,
  gtBlockTimerCount: le32,
  gtBlockTimerOffset: le32,
})

export const GTDT_GT_BLOCK_TIMER = struct('GT Block Timer', SOURCE, {
  gtFrameNumber: u8,
  reserved: bytes(3),
  gtxPhysicalAddress: le64,
  gtxEl0PhysicalAddress: le64,
  gtxPhysicalTimerGsiv: le32,
  gtxPhysicalTimerFlags: le32,
  gtxVirtualTimerGsiv: le32,
  gtxVirtualTimerFlags: le32,
  gtxCommonFlags: le32,
})

/** Type 1. */
export const GTDT_ARM_GENERIC_WATCHDOG = struct('Arm Generic Watchdog', SOURCE, {
  type: u8,
  length: le16,
  reserved: u8,
  refreshFramePhysicalAddress: le64,
  watchdogControlFramePhysicalAddress: le64,
  watchdogTimerGsiv: le32,
  watchdogTimerFlags: le32,
})
