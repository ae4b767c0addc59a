import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createMemoryDisk, createSparseDisk } from '../src/index.ts'
import { FUZZ_RUNS, pattern } from './bench.ts'

const BLOCK = 16_384

it('an empty sparse disk of any size reads as zeroes and takes no memory', () => {
  const disk = createSparseDisk(2 ** 50)
  const bytes = pattern(100)
  expect(disk.read(2 ** 50 - 100, bytes)).toBe(true)
  expect(bytes).toEqual(new Uint8Array(100))
  expect(disk.allocated).toBe(0)
})

it('takes memory for what was written, and gives whole blocks back', () => {
  const disk = createSparseDisk(2 ** 40)
  const sent = pattern(BLOCK + 2)
  expect(disk.write(5 * BLOCK - 1, sent)).toBe(true)
  expect(disk.allocated).toBe(3 * BLOCK)
  const got = new Uint8Array(BLOCK + 2)
  disk.read(5 * BLOCK - 1, got)
  expect(got.every((byte, index) => byte === sent[index])).toBe(true)
  expect(disk.clear(0, 2 ** 40)).toBe(true)
  expect(disk.allocated).toBe(0)
})

it('fails writes above its limit, as a full host does, and goes on to serve what it has', () => {
  const disk = createSparseDisk(2 ** 30, { limit: 2 * BLOCK })
  const two = Uint8Array.of(1, 2)
  expect(disk.write(0, two)).toBe(true)
  expect(disk.write(BLOCK, two)).toBe(true)
  expect(disk.write(2 * BLOCK, two)).toBe(false)
  expect(disk.write(1, two)).toBe(true)
  expect(disk.allocated).toBe(2 * BLOCK)
  disk.clear(0, BLOCK)
  expect(disk.write(2 * BLOCK, two)).toBe(true)
})

it('refuses sizes that are no bytes', () => {
  for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => createSparseDisk(size)).toThrow(RangeError)
  expect(() => createSparseDisk(1, { limit: -1 })).toThrow(RangeError)
})

it('a memory disk and its bytes are one', () => {
  const bytes = new Uint8Array(16)
  const disk = createMemoryDisk(bytes)
  disk.write(4, Uint8Array.of(7))
  expect(bytes[4]).toBe(7)
  bytes[5] = 9
  const got = new Uint8Array(2)
  disk.read(4, got)
  expect(got).toEqual(Uint8Array.of(7, 9))
  disk.clear(5, 1)
  expect(bytes[5]).toBe(0)
})

it('a sparse disk holds what a plain array holds, across blocks', () => {
  // Around the border between two blocks, where the cases are.
  const START = BLOCK - 64
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          what: fc.constantFrom('write', 'clear'),
          at: fc.nat(127),
          length: fc.integer({ min: 1, max: 64 }),
          seed: fc.nat(255),
        }),
        { maxLength: 12 },
      ),
      (steps) => {
        const disk = createSparseDisk(4 * BLOCK)
        const model = new Uint8Array(192)
        for (const { what, at, length, seed } of steps) {
          if (what === 'write') {
            disk.write(START + at, pattern(length, seed))
            model.set(pattern(length, seed), at)
          } else {
            disk.clear(START + at, length)
            model.fill(0, at, at + length)
          }
        }
        const got = new Uint8Array(192)
        disk.read(START, got)
        expect(got).toEqual(model)
      },
    ),
    { numRuns: FUZZ_RUNS },
  )
})
