/** A fault reason: the value of FRCD.FR, its condition code in the specification, and what it means. */
export interface FaultReason {
  readonly value: number
  /** Condition code of the specification, e.g. `LSL.2`; the interrupt ones have none. */
  readonly code: string
  readonly text: string
  /** Qualified faults are not recorded where the entry's FPD (fault processing disable) is set. */
  readonly qualified: boolean
}

const reason = (value: number, code: string, qualified: boolean, text: string): FaultReason => ({
  value,
  code,
  qualified,
  text,
})

/** Legacy mode's address-translation faults, then the interrupt remapping faults (VT-d 4.1, fault conditions). */
export const FAULT_REASONS = {
  rootNotPresent: reason(0x01, 'LRT.2', false, 'root entry not present'),
  contextNotPresent: reason(0x02, 'LCT.2', true, 'context entry not present'),
  contextInvalid: reason(0x03, 'LCT.4', true, 'context entry programmed wrongly'),
  beyondWidth: reason(0x04, 'LGN.1', true, 'address beyond the width that is translated'),
  notWritable: reason(0x05, 'LGN.2', true, 'no permission to write'),
  notReadable: reason(0x06, 'LGN.3', true, 'no permission to read'),
  pagingEntryAccess: reason(0x07, 'LSL.1', true, 'page table lies outside of memory'),
  rootEntryAccess: reason(0x08, 'LRT.1', false, 'root table lies outside of memory'),
  contextEntryAccess: reason(0x09, 'LCT.1', false, 'context table lies outside of memory'),
  rootReserved: reason(0x0a, 'LRT.3', false, 'reserved bits set in the root entry'),
  contextReserved: reason(0x0b, 'LCT.3', true, 'reserved bits set in the context entry'),
  pagingEntryReserved: reason(0x0c, 'LSL.2', true, 'reserved bits set in a page-table entry'),
  requestBlocked: reason(0x0d, 'LCT.5', true, 'the context entry blocks this type of request'),
  outputInInterruptRange: reason(0x0e, 'LGN.4', true, 'translated address lies in the interrupt range'),
  interruptRequestReserved: reason(0x20, '', false, 'reserved bits set in the interrupt request'),
  interruptIndexBeyond: reason(0x21, '', false, 'interrupt index beyond the remapping table'),
  irteNotPresent: reason(0x22, '', true, 'interrupt remapping entry not present'),
  irteAccess: reason(0x23, '', false, 'interrupt remapping table lies outside of memory'),
  irteReserved: reason(0x24, '', true, 'reserved bits set in the interrupt remapping entry'),
  compatibilityBlocked: reason(0x25, '', false, 'interrupt in compatibility format while that is blocked'),
  sourceInvalid: reason(0x26, '', true, 'interrupt from a requester that its entry does not allow'),
} as const satisfies Record<string, FaultReason>

/** Reasons from 0x20 on are the interrupt remapping faults. */
export const FIRST_INTERRUPT_REASON = 0x20

const byValue: readonly (FaultReason | undefined)[] = (() => {
  const table: (FaultReason | undefined)[] = []
  for (const one of Object.values(FAULT_REASONS)) table[one.value] = one
  return table
})()

/** The reason with this value of FRCD.FR; undefined for a reserved value. */
export const faultReason = (value: number): FaultReason | undefined => byValue[value]

/** `no permission to write`, or `reason 0x5f, which is reserved`. */
export const faultText = (value: number): string =>
  byValue[value]?.text ?? `reason 0x${value.toString(16)}, which is reserved`
