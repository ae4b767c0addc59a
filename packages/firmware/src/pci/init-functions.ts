import type { PortBus } from '@dmascope/memory/contracts'
import { BRIDGE_CONTROL, COMMAND, PCI_HEADER_TYPE0, PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'
import {
  ACPI_PM_BASE,
  CHIPSET_DEVICE,
  ELCR_PORTS,
  ICH9_ACPI_EN,
  ICH9_LPC,
  ICH9_RCBA,
  ICH9_SMBUS,
  PCI_VENDOR_ID_INTEL,
  PIIX,
  PIIX_IDE,
  PIIX4_PM,
  PIRQ_ISA,
  SMBUS_BASE,
} from '../spec/chipset.ts'
import { barOffset } from './bar.ts'
import type { PciConfig } from './config-access.ts'
import type { FoundFunction } from './functions.ts'

/** How a host bridge's chipset takes the pins of root bus devices to ISA interrupts. */
export type PinRouting = 'mch' | 'piix'

const { COMMAND: COMMAND_REGISTER, INTERRUPT_LINE, INTERRUPT_PIN } = PCI_HEADER_TYPE0.registers
const { IO_SPACE_ENABLE, MEMORY_SPACE_ENABLE, SERR_ENABLE } = COMMAND.fields
const DECODE = (IO_SPACE_ENABLE.loMask | MEMORY_SPACE_ENABLE.loMask | SERR_ENABLE.loMask) >>> 0
const CLASS_STORAGE_IDE = 0x0101
/** Legacy ports of the two IDE channels: command and control of each. */
const IDE_PORTS = [0x1f0, 0x3f4, 0x170, 0x374]
const IDE_DECODE_ENABLE = 0x8000

/**
 * The ISA interrupt that a function's pin leads to in PIC mode, as its Interrupt Line register tells an operating
 * system without ACPI. Pins rotate by device number below each bridge; on a Q35 slots 25 to 31 do not rotate.
 *
 * @param pin - 1 for INTA
 */
function interruptLine(one: FoundFunction, pin: number, routing: PinRouting): number {
  let rotation = 0
  let top = one
  for (; top.parent !== null; top = top.parent) rotation += top.device
  const slot = routing === 'piix' ? top.device - 1 : top.device <= 24 ? top.device : 0
  return PIRQ_ISA[(pin - 1 + rotation + slot) & 3]!
}

/** Sets up every function: its interrupt line, what its chipset needs, and decoding, in the order of routing IDs. */
export function initFunctions(
  config: PciConfig,
  ports: PortBus,
  functions: readonly FoundFunction[],
  routing: PinRouting | null,
): { readonly reserved: readonly { base: number; length: number }[] } {
  const reserved: { base: number; length: number }[] = []
  for (const one of functions) {
    const pin = config.read8(one.id, INTERRUPT_PIN.offset)
    if (pin !== 0) {
      config.write8(one.id, INTERRUPT_LINE.offset, routing === null ? 0xff : interruptLine(one, pin, routing))
    }
    if (one.vendorId === PCI_VENDOR_ID_INTEL) initChipset(config, ports, one, reserved)
    if (one.classCode === CLASS_STORAGE_IDE) {
      for (const [bar, port] of IDE_PORTS.entries()) config.write32(one.id, barOffset(one, bar), port)
    }
    config.set16(one.id, COMMAND_REGISTER.offset, DECODE)
    if (one.isBridge) {
      const { offset } = PCI_HEADER_TYPE1.registers.BRIDGE_CONTROL
      config.set16(one.id, offset, BRIDGE_CONTROL.fields.SERR_ENABLE.loMask)
    }
  }
  return { reserved }
}

function initChipset(
  config: PciConfig,
  ports: PortBus,
  { id, deviceId }: FoundFunction,
  reserved: { base: number; length: number }[],
): void {
  switch (deviceId) {
    case CHIPSET_DEVICE.ICH9_LPC: {
      const { PMBASE, ACPI_CTRL, PIRQA_ROUT, PIRQE_ROUT, RCBA } = ICH9_LPC.registers
      routePirqs(config, ports, id, [PIRQA_ROUT.offset, PIRQE_ROUT.offset])
      config.write32(id, PMBASE.offset, ACPI_PM_BASE | 1)
      config.write8(id, ACPI_CTRL.offset, ICH9_ACPI_EN)
      config.write32(id, RCBA.offset, ICH9_RCBA.base + 1)
      reserved.push({ base: ICH9_RCBA.base, length: ICH9_RCBA.size })
      break
    }
    case CHIPSET_DEVICE.ICH9_SMBUS:
      config.write32(id, ICH9_SMBUS.registers.SMB_BASE.offset, SMBUS_BASE | 1)
      config.write8(id, ICH9_SMBUS.registers.HOSTC.offset, 1)
      break
    case CHIPSET_DEVICE.PIIX3_ISA:
      routePirqs(config, ports, id, [PIIX.registers.PIRQA_ROUT.offset])
      break
    case CHIPSET_DEVICE.PIIX3_IDE:
      config.write16(id, PIIX_IDE.registers.IDETIM.offset, IDE_DECODE_ENABLE)
      config.write16(id, PIIX_IDE.registers.IDETIM.offset + 2, IDE_DECODE_ENABLE)
      break
    case CHIPSET_DEVICE.PIIX4_PM: {
      const { PMBASE, PMREGMISC, SMBBA, SMBHSTCFG } = PIIX4_PM.registers
      // The SCI is wired to interrupt 9, whatever the pin says.
      config.write8(id, INTERRUPT_LINE.offset, 9)
      config.write32(id, PMBASE.offset, ACPI_PM_BASE | 1)
      config.write8(id, PMREGMISC.offset, 1)
      config.write32(id, SMBBA.offset, SMBUS_BASE | 1)
      config.write8(id, SMBHSTCFG.offset, 9)
    }
  }
}

/** Routes PIRQ lines to ISA interrupts, and makes these level-triggered. */
function routePirqs(config: PciConfig, ports: PortBus, id: number, registers: readonly number[]): void {
  const levels: [number, number] = [0, 0]
  PIRQ_ISA.forEach((irq, index) => {
    levels[irq >> 3 === 0 ? 0 : 1] |= 1 << (irq & 7)
    for (const register of registers) config.write8(id, register + index, irq)
  })
  ports.out8(ELCR_PORTS[0], levels[0])
  ports.out8(ELCR_PORTS[1], levels[1])
}
