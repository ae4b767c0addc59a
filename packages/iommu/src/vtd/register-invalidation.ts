import type { Invalidations } from './invalidation-queue.ts'
import { IOTLB_REGISTERS_OFFSET, LARGEST_ADDRESS_MASK } from './options.ts'
import type { RegisterFile } from './register-file.ts'
import { CCMD, IOTLB, IOTLB_GRANULARITY, IOTLB_REGISTERS, IVA, VTD_REGISTERS } from './spec/registers.ts'

// Invalidation by registers. With queued invalidation enabled requests stay pending, since software may not use both.

const CONTEXT = VTD_REGISTERS.registers.CCMD.offset
const ADDRESS = IOTLB_REGISTERS_OFFSET + IOTLB_REGISTERS.registers.IVA.offset
const TRANSLATIONS = IOTLB_REGISTERS_OFFSET + IOTLB_REGISTERS.registers.IOTLB.offset
/** The upper halves, whose writing sets the command off. */
export const CCMD_UPPER = CONTEXT + 4
export const IOTLB_UPPER = TRANSLATIONS + 4

/** CCMD, if ICC asks for something: CAIG tells what was done. */
export function runContextCommand(registers: RegisterFile, targets: Invalidations): void {
  const hi = registers.get(CCMD_UPPER)
  const lo = registers.get(CONTEXT)
  const { ICC, CIRG, CAIG, FM, SID, DID } = CCMD.fields
  if ((hi & ICC.hiMask) === 0) return
  const granularity = CIRG.get(lo, hi)
  const done = targets.context(granularity, DID.get(lo, hi), SID.get(lo, hi), FM.get(lo, hi))
  registers.set(CCMD_UPPER, (CAIG.setHi(hi, done ? granularity : 0) & ~ICC.hiMask) >>> 0)
}

/** IOTLB_REG, with IVA for pages, if IVT asks for something: IAIG tells what was done. */
export function runIotlbCommand(registers: RegisterFile, targets: Invalidations): void {
  const hi = registers.get(IOTLB_UPPER)
  const lo = registers.get(TRANSLATIONS)
  const { IVT, IIRG, IAIG, DID } = IOTLB.fields
  if ((hi & IVT.hiMask) === 0) return
  const granularity = IIRG.get(lo, hi)
  const addressLo = registers.get(ADDRESS)
  const addressHi = registers.get(ADDRESS + 4)
  const mask = IVA.fields.AM.get(addressLo)
  const possible = granularity !== IOTLB_GRANULARITY.page || mask <= LARGEST_ADDRESS_MASK
  const page = (addressLo & -4096) >>> 0
  const leafOnly = IVA.fields.IH.get(addressLo) !== 0
  const done = possible && targets.iotlb(granularity, DID.get(lo, hi), addressHi, page, mask, leafOnly)
  registers.set(IOTLB_UPPER, (IAIG.setHi(hi, done ? granularity : 0) & ~IVT.hiMask) >>> 0)
}
