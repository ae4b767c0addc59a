import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBlock, createMemoryDisk, createSparseDisk, type Disk } from '../src/index.ts'
import { Bench, FUZZ_RUNS, pattern, words } from './bench.ts'

// virtio 1.3 §5.2.6: le32 type, le32 reserved, le64 sector.
const IN = 0
const OUT = 1
const FLUSH = 4
const GET_ID = 8
const DISCARD = 11
const WRITE_ZEROES = 13
const OK = 0
const IOERR = 1
const UNSUPP = 2
const header = (type: number, sector = 0, sectorHi = 0): Uint8Array => words(type, 0, sector, sectorHi)

/** A bench with a disk of `sectors`, filled with a pattern. */
function setup(options: { sectors?: number; readOnly?: boolean; serial?: string } = {}) {
  const content = pattern((options.sectors ?? 64) * 512)
  const bench = new Bench(createBlock({ disk: createMemoryDisk(content), ...options }))
  /** Runs one request; the status byte starts as 0xee, which no device writes. */
  const run = (type: number, sector: number, readable: Uint8Array[], writable: number[], sectorHi = 0) => {
    const outgoing = [header(type, sector, sectorHi), ...readable].map((bytes) => bench.piece(bytes))
    const incoming = writable.map((length) => bench.piece(length))
    const status = bench.piece(Uint8Array.of(0xee))
    const used = bench.request(0, outgoing, [...incoming, status])
    return { used, status: status.bytes[0], data: incoming.map(({ bytes }) => bytes) }
  }
  return { bench, content, run }
}

describe('what the device offers', () => {
  it('has the configuration and features of QEMU for a disk of 8 MiB', () => {
    const device = createBlock({ disk: createSparseDisk(8 * 2 ** 20) })
    expect(device.type).toBe(2)
    expect(device.queueSizes).toEqual([256])
    // Linux on QEMU negotiated 2, 4, 6, 9, 10, 11, 13 and 14 (with 28, 29, 32 of the transport).
    expect(device.features).toEqual({
      lo: [2, 4, 6, 9, 10, 11, 13, 14].reduce((sum, bit) => sum + 2 ** bit, 0),
      hi: 0,
    })
    const { config } = device
    expect(config.size).toBe(60)
    expect(config.read(0, 4)).toBe(16_384) // capacity
    expect(config.read(4, 4)).toBe(0)
    expect(config.read(12, 4)).toBe(254) // seg_max
    expect(config.read(16, 2)).toBe(16) // cylinders
    expect(config.read(18, 1)).toBe(16) // heads
    expect(config.read(19, 1)).toBe(63) // sectors
    expect(config.read(20, 4)).toBe(512) // blk_size
    expect(config.read(32, 1)).toBe(1) // writeback
    expect(config.read(34, 2)).toBe(1) // num_queues
    expect(config.read(36, 4)).toBe(0x3f_ffff) // max_discard_sectors
    expect(config.read(40, 4)).toBe(1)
    expect(config.read(44, 4)).toBe(1) // discard_sector_alignment
    expect(config.read(48, 4)).toBe(0x3f_ffff) // max_write_zeroes_sectors
    expect(config.read(52, 4)).toBe(1)
    expect(config.read(56, 1)).toBe(1) // write_zeroes_may_unmap
  })

  it('reports capacities above 2^32 sectors in both halves', () => {
    const { config } = createBlock({ disk: createSparseDisk(2 ** 42) })
    expect(config.read(0, 4)).toBe(0)
    expect(config.read(4, 4)).toBe(2)
    expect(config.read(16, 2)).toBe(16_383)
  })

  it('offers RO of a read-only disk and MQ of more than one queue', () => {
    const disk = createSparseDisk(512)
    expect(createBlock({ disk, readOnly: true }).features.lo & (1 << 5)).not.toBe(0)
    const many = createBlock({ disk, queues: 4 })
    expect(many.features.lo & (1 << 12)).not.toBe(0)
    expect(many.queueSizes).toEqual([256, 256, 256, 256])
    expect(many.config.read(34, 2)).toBe(4)
  })

  it('takes no writes to its configuration but to writeback', () => {
    const { config } = createBlock({ disk: createSparseDisk(1024) })
    for (let offset = 0; offset < 60; offset += 4) config.write(offset, 4, 0xffff_ffff)
    expect(config.read(0, 4)).toBe(2)
    expect(config.read(32, 4)).toBe(0x0001_0001)
    config.write(32, 1, 0)
    expect(config.read(32, 1)).toBe(0)
  })

  it('refuses options that make no device', () => {
    const disk = createSparseDisk(1000)
    expect(() => createBlock({ disk })).toThrow(RangeError)
    expect(() => createBlock({ disk: createSparseDisk(1024), queueSize: 100 })).toThrow(RangeError)
    expect(() => createBlock({ disk: createSparseDisk(1024), blockSize: 256 })).toThrow(RangeError)
    expect(() => createBlock({ disk: createSparseDisk(1024), serial: 'x'.repeat(21) })).toThrow(RangeError)
    expect(() => createBlock({ disk: createSparseDisk(1024), queues: 0 })).toThrow(RangeError)
  })
})

