import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createConsole } from '../src/index.ts'
import { Bench, FUZZ_RUNS, pattern } from './bench.ts'

const RX = 0
const TX = 1
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const read = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('what the device offers', () => {
  it('has type 3, one port, emergency write, and the size that it was given', () => {
    const plain = createConsole()
    expect([plain.type, plain.queueSizes, plain.features]).toEqual([3, [128, 128], { lo: 4, hi: 0 }])
    expect(plain.config.size).toBe(12)
    expect(plain.config.read(4, 4)).toBe(1) // max_nr_ports
    const sized = createConsole({ size: { cols: 132, rows: 50 } })
    expect(sized.features.lo).toBe(5)
    expect([sized.config.read(0, 2), sized.config.read(2, 2)]).toEqual([132, 50])
  })

  it('tells of a new size to a driver that negotiated it, and to no other', () => {
    const device = createConsole({ size: { cols: 80, rows: 25 } })
    const bench = new Bench(device)
    device.resize(100, 40)
    expect([bench.configChanges, device.config.read(0, 4)]).toEqual([1, 100 | (40 << 16)])
    const plain = createConsole()
    const other = new Bench(plain)
    plain.resize(100, 40)
    expect(other.configChanges).toBe(0)
  })
})

describe('output', () => {
  it('keeps what the guest prints', () => {
    const device = createConsole()
    const bench = new Bench(device)
    expect(bench.request(TX, [bench.piece(text('Linux ')), bench.piece(text('version'))], [])).toBe(0)
    bench.request(TX, [bench.piece(text(' 6.12\n'))], [])
    expect(read(device.output)).toBe('Linux version 6.12\n')
    expect(device.printed).toBe(19)
    expect(bench.interrupts).toEqual([0, 2])
  })

  it('passes it to a sink instead, in pieces of its own', () => {
    const seen: Uint8Array[] = []
    const device = createConsole({ sink: (bytes) => seen.push(bytes) })
    const bench = new Bench(device)
    bench.request(TX, [bench.piece(text('one'))], [])
    bench.request(TX, [bench.piece(text('two'))], [])
    expect(seen.map(read)).toEqual(['one', 'two'])
    expect(device.output.length).toBe(0)
  })

  it('keeps no more than its limit, and counts the rest', () => {
    const device = createConsole({ outputLimit: 10 })
    const bench = new Bench(device)
    bench.request(TX, [bench.piece(pattern(9000))], [])
    expect([device.output.length, device.printed]).toEqual([10, 9000])
  })

  it('prints what was read before memory failed, and gives the buffer back', () => {
    const device = createConsole()
    const bench = new Bench(device)
    const bad = bench.piece(10)
    bench.refuse(bad)
    expect(bench.request(TX, [bad], [])).toBe(0)
    expect(device.printed).toBe(0)
    expect(bench.resetReason).toBeNull()
  })

  it('prints gigabytes a chunk at a time, so that work comes to an end', () => {
    const device = createConsole({ outputLimit: 100 })
    const bench = new Bench(device)
    const huge = { address: 0, bytes: { length: 0xffff_ffff } as unknown as Uint8Array }
    bench.add(TX, [huge], [])
    expect(bench.device.work(16)).toBe('more')
    expect(device.printed).toBe(16 * 4096)
    expect(device.output.length).toBe(100)
  })

  it('§5.3.4: an emergency write prints a character, before the driver is there', () => {
    const device = createConsole()
    device.config.write(8, 4, 'O'.charCodeAt(0))
    device.config.write(8, 1, 'K'.charCodeAt(0))
    device.config.write(0, 4, 0x41414141)
    expect(read(device.output)).toBe('OK')
  })
})

describe('input', () => {
  it('goes into buffers as they are there, and waits where they are not', () => {
    const device = createConsole()
    const bench = new Bench(device)
    const [a, b] = [bench.piece(4), bench.piece(8)]
    bench.add(RX, [], [a], 1)
    bench.run()
    expect(bench.reap(RX)).toEqual([])
    expect(bench.held(RX)).toBe(0)
    expect(device.typeIn(text('hello!'))).toBe(6)
    bench.run()
    expect(bench.reap(RX)).toEqual([{ token: 1, length: 4 }])
    bench.add(RX, [], [b], 2)
    bench.add(RX, [], [bench.piece(8)], 3)
    bench.run()
    expect(bench.held(RX)).toBe(0)
    expect(bench.reap(RX)).toEqual([{ token: 2, length: 2 }])
    expect(read(a.bytes) + read(b.bytes.subarray(0, 2))).toBe('hello!')
  })

  it('takes what there is room for', () => {
    const device = createConsole({ inputLimit: 5 })
    expect([device.typeIn(text('abc')), device.typeIn(text('defg')), device.typeIn(text('h'))]).toEqual([3, 2, 0])
    device.reset()
    expect(device.typeIn(text('h'))).toBe(1)
  })

  it('is not written where the device may not write, and is lost', () => {
    const device = createConsole()
    const bench = new Bench(device)
    const piece = bench.piece(4)
    bench.refuse(piece)
    bench.add(RX, [], [piece])
    device.typeIn(text('ab'))
    bench.run()
    expect(bench.reap(RX)).toEqual([{ token: 0, length: 0 }])
    expect(piece.bytes).toEqual(new Uint8Array(4))
  })
})

it('what goes in comes out: any text, in any pieces, through both queues', () => {
  const device = createConsole()
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }),
      (writes, buffers) => {
        device.reset()
        const before = device.printed
        const bench = new Bench(device, { memory: 1 << 17 })
        const pieces = buffers.map((length) => bench.piece(length))
        for (const [token, piece] of pieces.entries()) bench.add(RX, [], [piece], token)
        for (const bytes of writes) {
          device.typeIn(bytes)
          bench.add(TX, [bench.piece(bytes)], [])
        }
        bench.run(3)
        const sent = writes.flatMap((bytes) => [...bytes])
        expect(device.printed - before).toBe(sent.length)
        const got = bench.reap(RX).flatMap(({ token, length }) => [...pieces[token]!.bytes.subarray(0, length)])
        const room = buffers.reduce((sum, length) => sum + length, 0)
        expect(got).toEqual(sent.slice(0, room))
      },
    ),
    { numRuns: FUZZ_RUNS },
  )
})
