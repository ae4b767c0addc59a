import { bits, field, reg8, reg16, registers } from '@dmascope/layout'

const SOURCE = 'PCI Express Base 6.0 §7.5.2'

export const PMC = bits(16, 'Power Management Capabilities', SOURCE, {
  PME_SUPPORT: field([15, 11], 'ro'),
  D2_SUPPORT: field(10, 'ro'),
  D1_SUPPORT: field(9, 'ro'),
  VERSION: field([2, 0], 'ro'),
})

export const PMCSR = bits(16, 'Power Management Control/Status', SOURCE, {
  PME_STATUS: field(15, 'rw1c'),
  PME_EN: field(8, 'rw'),
  NO_SOFT_RESET: field(3, 'ro'),
  POWER_STATE: field([1, 0], 'rw', { 0: 'D0', 1: 'D1', 2: 'D2', 3: 'D3hot' }),
})

export const PM_CAPABILITY = registers('Power Management capability', SOURCE, {
  CAP_ID: reg8(0, 'ro'),
  NEXT_PTR: reg8(1, 'ro'),
  PMC: reg16(2, 'ro', PMC),
  PMCSR: reg16(4, 'ro', PMCSR),
  BSE: reg8(6, 'ro'),
  DATA: reg8(7, 'ro'),
})
