import { describe, expect, it } from 'vitest'
import { refuseUnmodelledParameters } from '../src/index.ts'
import { NoApicPins } from '../src/interrupts/no-apic-pins.ts'
import type { PciFunction } from '../src/pci/pci-function.ts'

const refuse = (line: string) => () => refuseUnmodelledParameters(line, '--append')

describe('parameters that would change what devices do', () => {
  it.each([
    'acpi=off',
    'quiet nolapic',
    'disableapic',
    'pcie_acs_override=downstream,multifunction',
    'pci=nomsi,noacpi',
    'pci=off',
  ])('%s is refused by name', (line) => {
    const word = line.split(' ').at(-1)
    expect(refuse(line)).toThrow(
      expect.objectContaining({
        code: 'GUEST_NOT_MODELLED',
        message: expect.stringContaining(`--append: '${word}' makes`),
      }),
    )
  })

  it.each([
    'intel_iommu=on iommu=pt pci=nomsi',
    'pci=realloc,nocrs mem=256M',
    'noapic pci=disable_acs_redir=pci:8086:0;1:2.3,noats',
    'pci=config_acs=1x@0000:00:08.0',
    'acpi=force console=ttyS0 memtest=1',
    'swiotlb=force',
    'swiotlb=65536 noapictimer -- noapic',
    '',
  ])('%s boots', (line) => expect(refuse(line)).not.toThrow())
})

describe('noapic', () => {
  const pins = new NoApicPins()
  const fn = (interruptPin: number): PciFunction => ({ id: '0000:00:05.0', interruptPin }) as PciFunction

  it('says what cannot be told, where a device has nothing but its pin', () => {
    expect(() => pins.connect(fn(1))).toThrow(
      expect.objectContaining({
        code: 'GUEST_NOT_MODELLED',
        message: expect.stringContaining('noapic leaves 0000:00:05.0 with the 8259'),
      }),
    )
    expect(pins.connect(fn(0))).toBe('the function has no interrupt pin')
  })
})
