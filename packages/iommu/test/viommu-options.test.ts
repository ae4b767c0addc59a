import { describe, expect, it } from 'vitest'
import { virtioIommuOptionsFor } from '../src/virtio-iommu/index.ts'
import { MSI, ViommuGuest } from './viommu-guest.ts'

describe('QEMU’s device', () => {
  const X86 = { msi: { start: 0xfee0_0000, end: 0xfeef_ffff }, inputBits: 39 }

  it('11.1 on q35: bits 0, 1, 2, 4, 5, 6; 39 bits, 4 KiB, all domain IDs, bypass, 512 bytes of properties', () => {
    const { unit } = new ViommuGuest(virtioIommuOptionsFor('11.1', X86))
    expect(unit.features).toEqual({ lo: 0b111_0111, hi: 0 })
    const words = Array.from({ length: 10 }, (_, index) => unit.config.read(4 * index, 4))
    expect(words).toEqual([0xffff_f000, 0xffff_ffff, 0, 0, 0xffff_ffff, 0x7f, 0, 0xffff_ffff, 512, 1])
  })

  it('7.2: 64 bits', () => {
    const { unit } = new ViommuGuest(virtioIommuOptionsFor('7.2', X86))
    expect([unit.config.read(16, 4), unit.config.read(20, 4)]).toEqual([0xffff_ffff, 0xffff_ffff])
  })

  it('boot-bypass=off, granule=16k, aw-bits=48', () => {
    const { unit } = new ViommuGuest(
      virtioIommuOptionsFor('11.1', X86, { 'boot-bypass': false, granule: '16k', 'aw-bits': 48 }),
    )
    expect([unit.config.read(0, 4), unit.config.read(20, 4), unit.config.read(36, 1)]).toEqual([0xffff_c000, 0xffff, 0])
  })

  it('refuses what QEMU refuses', () => {
    expect(() => virtioIommuOptionsFor('11.1', X86, { 'aw-bits': 31 })).toThrow('aw-bits must be within [32,64]')
    expect(() => virtioIommuOptionsFor('11.1', X86, { granule: '32k' })).toThrow('granule is one of 4k')
    expect(() => virtioIommuOptionsFor('7.2', X86, { granule: '4k' })).toThrow('no property "granule"')
  })
})

describe('options that no device can have', () => {
  it.each([
    [{ granule: 1024 }, 'granule'],
    [{ inputBits: 65 }, 'inputBits'],
    [{ domainRange: { start: 5, end: 4 } }, 'domainRange'],
    [{ probeSize: -1 }, 'probeSize'],
    [{ maxMappings: 0 }, 'maxMappings'],
    [{ reservedRegions: [MSI, MSI] }, 'ascend'],
    [{ probeSize: 16, reservedRegions: [MSI] }, 'probeSize'],
  ] as const)('%j', (options, message) => {
    expect(() => new ViommuGuest(options)).toThrow(message)
  })
})
