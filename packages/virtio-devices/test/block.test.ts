import { describe, expect, it } from 'vitest'
import { createBlock, createMemoryDisk, createSparseDisk, type Disk } from '../src/index.ts'
import { Bench, pattern, words } from './bench.ts'
import { DISCARD, FLUSH, GET_ID, header, IN, IOERR, OK, OUT, setup, UNSUPP, WRITE_ZEROES } from './block-bench.ts'

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
