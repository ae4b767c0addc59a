import type { CpuBus } from '@dmascope/memory/contracts'
import {
  MSI_CAPABILITY_32,
  MSI_CAPABILITY_64,
  MSI_MESSAGE_CONTROL,
  MSIX_BAR_OFFSET,
  MSIX_CAPABILITY,
  MSIX_TABLE_ENTRY,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
} from '@dmascope/pci/spec'
import type { MsiMessage } from '../iommu/contract.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { type PciFunction, placedBar } from '../pci/pci-function.ts'

/** The messages that a hypervisor has put into a function's registers; null where these cannot be read. */
export function writtenMessages(
  bus: CpuBus,
  config: ConfigAccess,
  fn: PciFunction,
  count: number,
  kind: 'msi' | 'msix',
): readonly MsiMessage[] | null {
  if (kind === 'msi') {
    const at = fn.capabilities.get(PCI_CAP_ID_MSI)
    if (at === undefined) return null
    const control = config.read(fn, at + MSI_CAPABILITY_32.registers.MESSAGE_CONTROL.offset, 2)
    const wide = MSI_MESSAGE_CONTROL.fields.ADDRESS_64_BIT_CAPABLE.get(control) === 1
    const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS } = MSI_CAPABILITY_64.registers
    const { MESSAGE_DATA } = (wide ? MSI_CAPABILITY_64 : MSI_CAPABILITY_32).registers
    return [
      {
        hi: wide ? config.read(fn, at + MESSAGE_UPPER_ADDRESS.offset, 4) : 0,
        lo: config.read(fn, at + MESSAGE_ADDRESS.offset, 4),
        data: config.read(fn, at + MESSAGE_DATA.offset, 2),
      },
    ]
  }
  const at = fn.capabilities.get(PCI_CAP_ID_MSIX)
  if (at === undefined) return null
  const location = config.read(fn, at + MSIX_CAPABILITY.registers.TABLE_OFFSET.offset, 4)
  const bar = placedBar(fn, MSIX_BAR_OFFSET.fields.BIR.get(location), 'memory')
  if (bar === null) return null
  const table = bar.base + MSIX_BAR_OFFSET.fields.OFFSET.get(location) * 8
  const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS, MESSAGE_DATA } = MSIX_TABLE_ENTRY.registers
  return Array.from({ length: count }, (_, index) => {
    const entry = table + index * MSIX_TABLE_ENTRY.size
    return {
      hi: bus.read32(entry + MESSAGE_UPPER_ADDRESS.offset),
      lo: bus.read32(entry + MESSAGE_ADDRESS.offset),
      data: bus.read32(entry + MESSAGE_DATA.offset),
    }
  })
}