describe('§5.2.6 requests', () => {
  it('reads sectors and counts data and status as written', () => {
    const { content, run, bench } = setup()
    const { used, status, data } = run(IN, 3, [], [1024])
    expect(status).toBe(OK)
    expect(used).toBe(1025)
    expect(data[0]).toEqual(content.subarray(1536, 2560))
    expect(bench.interrupts[0]).toBe(1)
  })

  it('writes sectors, and counts the status alone as written', () => {
    const { content, run } = setup()
    const sent = pattern(1024, 9)
    const { used, status } = run(OUT, 5, [sent], [])
    expect({ used, status }).toEqual({ used: 1, status: OK })
    expect(content.subarray(2560, 3584)).toEqual(sent)
  })

  it('moves more than one chunk of 64 KiB in order', () => {
    const { content, run } = setup({ sectors: 512 })
    const { used, status, data } = run(IN, 1, [], [100_000, 61_792])
    expect({ used, status }).toEqual({ used: 161_793, status: OK })
    expect(data[0]).toEqual(content.subarray(512, 100_512))
    expect(data[1]).toEqual(content.subarray(100_512, 162_304))
  })

  it('finds header and data wherever the buffers are cut (§2.7.4: no assumptions about framing)', () => {
    const { bench, content } = setup()
    const head = header(OUT, 2)
    const sent = pattern(512, 4)
    const readable = [head.subarray(0, 3), head.subarray(3, 15)].map((bytes) => bench.piece(bytes))
    const last = new Uint8Array(101)
    last.set(head.subarray(15))
    last.set(sent.subarray(0, 100), 1)
    const status = bench.piece(1)
    const used = bench.request(0, [...readable, bench.piece(last), bench.piece(sent.subarray(100))], [status])
    expect(used).toBe(1)
    expect(content.subarray(1024, 1536)).toEqual(sent)
  })

  it('puts the status in the last writable byte, also of a data buffer', () => {
    const { bench, content } = setup()
    const both = bench.piece(513)
    expect(bench.request(0, [bench.piece(header(IN, 0))], [both])).toBe(513)
    expect(both.bytes.subarray(0, 512)).toEqual(content.subarray(0, 512))
    expect(both.bytes[512]).toBe(OK)
  })

  it('ignores the barrier flag of legacy drivers', () => {
    expect(setup().run(0x8000_0000, 0, [], [512]).status).toBe(OK)
  })

  it('answers UNSUPP to a type that it does not know', () => {
    for (const type of [2, 3, 5, 14, 24, 0x7fff_ffff]) {
      const { status, used } = setup().run(type, 0, [], [])
      expect({ type, status, used }).toEqual({ type, status: UNSUPP, used: 1 })
    }
  })

  it('answers IOERR beyond the end, for parts of a sector, and for absurd sectors', () => {
    const { run, content } = setup({ sectors: 8 })
    const before = content.slice()
    expect(run(IN, 8, [], [512]).status).toBe(IOERR)
    expect(run(IN, 7, [], [1024]).status).toBe(IOERR)
    expect(run(IN, 0, [], [511]).status).toBe(IOERR)
    expect(run(OUT, 9, [pattern(512)], []).status).toBe(IOERR)
    expect(run(IN, 0, [], [512], 1).status).toBe(IOERR)
    expect(run(IN, 0xffff_ffff, [], [512], 0xffff_ffff).status).toBe(IOERR)
    expect(run(OUT, 0xffff_ffff, [pattern(512)], [], 0xffff_ffff).status).toBe(IOERR)
    expect(content).toEqual(before)
  })

  it('counts nothing before the status as written after an error', () => {
    expect(setup({ sectors: 8 }).run(IN, 8, [], [512]).used).toBe(0)
  })

  it('§5.2.6.2: does not write a read-only disk, in any way', () => {
    const { run, content } = setup({ readOnly: true })
    const before = content.slice()
    expect(run(OUT, 0, [pattern(512, 3)], []).status).toBe(IOERR)
    expect(run(WRITE_ZEROES, 0, [words(0, 0, 1, 0)], []).status).toBe(IOERR)
    expect(run(DISCARD, 0, [words(0, 0, 1, 0)], []).status).toBe(IOERR)
    expect(content).toEqual(before)
    expect(run(IN, 0, [], [512]).status).toBe(OK)
  })

  it('flushes the disk, and answers IOERR where that fails', () => {
    let flushes = 0
    const disk: Disk = { ...createMemoryDisk(new Uint8Array(512)), flush: () => ++flushes === 1 }
    const bench = new Bench(createBlock({ disk }))
    const status = bench.piece(1)
    expect(bench.request(0, [bench.piece(header(FLUSH))], [status])).toBe(1)
    expect(status.bytes[0]).toBe(OK)
    bench.request(0, [bench.piece(header(FLUSH))], [status])
    expect(status.bytes[0]).toBe(IOERR)
    expect(flushes).toBe(2)
  })

  it('writes through where the driver turned the cache off', () => {
    let flushes = 0
    const disk: Disk = {
      ...createMemoryDisk(new Uint8Array(1024)),
      flush: () => {
        flushes++
        return true
      },
    }
    const bench = new Bench(createBlock({ disk }))
    const write = () => bench.request(0, [bench.piece(header(OUT)), bench.piece(pattern(512))], [bench.piece(1)])
    write()
    expect(flushes).toBe(0)
    bench.device.config.write(32, 1, 0)
    write()
    expect(flushes).toBe(1)
  })

  it('has the cache off for a driver that can neither flush nor set it', () => {
    const device = createBlock({ disk: createSparseDisk(512) })
    new Bench(device, { without: { lo: (1 << 9) | (1 << 11), hi: 0 } })
    expect(device.config.read(32, 1)).toBe(0)
    device.reset()
    expect(device.config.read(32, 1)).toBe(1)
  })

  it('answers GET_ID with the serial, padded with zeroes, as far as the buffer goes', () => {
    const { run } = setup({ serial: 'dmascope-0' })
    const whole = run(GET_ID, 0, [], [20])
    expect(whole).toMatchObject({ status: OK, used: 21 })
    expect(new TextDecoder().decode(whole.data[0])).toBe('dmascope-0'.padEnd(20, '\0'))
    expect(new TextDecoder().decode(run(GET_ID, 0, [], [4]).data[0])).toBe('dmas')
    expect(run(GET_ID, 0, [], []).status).toBe(OK)
  })

  it('clears sectors by discard and write zeroes', () => {
    const { run, content } = setup({ sectors: 8 })
    const before = content.slice()
    expect(run(WRITE_ZEROES, 0, [words(1, 0, 2, 1)], []).status).toBe(OK)
    expect(run(DISCARD, 0, [words(6, 0, 1, 0)], []).status).toBe(OK)
    const after = before.slice()
    after.fill(0, 512, 1536)
    after.fill(0, 3072, 3584)
    expect(content).toEqual(after)
  })

  it('§5.2.6.2: refuses unknown flags, unmap in a discard, and other than one segment', () => {
    const { run } = setup({ sectors: 8 })
    expect(run(DISCARD, 0, [words(0, 0, 1, 1)], []).status).toBe(UNSUPP)
    expect(run(WRITE_ZEROES, 0, [words(0, 0, 1, 2)], []).status).toBe(UNSUPP)
    expect(run(DISCARD, 0, [words(0, 0, 1, 0, 1, 0, 1, 0)], []).status).toBe(UNSUPP)
    expect(run(WRITE_ZEROES, 0, [words(0, 0, 1)], []).status).toBe(UNSUPP)
    expect(run(WRITE_ZEROES, 0, [words(7, 0, 2, 0)], []).status).toBe(IOERR)
    expect(run(DISCARD, 0, [words(0, 0, 0xffff_ffff, 0)], []).status).toBe(IOERR)
  })
})

