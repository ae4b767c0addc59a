import {
  FAULT_RECORDING,
  FRCD_HIGH,
  FRCD_LOW,
  FSTS,
  faultText,
  isInterruptReason,
  VTD_REGISTERS,
} from '@dmascope/iommu/vtd/spec'
import { formatBdf } from '@dmascope/pci/spec'
import type { RecordedFault } from '../contract.ts'
import type { RemappingUnit } from './remapping-unit.ts'

const { FSTS: FSTS_REG } = VTD_REGISTERS.registers
const { FRCD_LOW: LOW, FRCD_HIGH: HIGH } = FAULT_RECORDING.registers

const RECORDED_IN = 'fault recording register'

/**
 * Reads and clears what a unit recorded, as the fault handler does: from the record that FSTS.FRI names on, as long as
 * records are taken, then the status.
 */
export function readUnitFaults(unit: RemappingUnit, segment: number): RecordedFault[] {
  const { registers, capabilities } = unit
  const status = registers.read32(FSTS_REG)
  const faults: RecordedFault[] = []
  if (FSTS.fields.PPF.get(status) === 1) {
    let index = FSTS.fields.FRI.get(status)
    for (let seen = 0; seen < capabilities.faultRecords; seen++) {
      const at = capabilities.faultOffset + (index % capabilities.faultRecords) * FAULT_RECORDING.size
      const high = registers.read64(HIGH, at)
      if (FRCD_HIGH.fields.F.get(high.lo, high.hi) === 0) break
      const low = registers.read64(LOW, at)
      // F is cleared by writing one; the rest of the record is read-only.
      registers.write64(HIGH, FRCD_HIGH.fields.F.hiMask, 0, at)
      faults.push(decode(unit.name, segment, low, high))
      index++
    }
  }
  const lost = FSTS.fields.PFO.get(status) === 1
  if (faults.length > 0 || lost) registers.write32(FSTS_REG, FSTS.fields.PFO.loMask)
  if (lost) {
    faults.push({
      source: '',
      address: 0,
      reason: 0,
      unit: unit.name,
      recordedIn: RECORDED_IN,
      access: 'unknown',
      text: `${unit.name}: more faults came than it has records for; they are lost`,
    })
  }
  return faults
}

function decode(
  unit: string,
  segment: number,
  low: { readonly hi: number; readonly lo: number },
  high: { readonly hi: number; readonly lo: number },
): RecordedFault {
  const { SID, FR, T1, PP, PV } = FRCD_HIGH.fields
  const reason = FR.get(high.lo, high.hi)
  const source = formatBdf(SID.get(high.lo, high.hi), segment)
  const code = `reason 0x${reason.toString(16).padStart(2, '0')}, ${faultText(reason)}`
  if (isInterruptReason(reason)) {
    const index = low.hi >>> 16
    const text = `${unit} blocked an interrupt of ${source}, index 0x${index.toString(16)}: ${code}`
    return { source, address: index, reason, unit, recordedIn: RECORDED_IN, access: 'interrupt', text }
  }
  const address = addressOf(low.hi, low.lo)
  const access = T1.get(high.lo, high.hi) === 1 ? 'read' : 'write'
  const pasid = PP.get(high.lo) === 1 ? ` with PASID 0x${PV.get(high.lo, high.hi).toString(16)}` : ''
  const text = `${unit} blocked a DMA ${access} of ${source}${pasid} at 0x${hexOf(low.hi, low.lo)}: ${code}`
  return { source, address, reason, unit, recordedIn: RECORDED_IN, access, text }
}

/** The page's address; all of a page that no Number counts exactly is rounded down to one that does. */
const addressOf = (hi: number, lo: number): number =>
  (hi >>> 0) * 0x1_0000_0000 + ((lo & FRCD_LOW.fields.FI.loMask) >>> 0)

const hexOf = (hi: number, lo: number): string => addressOf(hi, lo).toString(16)
