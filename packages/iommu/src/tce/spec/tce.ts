import { addr, bits } from '@dmascope/layout'

/** A translation control entry. The address is a multiple of the window's page size. LoPAPR §3.2.2.2. */
export const TCE = bits(64, 'TCE', 'LoPAPR §3.2.2.2', {
  RPN: addr(63, 12),
  WRITE: 1,
  READ: 0,
})