describe('memory that the device may not reach', () => {
  it('answers IOERR where the data of a read cannot be written', () => {
    const { bench } = setup()
    const data = bench.piece(512)
    const status = bench.piece(Uint8Array.of(0xee))
    bench.refuse(data)
    expect(bench.request(0, [bench.piece(header(IN))], [data, status])).toBe(0)
    expect(status.bytes[0]).toBe(IOERR)
    expect(bench.resetReason).toBeNull()
  })

  it('answers IOERR where the data of a write cannot be read, and leaves the disk alone', () => {
    const { bench, content } = setup()
    const before = content.slice()
    const data = bench.piece(pattern(512, 8))
    const status = bench.piece(Uint8Array.of(0xee))
    bench.refuse(data)
    expect(bench.request(0, [bench.piece(header(OUT)), data], [status])).toBe(1)
    expect(status.bytes[0]).toBe(IOERR)
    expect(content).toEqual(before)
  })

  it('answers IOERR where the header cannot be read, and gives the chain back where the status cannot be written', () => {
    const { bench } = setup()
    const head = bench.piece(header(IN))
    const status = bench.piece(Uint8Array.of(0xee))
    bench.refuse(head)
    expect(bench.request(0, [head], [bench.piece(512), status])).toBe(0)
    expect(status.bytes[0]).toBe(IOERR)
    const other = bench.piece(Uint8Array.of(0xee))
    bench.refuse(other)
    expect(bench.request(0, [bench.piece(header(IN))], [bench.piece(512), other])).toBe(512)
    expect(other.bytes[0]).toBe(0xee)
  })

  it.each(['header', 'first chunk', 'second chunk', 'status'])('waits for remote memory: %s', (transfer) => {
    const { bench, content } = setup({ sectors: 512 })
    const data = bench.piece(131_072)
    const status = bench.piece(Uint8Array.of(0xee))
    bench.add(0, [bench.piece(header(IN))], [data, status])
    bench.delayAfter(['header', 'first chunk', 'second chunk', 'status'].indexOf(transfer))
    expect(bench.run()).toBe('waiting')
    expect(bench.reap(0)).toEqual([])
    expect(bench.run()).toBe('idle')
    expect(bench.reap(0)).toEqual([{ token: 0, length: 131_073 }])
    expect(data.bytes).toEqual(content.subarray(0, 131_072))
    expect(status.bytes[0]).toBe(OK)
  })
})

