import { addr, bits, field, nextValue, nextValueHigh, printWord, reg32, reg64, registers } from '@dmascope/layout'

// Fault status: two bits that writing a one clears, and one that only the device changes.
const FSTS = bits(32, 'FSTS', 'VT-d 4.1', {
  PFO: field(0, 'rw1c'),
  PPF: field(1, 'ro'),
  FRI: field([15, 8], 'ro'),
})
// An address field keeps its weight: it reads as the address, a multiple of 4096.
const RTADDR = bits(64, 'RTADDR', 'VT-d 4.1', {
  TTM: field([11, 10], 'rw', { 0: 'legacy', 1: 'scalable' }),
  RTA: addr(63, 12),
})
const FILE = registers('remapping unit, in part', 'VT-d 4.1', {
  RTADDR: reg64(0x20, 'rw', RTADDR),
  FSTS: reg32(0x34, 'ro', FSTS),
})

// One rule for every device: what a register holds after software wrote to it.
const pending = 0x0000_0103
console.log(printWord(FSTS, pending))
console.log(printWord(FSTS, nextValue(FILE.registers.FSTS, pending, 0xffff_ffff)))

const lo = nextValue(FILE.registers.RTADDR, 0, 0x0012_37ff)
const hi = nextValueHigh(FILE.registers.RTADDR, 0, 0x1)
console.log(printWord(RTADDR, lo, hi))
console.log(`root table at 0x${RTADDR.fields.RTA.get(lo, hi).toString(16)}`)
