import { bits, field, reg32, registers } from '@dmascope/layout'

const BMIPS = 'Linux, arch/mips/include/asm/bmips.h, arch/mips/kernel/smp-bmips.c'

/** What Linux does with the register is all that is published of it: it sets these bits. */
export const RAC_CONFIG = bits(32, 'RAC_CONFIG', BMIPS, {
  /** Reads as zero. */
  FLUSH: field(8, 'wo'),
  ENABLE: field([3, 0], 'rw'),
})

/** Of the core's control registers: those of the read-ahead cache. */
export const CORE = registers('BMIPS core registers', BMIPS, {
  BMIPS_RAC_CONFIG: reg32(0x0, 'rw', RAC_CONFIG),
  BMIPS_RAC_ADDRESS_RANGE: reg32(0x4, 'rw'),
})
