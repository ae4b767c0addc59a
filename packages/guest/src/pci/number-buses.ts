import {
  HEADER_TYPE,
  PCI_CAP_ID_EXP,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
  PCIE_CAPABILITIES,
  PCIE_CAPABILITY,
  PCIE_DOWNSTREAM_PORT,
  PCIE_ROOT_PORT,
} from '@dmascope/pci/spec'
import { firstById, readCapabilities } from './capabilities.ts'
import type { ConfigAccess, FunctionAddress } from './config-access.ts'

const TYPE0 = PCI_HEADER_TYPE0.registers
const TYPE1 = PCI_HEADER_TYPE1.registers

/**
 * Numbers the buses below a root bus, as Linux does where it does not believe what firmware set: depth first, each
 * bridge the next number when it is come to, whatever its registers said (`pci_scan_bridge_extend` with
 * PCI_REASSIGN_ALL_BUS).
 *
 * @param last - the last number that there is
 * @returns the last number that was given
 */
export function numberBuses(
  config: ConfigAccess,
  segment: number,
  rootBus: number,
  last: number,
  log: (line: string) => void,
): number {
  let next = rootBus
  const scan = (bus: number, single: boolean): void => {
    const bridges: { at: FunctionAddress; single: boolean }[] = []
    for (let device = 0; device < (single ? 1 : 32); device++) {
      for (let fn = 0; fn < 8; fn++) {
        const at = { segment, bus, device, function: fn }
        const header = headerOf(config, at)
        if (header !== null && (header & 0x7f) === 1) bridges.push({ at, single: leadsToOneDevice(config, at) })
        if (fn === 0 && (header === null || HEADER_TYPE.fields.MULTI_FUNCTION.get(header) === 0)) break
      }
    }
    // None forwards anything until it is come to: numbers of before could be anyone's.
    for (const { at } of bridges) writeNumbers(config, at, 0, 0, 0)
    for (const { at, single: below } of bridges) {
      if (next >= last) {
        log(`pci_bus ${segment.toString(16).padStart(4, '0')}:${bus.toString(16).padStart(2, '0')}: no bus number left`)
        return
      }
      const secondary = ++next
      writeNumbers(config, at, bus, secondary, last)
      scan(secondary, below)
      writeNumbers(config, at, bus, secondary, next)
    }
  }
  scan(rootBus, false)
  return next
}

function writeNumbers(
  config: ConfigAccess,
  at: FunctionAddress,
  primary: number,
  secondary: number,
  subordinate: number,
): void {
  config.write(at, TYPE1.PRIMARY_BUS_NUMBER.offset, 1, primary)
  config.write(at, TYPE1.SECONDARY_BUS_NUMBER.offset, 1, secondary)
  config.write(at, TYPE1.SUBORDINATE_BUS_NUMBER.offset, 1, subordinate)
}

/** The header type register; null where no function answers. */
function headerOf(config: ConfigAccess, at: FunctionAddress): number | null {
  const ids = config.read(at, TYPE0.VENDOR_ID.offset, 4)
  if (ids === 0xffff_ffff || ids === 0 || (ids & 0xffff) === 0xffff || ids === 0xffff_0000) return null
  return config.read(at, TYPE0.HEADER_TYPE.offset, 1)
}

/** Below a root or downstream port is a link, and at its end one device. */
function leadsToOneDevice(config: ConfigAccess, at: FunctionAddress): boolean {
  const express = firstById(readCapabilities(config, at)).get(PCI_CAP_ID_EXP)
  if (express === undefined) return false
  const register = config.read(at, express + PCIE_CAPABILITY.registers.PCIE_CAPABILITIES.offset, 2)
  const type = PCIE_CAPABILITIES.fields.DEVICE_PORT_TYPE.get(register)
  return type === PCIE_ROOT_PORT || type === PCIE_DOWNSTREAM_PORT
}
