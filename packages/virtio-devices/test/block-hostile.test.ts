import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBlock, createMemoryDisk, createSparseDisk } from '../src/index.ts'
import { Bench, FUZZ_RUNS, pattern, words } from './bench.ts'
import { DISCARD, FLUSH, header, IN, IOERR, OK, OUT, setup, WRITE_ZEROES } from './block-bench.ts'

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
