import { IOREDTBL } from '../spec/apic.ts'
import type { MsiMessage } from './contract.ts'

/** Where a PC's processors take interrupt messages, [start, end): a message to APIC 0 goes to the first address. */
export const MESSAGE_RANGE = { start: 0xfee0_0000, end: 0xfef0_0000 } as const

/** A message in the processors' own format: fixed delivery to APIC 0, physical, edge. */
export const plainMessage = (vector: number): MsiMessage => ({ hi: 0, lo: MESSAGE_RANGE.start, data: vector })

/** An I/O APIC entry in the processors' own format: fixed delivery to APIC 0, physical. */
export const plainEntry = (vector: number, level: boolean): { lo: number; hi: number } => {
  const { TRIGGER_MODE, INTERRUPT_VECTOR } = IOREDTBL.fields
  return { lo: TRIGGER_MODE.setLo(INTERRUPT_VECTOR.setLo(0, vector), level ? 1 : 0), hi: 0 }
}