describe('chains that no driver should send', () => {
  it.each([
    ['no header', [] as number[], [1]],
    ['a short header', [15], [1]],
    ['no status byte', [16], [] as number[]],
    ['a write without status', [16, 512], [] as number[]],
  ])('%s: the device needs a reset, and then works again', (_name, readable, writable) => {
    const { bench, content } = setup()
    bench.add(
      0,
      readable.map((length) => bench.piece(length)),
      writable.map((length) => bench.piece(length)),
    )
    expect(bench.run()).toBe('idle')
    expect(bench.resetReason).toMatch(/virtio-blk/)
    expect(bench.reap(0)).toEqual([])
    bench.device.notify(0)
    expect(bench.device.work(64)).toBe('idle')

    bench.device.reset()
    const again = new Bench(bench.device)
    const data = again.piece(512)
    expect(again.request(0, [again.piece(header(IN))], [data, again.piece(1)])).toBe(513)
    expect(data.bytes).toEqual(content.subarray(0, 512))
  })

  it('a read of 4 GiB and more into the same buffer is refused without moving it', () => {
    const { bench } = setup()
    const status = bench.piece(Uint8Array.of(0xee))
    const huge = { address: 0x10_0000 - 4096, bytes: { length: 0xffff_fe00 } as unknown as Uint8Array }
    bench.add(0, [bench.piece(header(IN))], [huge, huge, status])
    expect(bench.run(1)).toBe('idle')
    expect(status.bytes[0]).toBe(IOERR)
  })

  it('takes requests on each of its queues, a chunk of one after a chunk of the other', () => {
    const content = pattern(64 * 512)
    const bench = new Bench(createBlock({ disk: createMemoryDisk(content), queues: 2 }))
    const results = [0, 1].map((queue) => {
      const data = bench.piece(512)
      bench.add(queue, [bench.piece(header(IN, queue + 4))], [data, bench.piece(1)])
      return data
    })
    bench.run(1)
    expect(bench.reap(0)).toHaveLength(1)
    expect(bench.reap(1)).toHaveLength(1)
    expect(results[0]!.bytes).toEqual(content.subarray(2048, 2560))
    expect(results[1]!.bytes).toEqual(content.subarray(2560, 3072))
  })
})

