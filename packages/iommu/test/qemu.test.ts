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
    // What QEMU's monitor shows at 0xfed90008 (`xp`), on each release.
    ['7.2', { intremap: 'on' }, '00d2008c22260206', '0000000000f00f4a'],
    ['11.1', { intremap: 'on' }, '80d2008c222f0606', '0000000000f00f4a'],
    ['11.1', { intremap: 'off' }, '80d2008c222f0606', '0000000000000f42'],
    ['11.1', { 'caching-mode': 'on' }, '80d2008c222f0686', '0000000000f00f4a'],
    ['11.1', { 'device-iotlb': 'on' }, '80d2008c222f0606', '0000000000f00f4e'],
    ['11.1', { 'snoop-control': 'on' }, '80d2008c222f0606', '0000000000f00fca'],
    ['7.2', { 'dma-drain': 'off' }, '0012008c22260206', '0000000000f00f4a'],
    ['11.1', { 'dma-translation': 'off' }, '80d2008c222f0006', '0000000000f00f4a'],
    ['7.2', { pt: 'off' }, '00d2008c22260206', '0000000000f00f0a'],
    ['11.1', { eim: 'on' }, '80d2008c222f0606', '0000000000f00f5a'],
    ['11.1', { 'aw-bits': 39 }, '80d2008c22260206', '0000000000f00f4a'],
    ['7.2', { 'aw-bits': '48' }, '00d2008c222f0606', '0000000000f00f4a'],
    ['7.2', { 'x-scalable-mode': 'on' }, '00d2008c22260206', '0000480080f00f4a'],
    ['7.2', { 'x-scalable-mode': 'on', 'x-pasid-mode': 'on' }, '00d2008c22260206', '0000490080f00f4a'],
    ['11.1', { 'scalable-mode': 'on' }, '80d2008c222f0606', '0000480080f00f4a'],
    ['11.1', { 'scalable-mode': 'on', 'pasid-bits': 20 }, '80d2008c222f0606', '0000499880f00f4a'],
    ['11.1', { 'scalable-mode': 'on', 'pasid-bits': 8 }, '80d2008c222f0606', '0000493880f00f4a'],
    ['11.1', { 'scalable-mode': 'on', fsts: 'on' }, '81d2008c222f0606', '0000880000f00f4a'],
    ['11.1', { 'scalable-mode': 'on', fsts: 'on', fs1gp: 'off' }, '80d2008c222f0606', '0000880000f00f4a'],
    ['11.1', { 'scalable-mode': 'on', 'dma-translation': 'off' }, '80d2008c222f0006', '0000480080f00f4a'],
    ['11.1', { 'scalable-mode': 'on', fsts: 'on', 'device-iotlb': 'on' }, '81d2008c222f0606', '0000880000f00f4e'],
  ] as const)('%s %o', (version, properties, cap, ecap) => {
    expect(words(version, properties)).toEqual({ cap, ecap })
  })

  it.each([
    ['an unknown property', { intremapp: 'on' }, 'VTD_PROPERTY_UNKNOWN'],
    ['a property of another release', { 'x-scalable-mode': 'on' }, 'VTD_PROPERTY_UNKNOWN'],
    ['a value that is no switch', { fs1gp: 'maybe' }, 'VTD_PROPERTY_VALUE'],
    ['a width that QEMU refuses', { 'aw-bits': 57 }, 'VTD_PROPERTY_VALUE'],
    ['eim without intremap', { eim: 'on', intremap: 'off' }, 'VTD_PROPERTY_VALUE'],
    ['the first stage without scalable mode', { fsts: 'on' }, 'VTD_PROPERTY_VALUE'],
    ['PASIDs without scalable mode', { 'pasid-bits': 8 }, 'VTD_PROPERTY_VALUE'],
    ['wider PASIDs than there are', { 'scalable-mode': 'on', 'pasid-bits': 21 }, 'VTD_PROPERTY_VALUE'],
    ['the first stage of 39 bits', { 'scalable-mode': 'on', fsts: 'on', 'aw-bits': 39 }, 'VTD_PROPERTY_VALUE'],
    ['svm without device IOTLBs', { svm: 'on' }, 'VTD_PROPERTY_VALUE'],
    [
      'svm, which needs page requests',
      { svm: 'on', 'device-iotlb': 'on', 'scalable-mode': 'on', fsts: 'on', 'pasid-bits': 20 },
      'VTD_NOT_MODELLED',
    ],
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

  it('7.2 refuses PASIDs together with device IOTLBs', () => {
    expect(() => vtdOptionsFor('7.2', { 'x-scalable-mode': 'on', 'x-pasid-mode': 'on', 'device-iotlb': 'on' })).toThrow(
      'PASID based device IOTLB is not supported',
    )
  })
})
