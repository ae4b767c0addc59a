import { CCW_COMMAND, IO_INSTRUCTION, VIRTIO_CCW_COMMAND } from '@dmascope/virtio-ccw/spec'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bench } from './bench.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const codes = [...Object.values(VIRTIO_CCW_COMMAND), ...Object.values(CCW_COMMAND)]
const ccw = fc.record({
  code: fc.oneof(fc.constantFrom(...codes), fc.nat(0xff)),
  flags: fc.oneof(fc.constantFrom(0, 0x20, 0x40, 0x24), fc.nat(0xff)),
  count: fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 25, 32), fc.nat(0xffff)),
  address: fc.oneof(fc.constantFrom(0, 0x400, 0x1000, 0xf_fff8, 0x7fff_fff8), fc.nat(0xffff_ffff)),
})
const bench = new Bench()

test('whatever programs hold, each comes to an end that TSCH tells, and the subchannel can be used again', () => {
  fc.assert(
    fc.property(fc.array(ccw, { minLength: 1, maxLength: 6 }), fc.uint8Array({ maxLength: 64 }), (program, payload) => {
      bench.memory.set(payload, 0x1000)
      for (const [index, { code, flags, count, address }] of program.entries()) {
        const at = 0x400 + index * 8
        bench.view.setUint8(at, code)
        bench.view.setUint8(at + 1, flags)
        bench.view.setUint16(at + 2, count)
        bench.view.setUint32(at + 4, address)
      }
      bench.enable()
      bench.put(0x200, '00000000 0080ff00 00000400')
      expect(bench.io(IO_INSTRUCTION.SSCH, 0x200)).toBe(0)
      let turns = 0
      while (bench.subchannel.work(64) === 'more') turns++
      expect(turns).toBeLessThan(100)
      expect(bench.io(IO_INSTRUCTION.TSCH, 0x300)).toBe(0)
      expect(bench.io(IO_INSTRUCTION.TSCH, 0x300)).toBe(1)
      expect(bench.css.pending).toBe(false)
      bench.started.length = 0
    }),
    { numRuns: RUNS },
  )
})
