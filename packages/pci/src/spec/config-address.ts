import { bits, field } from '@dmascope/layout'

/** CONFIG_ADDRESS: written as a dword, it selects what the four ports of CONFIG_DATA reach. */
export const CONFIG_ADDRESS_PORT = 0xcf8
export const CONFIG_DATA_PORT = 0xcfc

export const CONFIG_ADDRESS = bits(32, 'CONFIG_ADDRESS', 'PCI Local Bus 3.0 §3.2.2.3.2', {
  ENABLE: field(31, 'rw'),
  BUS_NUMBER: field([23, 16], 'rw'),
  DEVICE_NUMBER: field([15, 11], 'rw'),
  FUNCTION_NUMBER: field([10, 8], 'rw'),
  REGISTER_NUMBER: field([7, 2], 'rw'),
})

/** An offset into the Enhanced Configuration Access Mechanism's window. */
export const ECAM_OFFSET = bits(32, 'ECAM address', 'PCI Express Base 6.0 §7.2.2', {
  BUS_NUMBER: [27, 20],
  DEVICE_NUMBER: [19, 15],
  FUNCTION_NUMBER: [14, 12],
  REGISTER_NUMBER: [11, 0],
})
/** Bytes of ECAM window per bus. */
export const ECAM_BUS_SIZE = 0x10_0000
