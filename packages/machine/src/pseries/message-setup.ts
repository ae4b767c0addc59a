import type { PciFunction } from '@dmascope/pci'
import {
  MSI_CAPABILITY_32,
  MSI_CAPABILITY_64,
  MSI_MESSAGE_CONTROL,
  MSIX_BAR_OFFSET,
  MSIX_CAPABILITY,
  MSIX_MESSAGE_CONTROL,
  MSIX_TABLE_ENTRY,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
} from '@dmascope/pci/spec'
import { findCapability } from './find-capability.ts'

/** Messages that a function can send: by MSI as it is set now, by MSI-X. 0 without. */
export function messagesOf({ config }: PciFunction): { readonly msi: number; readonly msix: number } {
  const msi = findCapability(config, PCI_CAP_ID_MSI)
  const msix = findCapability(config, PCI_CAP_ID_MSIX)
  const control = (at: number): number => config.peek(at + MSI_CAPABILITY_32.registers.MESSAGE_CONTROL.offset, 2)
  return {
    msi: msi === 0 ? 0 : 2 ** MSI_MESSAGE_CONTROL.fields.MULTIPLE_MESSAGE_ENABLE.get(control(msi)),
    msix: msix === 0 ? 0 : MSIX_MESSAGE_CONTROL.fields.TABLE_SIZE.get(control(msix)) + 1,
  }
}

/** Puts an address and data into the function's MSI capability, as the hypervisor does. */
export function setMsiMessage({ config }: PciFunction, hi: number, lo: number, data: number): void {
  const at = findCapability(config, PCI_CAP_ID_MSI)
  const control = config.peek(at + MSI_CAPABILITY_32.registers.MESSAGE_CONTROL.offset, 2)
  const wide = MSI_MESSAGE_CONTROL.fields.ADDRESS_64_BIT_CAPABLE.get(control) === 1
  config.write(at + MSI_CAPABILITY_64.registers.MESSAGE_ADDRESS.offset, 4, lo)
  if (wide) config.write(at + MSI_CAPABILITY_64.registers.MESSAGE_UPPER_ADDRESS.offset, 4, hi)
  const { MESSAGE_DATA } = (wide ? MSI_CAPABILITY_64 : MSI_CAPABILITY_32).registers
  config.write(at + MESSAGE_DATA.offset, 2, data)
}

/** Puts messages into the first entries of the function's MSI-X table; their masks stay as they are. */
export function setMsixMessages(one: PciFunction, hi: number, lo: number, firstData: number, count: number): void {
  const at = findCapability(one.config, PCI_CAP_ID_MSIX)
  const table = one.config.peek(at + MSIX_CAPABILITY.registers.TABLE_OFFSET.offset, 4)
  const bar = MSIX_BAR_OFFSET.fields.BIR.get(table)
  const start = (table & ~7) >>> 0
  const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS, MESSAGE_DATA } = MSIX_TABLE_ENTRY.registers
  for (let index = 0; index < count; index++) {
    const entry = start + index * MSIX_TABLE_ENTRY.size
    one.writeBar(bar, entry + MESSAGE_ADDRESS.offset, 4, lo, 0)
    one.writeBar(bar, entry + MESSAGE_UPPER_ADDRESS.offset, 4, hi, 0)
    one.writeBar(bar, entry + MESSAGE_DATA.offset, 4, hi === 0 && lo === 0 ? firstData : firstData + index, 0)
  }
}