describe('properties', () => {
  it('a disk behind the device is a disk: random requests against a plain array', () => {
    const SECTORS = 32
    const disk = createSparseDisk(SECTORS * 512)
    const model = new Uint8Array(SECTORS * 512)
    const bench = new Bench(createBlock({ disk, queueSize: 8 }))
    const head = bench.piece(16)
    const data = bench.piece(4096)
    const status = bench.piece(1)
    fc.assert(
      fc.property(
        fc.constantFrom(IN, OUT, FLUSH, DISCARD, WRITE_ZEROES),
        fc.nat(SECTORS + 2),
        fc.nat(5),
        fc.array(fc.integer({ min: 1, max: 1500 }), { maxLength: 3 }),
        fc.nat(255),
        (type, sector, count, cuts, seed) => {
          const bytes = count * 512
          const clears = type === DISCARD || type === WRITE_ZEROES
          head.bytes.set(header(type, sector))
          const length = clears ? 16 : type === FLUSH ? 0 : bytes
          if (type === OUT) data.bytes.set(pattern(bytes, seed))
          if (clears) data.bytes.set(words(sector, 0, count, 0))
          status.bytes[0] = 0xee
          // Cuts the data into buffers at random places.
          const pieces = []
          let at = 0
          for (const cut of [...cuts, length]) {
            const end = Math.min(at + cut, length)
            if (end > at) {
              pieces.push({ address: data.address + at, bytes: data.bytes.subarray(at, end) })
            }
            at = end
          }
          const used = bench.request(
            0,
            type === IN ? [head] : [head, ...pieces],
            type === IN ? [...pieces, status] : [status],
          )
          const inside = sector * 512 + bytes <= SECTORS * 512
          const ok = type === FLUSH || inside
          expect(status.bytes[0]).toBe(ok ? OK : IOERR)
          if (!ok) return
          expect(used).toBe(type === IN ? bytes + 1 : 1)
          const start = sector * 512
          if (type === OUT) model.set(data.bytes.subarray(0, bytes), start)
          if (clears) model.fill(0, start, start + bytes)
          if (type === IN) expect(data.bytes.subarray(0, bytes)).toEqual(model.subarray(start, start + bytes))
        },
      ),
      { numRuns: FUZZ_RUNS },
    )
    const whole = new Uint8Array(SECTORS * 512)
    disk.read(0, whole)
    expect(whole).toEqual(model)
  })

  it('whatever bytes and lengths the driver sends, the device answers, or asks for a reset; it never throws', () => {
    const device = createBlock({ disk: createSparseDisk(4096, { limit: 65_536 }), queueSize: 16 })
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 600 }), { maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 600 }), { maxLength: 3 }),
        (bytes, readable, writable) => {
          if (bytes.length + readable.length + writable.length === 0) return
          device.reset()
          const bench = new Bench(device, { memory: 65_536 })
          bench.add(
            0,
            [...(bytes.length > 0 ? [bench.piece(bytes)] : []), ...readable.map((length) => bench.piece(length))],
            writable.map((length) => bench.piece(length)),
          )
          expect(bench.run()).toBe('idle')
          expect(bench.reap(0).length + (bench.resetReason === null ? 0 : 1)).toBe(1)
        },
      ),
      { numRuns: FUZZ_RUNS },
    )
  })
})
