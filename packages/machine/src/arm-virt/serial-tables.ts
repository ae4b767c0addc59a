import { buildDbg2, buildSpcr } from '@dmascope/acpi'
import { FIRST_SPI } from '@dmascope/gic/spec'
import { qemuHeader } from '../firmware/qemu-header.ts'
import { VIRT, VIRT_SPI } from './memory-map.ts'
import type { VirtFacts } from './virt-facts.ts'

const PL011 = 3
const SERIAL = 0x8000
/** The interrupt goes to a GIC. */
const GIC = 8
const BAUD_9600 = 3
const NO_PCI_ID = 0xffff
const REGISTERS = 0x1000
/** Newer releases say that registers are 32 bits wide. */
const uart = (older: boolean): { registerBitWidth: number; accessSize: number } =>
  older ? { registerBitWidth: 8, accessSize: 1 } : { registerBitWidth: 32, accessSize: 3 }
const address = ({ qemuVersion }: VirtFacts) => ({
  addressSpaceId: 0,
  registerBitOffset: 0,
  address: VIRT.uart.base,
  ...uart(qemuVersion === '7.2'),
})

/** QEMU's `spcr_setup`: the console is the UART. */
export const virtSpcr = (facts: VirtFacts): Uint8Array =>
  buildSpcr({
    signature: 'SPCR',
    header: qemuHeader(2),
    interfaceType: PL011,
    baseAddress: address(facts),
    interruptType: GIC,
    irq: 0,
    globalSystemInterrupt: FIRST_SPI + VIRT_SPI.uart,
    configuredBaudRate: BAUD_9600,
    parity: 0,
    stopBits: 1,
    // Request and clear to send.
    flowControl: 2,
    terminalType: 0,
    language: 0,
    pciDeviceId: NO_PCI_ID,
    pciVendorId: NO_PCI_ID,
    pciBusNumber: 0,
    pciDeviceNumber: 0,
    pciFunctionNumber: 0,
    pciFlags: 0,
    pciSegment: 0,
    uartClockFrequency: 0,
  })

/** QEMU's `build_dbg2`: and it is a port for debuggers. Lists follow the fields without a gap. */
export const virtDbg2 = (facts: VirtFacts): Uint8Array =>
  buildDbg2({
    signature: 'DBG2',
    header: qemuHeader(0),
    offsetDbgDeviceInfo: 44,
    numberDbgDeviceInfo: 1,
    devices: [
      {
        kind: 'device',
        portType: SERIAL,
        portSubtype: PL011,
        baseAddressRegisterOffset: 22,
        addressSizeOffset: 34,
        namespaceStringOffset: 38,
        baseAddresses: [address(facts)],
        addressSizes: [{ size: REGISTERS }],
        namespaceString: [...'COM0\0'].map((character) => ({ byte: character.charCodeAt(0) })),
        oemData: [],
      },
    ],
  })
