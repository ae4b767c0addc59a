import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { XEN_MEMORY_EXCHANGE } from '../src/spec/index.ts'
import { ARGUMENT, MIB, type XenMachine, xenMachine } from './xen-machine.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const PAGE = 4096
const MEMORY_OP = 12
const EXCHANGE = 11
const VIRT_LO = 0x8000_0000
const FIRST_LIST = ARGUMENT + PAGE
const SECOND_LIST = ARGUMENT + 3 * PAGE
const LIST = 32 * MIB
/** Pages that the runs exchange: from here on, as many as this. */
const FIRST = 12_800
const PAGES = 512

let machine: XenMachine
beforeAll(() => {
  machine = xenMachine({ piece: PAGE })
})
afterAll(() => machine.dispose())

const put = (address: number, entries: readonly number[]): void => {
  for (const [index, entry] of entries.entries()) {
    machine.xen.bus.write32(address + index * 8, entry)
    machine.xen.bus.write32(address + index * 8 + 4, 0)
  }
}
const frameOf = (page: number): number => machine.xen.bus.read32(LIST + page * 8)

interface Side {
  readonly entries: readonly number[]
  readonly order: number
}

function exchange(given: Side, wanted: Side, bits = 0): number {
  put(FIRST_LIST, given.entries)
  put(SECOND_LIST, wanted.entries)
  const view = new DataView(new ArrayBuffer(XEN_MEMORY_EXCHANGE.size))
  for (const [at, list, { entries, order }] of [
    [0, FIRST_LIST, given],
    [32, SECOND_LIST, wanted],
  ] as const) {
    view.setUint32(at, VIRT_LO + list, true)
    view.setUint32(at + 4, 0xffff_ffff, true)
    view.setUint32(at + 8, entries.length, true)
    view.setUint32(at + 16, order, true)
    view.setUint16(at + 24, 0x7ff0, true)
  }
  view.setUint32(32 + 20, bits, true)
  return machine.call(MEMORY_OP, EXCHANGE, view)
}

/** Gives `count` pages in a row frames in a row, and keeps the list as a kernel does. */
function makeContiguous(page: number, order: number, bits: number): number {
  const pages = Array.from({ length: 2 ** order }, (_, index) => page + index)
  const code = exchange({ entries: pages.map(frameOf), order: 0 }, { entries: [page], order }, bits)
  if (code !== 0) return code
  const first = machine.xen.bus.read32(SECOND_LIST)
  put(
    LIST + page * 8,
    pages.map((_, index) => first + index),
  )
  return 0
}

describe('XENMEM_exchange', () => {
  it('puts frames in a row, aligned and below the limit, behind the pages, cleared', () => {
    const page = FIRST - 256
    machine.xen.bus.write32(page * PAGE, 0x1111_1111)
    expect(makeContiguous(page, 6, 28)).toBe(0)
    const first = frameOf(page)
    expect(first % 64).toBe(0)
    expect((first + 64) * PAGE).toBeLessThanOrEqual(2 ** 28)
    expect(machine.xen.bus.read32(page * PAGE)).toBe(0)
    machine.xen.bus.write32((page + 63) * PAGE, 0x2222_2222)
    expect(machine.bus.read32((first + 63) * PAGE)).toBe(0x2222_2222)
    expect(machine.xen.foreign.ownerOf(first * PAGE)).toBe('the guest')
  })

  it('leaves all as it was where it cannot', () => {
    const page = FIRST - 128
    const before = frameOf(page)
    expect(makeContiguous(page, 6, 20), 'nothing is free below 1 MiB').toBe(-12)
    expect(exchange({ entries: [before], order: 0 }, { entries: [page, page + 1], order: 0 })).toBe(-22)
    expect(exchange({ entries: [before, before], order: 0 }, { entries: [page, page + 1], order: 0 })).toBe(-22)
    expect(exchange({ entries: [before], order: 0 }, { entries: [page + 1], order: 0 }), 'another page').toBe(-22)
    expect(exchange({ entries: [1], order: 0 }, { entries: [page], order: 0 }), 'a frame of Xen’s').toBe(-22)
    expect(exchange({ entries: [before], order: 11 }, { entries: [page], order: 11 })).toBe(-1)
    machine.xen.bus.write32(page * PAGE, 0x3333_3333)
    expect(machine.bus.read32(before * PAGE)).toBe(0x3333_3333)
  })

  it('keeps every page on a frame of the domain’s, one each, whatever is asked for', () => {
    const small = fc.integer({ min: 0, max: 3 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(PAGES - 33), small, fc.integer({ min: 0, max: 40 })), { maxLength: 2 }),
        (steps) => {
          for (const [offset, order, bits] of steps) makeContiguous(FIRST + offset, order, bits)
          const seen = new Set<number>()
          const wrong: number[] = []
          for (const [offset, order] of steps) {
            for (let page = FIRST + offset; page < FIRST + offset + 2 ** order; page++) {
              const frame = frameOf(page)
              machine.xen.bus.write32(page * PAGE + 4, page)
              const isOwn = machine.xen.foreign.ownerOf(frame * PAGE) === 'the guest'
              if (!isOwn || machine.bus.read32(frame * PAGE + 4) !== page) wrong.push(page)
              seen.add(frame)
            }
          }
          expect(wrong).toEqual([])
          const pages = new Set(
            steps.flatMap(([offset, order]) => Array.from({ length: 2 ** order }, (_, index) => offset + index)),
          )
          expect(seen.size).toBe(pages.size)
        },
      ),
      RUNS,
    )
  })

  it('takes whatever a domain writes for an argument, and never throws', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(12, 17, 32, 33, 34),
        fc.integer({ min: 0, max: 30 }),
        fc.uint8Array({ minLength: 80, maxLength: 80 }),
        fc.array(fc.tuple(fc.nat(9), fc.constantFrom(0, 1, 0x7ff0, VIRT_LO + FIRST_LIST, 0xffff_ffff)), {
          maxLength: 6,
        }),
        (number, command, bytes, words) => {
          const view = new DataView(bytes.slice().buffer)
          for (const [index, value] of words) view.setUint32(index * 8, value, true)
          expect(machine.call(number, command, view)).toBeTypeOf('number')
          // What it had still works.
          machine.xen.bus.write32(FIRST * PAGE, 0x7777_7777)
          expect(machine.xen.bus.read32(FIRST * PAGE)).toBe(0x7777_7777)
        },
      ),
      RUNS,
    )
  })
})
