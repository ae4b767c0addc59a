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

/** Scalable mode's address-translation faults (VT-d 4.1, fault conditions). */
export const SCALABLE_FAULT_REASONS = {
  rootTableInvalid: reason(0x30, 'RTA.1', false, 'translation table mode of the root table is not supported'),
  pasidInLegacyMode: reason(0x31, 'RTA.2', false, 'request with a PASID in legacy mode'),
  rootEntryAccess: reason(0x38, 'SRT.1', false, 'root table lies outside of memory'),
  rootNotPresent: reason(0x39, 'SRT.2', false, 'root entry not present'),
  rootReserved: reason(0x3a, 'SRT.3', false, 'reserved bits set in the root entry'),
  contextEntryAccess: reason(0x40, 'SCT.1', false, 'context table lies outside of memory'),
  contextNotPresent: reason(0x41, 'SCT.2', true, 'context entry not present'),
  contextReserved: reason(0x42, 'SCT.3', true, 'reserved bits set in the context entry'),
  deviceTlbDisabled: reason(0x44, 'SCT.5', true, 'the context entry does not allow device-TLBs (DTE)'),
  pasidDisabled: reason(0x45, 'SCT.6', true, 'the context entry does not allow PASIDs (PASIDE)'),
  pasidBeyond: reason(0x46, 'SCT.7', true, 'PASID beyond the PASID directory'),
  ridPasidInvalid: reason(0x48, 'SCT.9', true, 'RID_PASID of the context entry is beyond the PASID directory'),
  directoryEntryAccess: reason(0x50, 'SPD.1', false, 'PASID directory lies outside of memory'),
  directoryNotPresent: reason(0x51, 'SPD.2', true, 'PASID directory entry not present'),
  directoryReserved: reason(0x52, 'SPD.3', true, 'reserved bits set in the PASID directory entry'),
  pasidEntryAccess: reason(0x58, 'SPT.1', false, 'PASID table lies outside of memory'),
  pasidNotPresent: reason(0x59, 'SPT.2', true, 'PASID table entry not present'),
  pasidReserved: reason(0x5a, 'SPT.3', true, 'reserved bits set in the PASID table entry'),
  pasidInvalid: reason(0x5b, 'SPT.4', true, 'PASID table entry programmed wrongly'),
  firstStageAccess: reason(0x70, 'SFS.1', true, 'first-stage page table lies outside of memory'),
  firstStageNotPresent: reason(0x71, 'SFS.2', true, 'first-stage page-table entry not present'),
  firstStageReserved: reason(0x72, 'SFS.3', true, 'reserved bits set in a first-stage page-table entry'),
  firstStageTopAccess: reason(0x73, 'SFS.4', true, 'top first-stage page table lies outside of memory'),
  secondStageAccess: reason(0x78, 'SSS.1', true, 'second-stage page table lies outside of memory'),
  secondStageNotPresent: reason(0x79, 'SSS.2', true, 'second-stage page-table entry grants nothing'),
  secondStageReserved: reason(0x7a, 'SSS.3', true, 'reserved bits set in a second-stage page-table entry'),
  notCanonical: reason(0x80, 'SGN.1', true, 'first-stage address is not canonical'),
  supervisorPage: reason(0x81, 'SGN.2', true, 'first-stage page is for supervisors only'),
  beyondHardware: reason(0x83, 'SGN.4', true, 'address beyond the width of the hardware'),
  beyondWidth: reason(0x84, 'SGN.5', true, 'address beyond the width that is translated'),
  notWritable: reason(0x85, 'SGN.6', true, 'no permission to write'),
  notReadable: reason(0x86, 'SGN.7', true, 'no permission to read'),
  outputInInterruptRange: reason(0x87, 'SGN.8', true, 'translated address lies in the interrupt range'),
} as const satisfies Record<string, FaultReason>

const FIRST_INTERRUPT_REASON = 0x20
const LAST_INTERRUPT_REASON = 0x2f

/** Whether a value of FRCD.FR is a fault of interrupt remapping. */
export const isInterruptReason = (value: number): boolean =>
  value >= FIRST_INTERRUPT_REASON && value <= LAST_INTERRUPT_REASON

const byValue: readonly (FaultReason | undefined)[] = (() => {
  const table: (FaultReason | undefined)[] = []
  for (const one of Object.values(FAULT_REASONS)) table[one.value] = one
  for (const one of Object.values(SCALABLE_FAULT_REASONS)) table[one.value] = one
  return table
})()

/** The reason with this value of FRCD.FR; undefined for a reserved value. */
export const faultReason = (value: number): FaultReason | undefined => byValue[value]

/** `no permission to write`, or `reason 0x5f, which is reserved`. */
export const faultText = (value: number): string =>
  byValue[value]?.text ?? `reason 0x${value.toString(16)}, which is reserved`
