import { Bridge, RootComplex } from '@dmascope/pci'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeMap, decodeOnce } from '../src/decode-map.ts'
import { Endpoint } from './endpoint.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const MIB = 0x10_0000

/** A bridge that forwards the megabytes [first, last], with functions below it whose BARs stand at these megabytes. */
const below = fc.record({
  first: fc.nat(12),
  last: fc.nat(12),
  on: fc.boolean(),
  bars: fc.array(fc.nat(15), { maxLength: 3 }),
})

function build(bridges: readonly (typeof below extends fc.Arbitrary<infer B> ? B : never)[], bars: readonly number[]) {
  const root = new RootComplex()
  const place = (megabyte: number, bus: RootComplex['rootBus'], device: number, fn: number): void => {
    const one = new Endpoint({ bars: [{ bar: 0, kind: 'memory32', size: MIB }] })
    root.attach(one, { bus, device, fn })
    one.config.write(0x10, 4, megabyte * MIB)
    one.config.write(0x04, 2, 2)
  }
  bars.forEach((megabyte, index) => {
    place(megabyte, root.rootBus, 2 * index, 0)
  })
  bridges.forEach(({ first, last, on, bars: behind }, index) => {
    const bridge = new Bridge({ vendorId: 0x1b36, deviceId: 1, classCode: 0x06_0400 })
    root.attach(bridge, { device: 2 * index + 1 })
    bridge.config.write(0x20, 4, ((last << 20) | (first << 4)) >>> 0)
    bridge.config.write(0x04, 2, on ? 2 : 0)
    behind.forEach((megabyte, device) => {
      place(megabyte, bridge.secondary, device, 0)
    })
  })
  return root
}

describe('what answers at an address', () => {
  it('is the same with a map and without, however BARs and windows overlap', () => {
    fc.assert(
      fc.property(fc.array(below, { maxLength: 3 }), fc.array(fc.nat(15), { maxLength: 3 }), (bridges, bars) => {
        const root = build(bridges, bars)
        const map = new DecodeMap('memory', root.rootBuses)
        for (let megabyte = 0; megabyte < 16; megabyte++) {
          const address = megabyte * MIB + 0x123
          const once = decodeOnce('memory', root.rootBuses, address)
          const mapped = map.find(address)
          expect(once?.function).toBe(mapped?.function)
          expect(once?.barAddress).toBe(mapped?.barAddress)
        }
      }),
      RUNS,
    )
  })

  it('stays the same as lookups go on, and follows a change at once', () => {
    const root = build([{ first: 1, last: 4, on: true, bars: [2, 3] }], [8])
    const [far] = [...root.functions()].filter(({ bus }) => bus.bridge !== null)
    for (let lookup = 0; lookup < 20; lookup++) {
      expect(root.decodeMemory(2 * MIB + 4)).toEqual({ function: far!.function, bar: 0, offset: 4 })
    }
    far!.function.config.write(0x10, 4, 4 * MIB)
    expect(root.decodeMemory(2 * MIB + 4)).toBeNull()
    for (let lookup = 0; lookup < 20; lookup++) {
      expect(root.decodeMemory(4 * MIB)).toEqual({ function: far!.function, bar: 0, offset: 0 })
    }
  })
})
