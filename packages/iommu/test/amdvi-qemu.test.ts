import {
  AmdViUnit,
  amdviOptionsFor,
  capabilityBlockOf,
  extendedFeature2Of,
  extendedFeatureOf,
} from '@dmascope/iommu/amdvi'
import { DmascopeError } from '@dmascope/layout'
import { GuestRam } from '@dmascope/memory'
import { describe, expect, it } from 'vitest'

describe('QEMU’s amd-iommu', () => {
  it.each([
    // The first is what Linux printed, on 11.1; 7.2 has the same bits.
    ['11.1', {}, 0x29d3],
    ['7.2', {}, 0x29d3],
    ['11.1', { 'dma-remap': 'on' }, 0x29d3],
    ['11.1', { 'dma-translation': 'off' }, 0x2dd3],
    ['11.1', { xtsup: 'on' }, 0x29d7],
  ] as const)('extended features of %s %o', (version, properties, low) => {
    expect(extendedFeatureOf(amdviOptionsFor(version, properties))).toEqual([0, low])
  })

  it('the capability block: header, base, and 40 bits physical, 48 bits virtual', () => {
    const block = capabilityBlockOf(amdviOptionsFor('11.1'), 0xfed8_0000)
    expect(block).toEqual([0x1f03_000f, 0xfed8_0000, 0, 0xff00_0000, 0x0018_2840, 0])
  })

  it('the second register of features: 2048 interrupts for each device where asked for', () => {
    expect(extendedFeature2Of(amdviOptionsFor('11.1'))).toEqual([0, 0])
    expect(extendedFeature2Of(amdviOptionsFor('11.1', { numint2k: 'on' }))).toEqual([0, 0x100])
  })

  it('7.2 always remaps DMA; 11.1 only where it is told to', () => {
    expect(amdviOptionsFor('7.2').dmaRemap).toBe(true)
    expect(amdviOptionsFor('11.1').dmaRemap).toBe(false)
    expect(amdviOptionsFor('11.1', { 'dma-remap': true }).dmaRemap).toBe(true)
    expect(amdviOptionsFor('11.1', { intremap: 'off' }).interruptRemapping).toBe(false)
  })

  it.each([
    ['an unknown property', '11.1', { dmaremap: 'on' }, 'AMDVI_PROPERTY_UNKNOWN'],
    ['a property that the release does not have yet', '7.2', { 'dma-remap': 'on' }, 'AMDVI_PROPERTY_UNKNOWN'],
    ['a value that is no switch', '11.1', { intremap: 'maybe' }, 'AMDVI_PROPERTY_VALUE'],
    ['32-bit destinations, which 7.2 does not have', '7.2', { xtsup: 'on' }, 'AMDVI_PROPERTY_UNKNOWN'],
  ] as const)('refuses %s', (_what, version, properties, code) => {
    let thrown: unknown
    try {
      amdviOptionsFor(version, properties)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(DmascopeError)
    expect((thrown as DmascopeError).code).toBe(code)
  })

  it.each([
    [{ hostLevels: 3 }, RangeError],
    [{ addressWidth: 65 }, RangeError],
    [{ physicalWidth: 53 }, RangeError],
    [{ iotlbEntries: 100 }, RangeError],
    [{ cachesNotPresent: true }, TypeError],
  ])('a unit refuses features that none can have: %o', (features, error) => {
    const ram = new GuestRam([{ base: 0, size: 1 << 20 }])
    expect(() => new AmdViUnit({ ...(features as object), ram, raiseMsi() {} })).toThrow(error)
    ram.dispose()
  })
})
