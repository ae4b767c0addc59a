import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearestName } from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

describe('nearestName', () => {
  it('finds a slip of the finger, and takes - for _', () => {
    const known = ['iommu_platform', 'disable-legacy', 'addr']
    expect(nearestName('iomu_platform', known)).toBe('iommu_platform')
    expect(nearestName('iommu-platform', known)).toBe('iommu_platform')
    expect(nearestName('disable_legcay', known)).toBe('disable-legacy')
  })

  it('finds a name that was cut short, and nothing where nothing is near', () => {
    expect(nearestName('iommu', ['iommu_platform'])).toBe('iommu_platform')
    expect(nearestName('zzz', ['iommu_platform', 'addr'])).toBeNull()
    expect(nearestName('', ['addr'])).toBeNull()
  })

  it('finds every name itself, whatever stands beside it, and is quick with long ones', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 }), (known) => {
        const found = nearestName(known[0]!, known)
        expect(found?.toLowerCase().replaceAll('_', '-')).toBe(known[0]!.toLowerCase().replaceAll('_', '-'))
      }),
      { numRuns: RUNS },
    )
    expect(nearestName('x'.repeat(1_000_000), ['addr'])).toBeNull()
  })
})
