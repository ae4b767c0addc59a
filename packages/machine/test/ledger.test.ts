import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Grants } from '../src/fabric/grants.ts'
import { DeviceLedger, Ledger } from '../src/fabric/ledger.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

describe('Grants', () => {
  it('covers what lies wholly inside one grant, with its rights', () => {
    const grants = new Grants()
    grants.add({ address: 0x1000, end: 0x2000, access: 1, purpose: 'ring' })
    expect(grants.covering(0x1000, 0x1000, 1)?.purpose).toBe('ring')
    expect(grants.covering(0x1000, 0x1001, 1)).toBeNull()
    expect(grants.covering(0x0fff, 2, 1)).toBeNull()
    expect(grants.covering(0x1800, 4, 2)).toBeNull()
  })

  it('agrees with a plain list, whatever is granted and revoked', () => {
    const grant = fc.record({
      address: fc.nat(400),
      length: fc.integer({ min: 1, max: 120 }),
      access: fc.constantFrom(1, 2, 3),
    })
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            grant.map((one) => ({ add: one })),
            fc.nat(20).map((index) => ({ remove: index })),
          ),
          { maxLength: 40 },
        ),
        fc.array(grant, { minLength: 1, maxLength: 10 }),
        (steps, asked) => {
          const grants = new Grants()
          const model: { address: number; end: number; access: 1 | 2 | 3; purpose: string }[] = []
          for (const step of steps) {
            if ('add' in step) {
              const made = {
                address: step.add.address,
                end: step.add.address + step.add.length,
                access: step.add.access as 1 | 2 | 3,
                purpose: '',
              }
              grants.add(made)
              model.push(made)
            } else if (model.length > 0) {
              const [gone] = model.splice(step.remove % model.length, 1)
              grants.remove(gone!)
            }
          }
          expect(grants.size).toBe(model.length)
          for (const { address, length, access } of asked) {
            const expected = model.some(
              (one) => address >= one.address && address + length <= one.end && (access & ~one.access) === 0,
            )
            expect(grants.covering(address, length, access as 1 | 2 | 3) !== null).toBe(expected)
          }
        },
      ),
      { numRuns: RUNS },
    )
  })
})

describe('Ledger', () => {
  it('judges nothing while firmware runs, and everything after', () => {
    const device = new DeviceLedger()
    const ledger = new Ledger(() => device)
    expect(device.allows(0x1000, 4, 2)).toBe(true)
    ledger.phase('0000:00:03.0', 'probe')
    expect(device.allows(0x1000, 4, 2)).toBe(false)
    const grant = ledger.grant('0000:00:03.0', 0x1000, 0x1000, 2, 'buffer')
    expect(device.allows(0x1000, 4, 2)).toBe(true)
    expect(device.allows(0x1000, 4, 1)).toBe(false)
    ledger.revoke(grant)
    ledger.revoke(grant)
    expect(device.allows(0x1000, 4, 2)).toBe(false)
  })

  it('remembers the last 16 grants that were taken back, with their rights', () => {
    const device = new DeviceLedger()
    const ledger = new Ledger(() => device)
    for (let index = 0; index < 17; index++) {
      ledger.revoke(ledger.grant('0000:00:03.0', index * 0x1000, 0x1000, index === 16 ? 1 : 3, 'buffer'))
    }
    expect(device.grants.wasCovered(0x0, 4, 2)).toBe(false)
    expect(device.grants.wasCovered(0x1000, 0x1000, 2)).toBe(true)
    expect(device.grants.wasCovered(0x1ff0, 0x20, 2)).toBe(false)
    expect(device.grants.wasCovered(0x1_0000, 4, 2)).toBe(false)
    expect(device.grants.wasCovered(0x1_0000, 4, 1)).toBe(true)
  })

  it('folds equal strays, keeps a bounded number, and counts all', () => {
    const device = new DeviceLedger()
    const stray = { kind: 'write', busAddress: '0x1', length: 2, landed: 'ram', count: 1 } as const
    for (let index = 0; index < 100; index++) device.stray({ ...stray, physical: `0x${(index % 50).toString(16)}` })
    expect(device.strayCount).toBe(100)
    expect(device.strays.length).toBe(32)
    expect(device.strays[0]?.count).toBe(2)
  })

  it('tells a guest that names no device nothing, and does not fail', () => {
    const ledger = new Ledger(() => null)
    expect(ledger.grant('nobody', 0, 1, 3, '')).toBe(-1)
    ledger.revoke(-1)
    ledger.phase('nobody', 'probe')
  })
})
