import { capabilityOf, extendedCapabilityOf, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { DmascopeError, hexPair } from '@dmascope/layout'
import { describe, expect, it } from 'vitest'

const words = (version: '7.2' | '11.1', properties: Record<string, string | number | boolean> = {}) => {
  const features = vtdOptionsFor(version, properties)
  const [capHi, capLo] = capabilityOf(features)
  const [ecapHi, ecapLo] = extendedCapabilityOf(features)
  return { cap: hexPair(capHi, capLo), ecap: hexPair(ecapHi, ecapLo) }
}

describe('CAP and ECAP of QEMU', () => {
  it.each([
    // The first two are what Linux printed on these releases; the others follow from QEMU's capability bits.
    ['7.2', { intremap: 'on' }, '00d2008c22260206', '0000000000f00f4a'],
    ['11.1', { intremap: 'on' }, '80d2008c222f0606', '0000000000f00f4a'],
    ['11.1', { intremap: 'off' }, '80d2008c222f0606', '0000000000000f42'],
    ['11.1', { 'caching-mode': 'on' }, '80d2008c222f0686', '0000000000f00f4a'],
    ['11.1', { 'device-iotlb': 'on' }, '80d2008c222f0606', '0000000000f00f4e'],
    ['11.1', { 'snoop-control': 'on' }, '80d2008c222f0606', '0000000000f00fca'],
    ['11.1', { 'dma-drain': 'off' }, '8012008c222f0606', '0000000000f00f4a'],
    ['11.1', { 'dma-translation': 'off' }, '80d2008c222f0006', '0000000000f00f4a'],
    ['11.1', { pt: 'off' }, '80d2008c222f0606', '0000000000f00f0a'],
    ['11.1', { eim: 'on' }, '80d2008c222f0606', '0000000000f00f5a'],
    ['11.1', { 'aw-bits': 39 }, '80d2008c22260206', '0000000000f00f4a'],
    ['7.2', { 'aw-bits': '48' }, '00d2008c222f0606', '0000000000f00f4a'],
  ] as const)('%s %o', (version, properties, cap, ecap) => {
    expect(words(version, properties)).toEqual({ cap, ecap })
  })

  it.each([
    ['an unknown property', { intremapp: 'on' }, 'VTD_PROPERTY_UNKNOWN'],
    ['a value that is no switch', { pt: 'maybe' }, 'VTD_PROPERTY_VALUE'],
    ['a width that QEMU refuses', { 'aw-bits': 57 }, 'VTD_PROPERTY_VALUE'],
    ['eim without intremap', { eim: 'on', intremap: 'off' }, 'VTD_PROPERTY_VALUE'],
    ['scalable mode', { 'x-scalable-mode': 'on' }, 'VTD_SCALABLE_MODE'],
  ])('refuses %s', (_what, properties, code) => {
    let thrown: unknown
    try {
      vtdOptionsFor('11.1', properties as Record<string, string>)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(DmascopeError)
    expect((thrown as DmascopeError).code).toBe(code)
  })
})
