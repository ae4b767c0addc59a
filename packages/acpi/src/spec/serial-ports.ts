import { bytes, le16, le32, struct, u8 } from '@dmascope/layout'
import { GENERIC_ADDRESS_STRUCTURE } from './header.ts'

const SPCR_SOURCE = 'Serial Port Console Redirection Table 1.10'
const DBG2_SOURCE = 'Debug Port Table 2'

/** The body of the SPCR. Revision 3 gave the clock its meaning; revision 4 has what follows it. */
export const SPCR = struct('SPCR', SPCR_SOURCE, {
  interfaceType: u8,
  reserved: bytes(3),
  baseAddress: GENERIC_ADDRESS_STRUCTURE,
  interruptType: u8,
  irq: u8,
  globalSystemInterrupt: le32,
  configuredBaudRate: u8,
  parity: u8,
  stopBits: u8,
  flowControl: u8,
  terminalType: u8,
  language: u8,
  pciDeviceId: le16,
  pciVendorId: le16,
  pciBusNumber: u8,
  pciDeviceNumber: u8,
  pciFunctionNumber: u8,
  pciFlags: le32,
  pciSegment: u8,
  uartClockFrequency: le32,
  preciseBaudRate: le32,
  namespaceStringLength: le16,
  namespaceStringOffset: le16,
})

/** Types of serial ports, here and as a port's subtype in the DBG2. */
export const SERIAL_INTERFACE = {
  0: '16550 compatible',
  1: '16550 subset',
  2: 'MAX311xE SPI UART',
  3: 'Arm PL011 UART',
  13: 'Arm SBSA generic UART, 32-bit accesses',
  14: 'Arm SBSA generic UART',
  15: 'Arm DCC',
  16: 'BCM2835',
  18: '16550 compatible, with parameters in the Generic Address Structure',
} as const

/** The body of the DBG2, before its devices. */
export const DBG2 = struct('DBG2', DBG2_SOURCE, { offsetDbgDeviceInfo: le32, numberDbgDeviceInfo: le32 })

/** What every device information structure starts with: its revision takes the place of a type. */
export const DBG2_HEAD = struct('Debug Device Information', DBG2_SOURCE, { type: u8, length: le16 })

/** A debug port. Offsets are from the structure's start. */
export const DBG2_DEVICE = struct('Debug Device Information', DBG2_SOURCE, {
  type: u8,
  length: le16,
  numberOfGenericAddressRegisters: u8,
  namespaceStringLength: le16,
  namespaceStringOffset: le16,
  oemDataLength: le16,
  oemDataOffset: le16,
  portType: le16,
  portSubtype: le16,
  reserved: le16,
  baseAddressRegisterOffset: le16,
  addressSizeOffset: le16,
})

export const DBG2_PORT_TYPE = { 32768: 'serial', 32769: '1394', 32770: 'USB', 32771: 'network' } as const

/** One for each address register. */
export const DBG2_ADDRESS_SIZE = struct('Address Size', DBG2_SOURCE, { size: le32 })
/** One character of the name of the device in the namespace, or one byte of OEM data. */
export const DBG2_BYTE = struct('Byte', DBG2_SOURCE, { byte: u8 })
