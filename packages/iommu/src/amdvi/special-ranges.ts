import { FAULTS } from './faults.ts'
import { DTE_1, DTE_2, INT_CTL, SPECIAL_RANGES, type SpecialRange } from './spec/tables.ts'

const { IoCtl, SysMgt } = DTE_1.fields
const { IntCtl } = DTE_2.fields

/** A request to a special range: forwarded, translated like memory, refused without an event, or with this fault. */
export type SpecialRule = 'forward' | 'translate' | 'unsupported' | number

/**
 * What becomes of a request to [0xfd_0000_0000, 0xff_ffff_ffff], by the device table entry (AMD IOMMU 3.07 §2.1.2).
 *
 * @param interrupts - upper word of the entry's bits 191:128
 * @param controls - upper word of the entry's bits 127:64
 */
export function ruleOf(hi: number, lo: number, access: number, interrupts: number, controls: number): SpecialRule {
  const write = access === 2
  switch (useOf(hi >>> 0, lo >>> 0)) {
    case 'reserved interrupts':
      return write ? FAULTS.reservedInterruptWrite.value : FAULTS.interruptRangeRead.value
    case 'interrupt':
      if (!write) return FAULTS.interruptRangeRead.value
      // PCI Express functions send their messages elsewhere; there is no HyperTransport interrupt to remap.
      return IntCtl.get(0, interrupts) === INT_CTL.forward ? 'forward' : FAULTS.interruptWrite.value
    case 'system management':
      return systemManagementRule(SysMgt.get(0, controls), write)
    case 'I/O space':
      return ioRule(IoCtl.get(0, controls))
    default:
      return 'unsupported'
  }
}

function systemManagementRule(control: number, write: boolean): SpecialRule {
  if (control === 3) return 'translate'
  if (!write) return FAULTS.systemManagementRead.value
  // INTx messages alone (2) need to be told from the others, which a memory write cannot be.
  return control === 1 ? 'forward' : FAULTS.systemManagementWrite.value
}

function ioRule(control: number): SpecialRule {
  if (control === 0) return FAULTS.portIo.value
  return control === 1 ? 'forward' : control === 2 ? 'translate' : FAULTS.entryControl.value
}

function useOf(hi: number, lo: number): SpecialRange['use'] {
  for (const { use, firstHi, firstLo, lastHi, lastLo } of SPECIAL_RANGES) {
    const after = hi > firstHi || (hi === firstHi && lo >= firstLo)
    const before = hi < lastHi || (hi === lastHi && lo <= lastLo)
    if (after && before) return use
  }
  return 'reserved'
}
