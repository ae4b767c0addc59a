import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromHex, toHex } from '../src/index.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

test('hexadecimal digits of either case, with white space between them', () => {
  expect(fromHex('00 fF\n7a', 'x')).toEqual(Uint8Array.of(0, 0xff, 0x7a))
  expect(fromHex('', 'x')).toEqual(new Uint8Array(0))
})

test.each(['0', '123', 'zz', '0x12', '0g', '12 3'])('%j is refused, with the name of what it is', (text) => {
  expect(() => fromHex(text, 'DMAR.reserved')).toThrow(TypeError)
  expect(() => fromHex(text, 'DMAR.reserved')).toThrow('DMAR.reserved: ')
})

test('any bytes survive', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(fromHex(toHex(bytes), 'x')).toEqual(bytes)
    }),
    { numRuns },
  )
})
