import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bench } from './bench.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const word = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4096, 0x0b, 0x0f, 0xffff_ffff, 0x8000_0000), fc.nat(0xffff_ffff))
const access = fc.record({
  offset: fc.oneof(
    fc.integer({ min: 0, max: 0x40 }).map((at) => at * 4),
    fc.nat(0x1ff),
  ),
  width: fc.constantFrom(1, 2, 4, 4, 4),
  value: word,
  write: fc.boolean(),
})

const benches = { true: new Bench({ legacy: true }), false: new Bench({ legacy: false, accessPlatform: true }) }

test('whatever is written to the block, it answers words, works within bounds, and starts anew after a reset', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(access, { maxLength: 40 }), (legacy, accesses) => {
      const bench = benches[`${legacy}`]
      for (const { offset, width, value, write } of accesses) {
        const at = offset - (offset % width)
        if (write) bench.device.write(at, width as 1 | 2 | 4, value)
        const got = bench.device.read(at, width as 1 | 2 | 4)
        expect(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * width)).toBe(true)
        bench.device.work(8)
      }
      bench.write(0x070, 0)
      expect(bench.read(0x070)).toBe(0)
      expect(bench.read(0x060)).toBe(0)
      bench.write(0x030, 0)
      expect(bench.read(legacy ? 0x040 : 0x044)).toBe(0)
      expect(bench.device.brokenReason).toBeNull()
      // Edges alternate, and a device that was reset has its line down.
      expect(bench.line.every((edge, index) => edge === (index % 2 === 0 ? 'up' : 'down'))).toBe(true)
      expect(bench.line.length % 2).toBe(0)
      bench.line.length = 0
    }),
    { numRuns: RUNS },
  )
})
