import {
  ACS_CAPABILITY,
  ATS_CAPABILITY,
  BRIDGE_CONTROL,
  COMMAND,
  CONFIG_ADDRESS,
  DEVICE_CONTROL,
  formatBdf,
  formatRequesterId,
  MSI_CAPABILITY_64,
  MSIX_CAPABILITY,
  MSIX_MESSAGE_CONTROL,
  MSIX_TABLE_ENTRY,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
  PCIE_CAPABILITY,
  parseBdf,
  requesterId,
} from '@dmascope/pci/spec'
import { describe, expect, it } from 'vitest'

describe('layouts', () => {
  it('have the offsets of the specification', () => {
    const zero = PCI_HEADER_TYPE0.registers
    expect([zero.COMMAND.offset, zero.STATUS.offset, zero.BASE_CLASS.offset, zero.HEADER_TYPE.offset]).toEqual([
      4, 6, 0x0b, 0x0e,
    ])
    expect([zero.BAR0.offset, zero.BAR5.offset, zero.SUBSYSTEM_ID.offset]).toEqual([0x10, 0x24, 0x2e])
    expect([zero.CAPABILITIES_POINTER.offset, zero.INTERRUPT_PIN.offset, PCI_HEADER_TYPE0.size]).toEqual([
      0x34, 0x3d, 0x40,
    ])
    const one = PCI_HEADER_TYPE1.registers
    expect([one.SECONDARY_BUS_NUMBER.offset, one.IO_BASE.offset, one.MEMORY_BASE.offset]).toEqual([0x19, 0x1c, 0x20])
    expect([one.PREFETCHABLE_MEMORY_BASE.offset, one.BRIDGE_CONTROL.offset]).toEqual([0x24, 0x3e])
    expect([PCI_HEADER_TYPE1.size, PCIE_CAPABILITY.size, MSIX_CAPABILITY.size, MSIX_TABLE_ENTRY.size]).toEqual([
      0x40, 0x3c, 12, 16,
    ])
    expect([MSI_CAPABILITY_64.registers.MESSAGE_DATA.offset, ACS_CAPABILITY.size, ATS_CAPABILITY.size]).toEqual([
      0x0c, 8, 8,
    ])
  })

  it('have the bits of the specification', () => {
    expect([COMMAND.fields.BUS_MASTER_ENABLE.loMask, COMMAND.fields.INTERRUPT_DISABLE.loMask]).toEqual([4, 0x400])
    expect(BRIDGE_CONTROL.fields.SECONDARY_BUS_RESET.loMask).toBe(0x40)
    expect(MSIX_MESSAGE_CONTROL.fields.MSIX_ENABLE.loMask).toBe(0x8000)
    expect(DEVICE_CONTROL.fields.INITIATE_FUNCTION_LEVEL_RESET.loMask).toBe(0x8000)
    expect(CONFIG_ADDRESS.fields.DEVICE_NUMBER.get(0x8000_f800)).toBe(31)
  })
})

describe('requester IDs', () => {
  it('are written and read as Linux writes them', () => {
    expect(formatBdf(requesterId(0, 0x1f, 2))).toBe('0000:00:1f.2')
    expect(formatBdf(requesterId(0xff, 0x1f, 7), 0x12)).toBe('0012:ff:1f.7')
    expect(formatRequesterId(0x0108)).toBe('01:01.0')
    expect(parseBdf('0000:00:1f.2')).toEqual({ segment: 0, id: 0xfa })
    expect(parseBdf('80:00.1')).toEqual({ segment: 0, id: 0x8001 })
    expect(['00:20.0', '00:1f.8', '0:1f.0', ''].map(parseBdf)).toEqual([null, null, null, null])
    expect(() => requesterId(0, 32, 0)).toThrow(RangeError)
  })
})
