import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNet } from '../src/index.ts'
import { Bench, FUZZ_RUNS, pattern } from './bench.ts'
import { arpRequest, CTRL, LEGACY_WITHOUT_MERGING, MAC, RX, setup, TX } from './net-bench.ts'

describe('§5.1.6.4 merged receive buffers', () => {
  it('spreads a frame over as many chains as it takes, and says so in the first', () => {
    const { bench, device } = setup()
    const frame = pattern(500, 6)
    const buffers = [bench.piece(11), bench.piece(200), bench.piece(300), bench.piece(300)]
    // The first chain's header lies across two buffers, in the middle of num_buffers.
    bench.add(RX, [], [buffers[0]!, buffers[1]!], 1)
    bench.add(RX, [], [buffers[2]!], 2)
    bench.add(RX, [], [buffers[3]!], 3)
    expect(device.deliver(frame)).toBe(true)
    bench.run()
    expect(bench.reap(RX)).toEqual([
      { token: 1, length: 211 },
      { token: 2, length: 300 },
      { token: 3, length: 1 },
    ])
    expect([buffers[0]!.bytes[10], buffers[1]!.bytes[0]]).toEqual([3, 0])
    const got = [...buffers[1]!.bytes.subarray(1), ...buffers[2]!.bytes, buffers[3]!.bytes[0]!]
    expect(got).toEqual([...frame])
    expect(device.counters).toEqual({ transmitted: 0, received: 1, dropped: 0 })
  })

  it('copies the frame: its owner may go on to use the bytes', () => {
    const { bench, device } = setup()
    const frame = pattern(60)
    device.deliver(frame)
    frame.fill(0)
    const buffer = bench.piece(72)
    bench.add(RX, [], [buffer])
    bench.run()
    expect(buffer.bytes.subarray(12)).toEqual(pattern(60))
  })

  it('gives nothing back before it has the last buffer', () => {
    const { bench, device } = setup()
    bench.add(RX, [], [bench.piece(100)], 1)
    device.deliver(pattern(150))
    expect(bench.run()).toBe('idle')
    expect(bench.reap(RX)).toEqual([])
    bench.add(RX, [], [bench.piece(100)], 2)
    bench.run()
    expect(bench.reap(RX).map(({ length }) => length)).toEqual([100, 62])
  })

  it('loses the frame, not the buffers, where one of them is refused', () => {
    const { bench, device } = setup()
    const [good, bad] = [bench.piece(100), bench.piece(100)]
    bench.refuse(bad)
    bench.add(RX, [], [good], 1)
    bench.add(RX, [], [bad], 2)
    device.deliver(pattern(150))
    bench.run()
    expect(bench.reap(RX)).toEqual([
      { token: 1, length: 0 },
      { token: 2, length: 0 },
    ])
    expect(device.counters).toEqual({ transmitted: 0, received: 0, dropped: 1 })
  })

  it('waits for remote memory, also for that of num_buffers, and delivers the frame once', () => {
    for (let transfer = 0; transfer < 4; transfer++) {
      const { bench, device } = setup()
      const [a, b] = [bench.piece(100), bench.piece(100)]
      bench.add(RX, [], [a], 1)
      bench.add(RX, [], [b], 2)
      device.deliver(pattern(150))
      bench.delayAfter(transfer)
      expect(bench.run()).toBe('waiting')
      expect(bench.reap(RX)).toEqual([])
      expect(bench.run()).toBe('idle')
      expect(bench.reap(RX).map(({ length }) => length)).toEqual([100, 62])
      expect([...a.bytes.subarray(12), ...b.bytes.subarray(0, 62)]).toEqual([...pattern(150)])
      expect(a.bytes[10]).toBe(2)
    }
  })

  it('without merging, a frame that does not fit is lost and its buffer kept for the next', () => {
    const { bench, device } = setup(LEGACY_WITHOUT_MERGING)
    bench.add(RX, [], [bench.piece(100)], 1)
    device.deliver(pattern(150))
    bench.run()
    expect(bench.reap(RX)).toEqual([])
    device.deliver(pattern(90))
    bench.run()
    expect(bench.reap(RX)).toEqual([{ token: 1, length: 100 }])
    expect(device.counters).toEqual({ transmitted: 0, received: 1, dropped: 1 })
  })

  it('takes no buffer before there is a frame for it', () => {
    const { bench, device } = setup()
    for (let token = 0; token < 3; token++) bench.add(RX, [], [bench.piece(100)], token)
    bench.run()
    expect(bench.held(RX)).toBe(0)
    device.deliver(pattern(60))
    bench.run()
    expect([bench.reap(RX).length, bench.held(RX)]).toEqual([1, 0])
  })

  it('keeps frames until there are buffers, but no more than its backlog', () => {
    const device = createNet({ mac: MAC, backlog: 2 })
    const bench = new Bench(device)
    expect([1, 2, 3].map((seed) => device.deliver(pattern(60, seed)))).toEqual([true, true, false])
    expect(bench.run()).toBe('idle')
    for (let token = 0; token < 3; token++) bench.add(RX, [], [bench.piece(100)], token)
    bench.run()
    expect(bench.reap(RX)).toHaveLength(2)
    expect(device.counters.dropped).toBe(1)
  })
})

describe('properties', () => {
  it('every frame arrives whole, once, in order, however buffers are cut', () => {
    const device = createNet({ mac: MAC })
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 3 }),
        fc.array(fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 2 }), { maxLength: 24 }),
        (lengths, chains) => {
          device.reset()
          const bench = new Bench(device, { memory: 1 << 18 })
          const frames = lengths.map((length, seed) => pattern(length, seed))
          const buffers = chains.map((sizes) => sizes.map((size, at) => bench.piece(at === 0 ? size + 12 : size)))
          for (const frame of frames) device.deliver(frame)
          for (const [token, chain] of buffers.entries()) bench.add(RX, [], chain, token)
          bench.run()
          const used = bench.reap(RX)
          expect(used.map(({ token }) => token)).toEqual(used.map((_, index) => index))
          // Reads the used chains as a driver does: num_buffers of them make a packet.
          const got: number[][] = []
          for (let at = 0; at < used.length; ) {
            const bytesOf = (index: number): number[] =>
              buffers[index]!.flatMap(({ bytes }) => [...bytes]).slice(0, used[index]!.length)
            const packet = bytesOf(at)
            const count = packet[10]! | (packet[11]! << 8)
            for (let more = 1; more < count; more++) packet.push(...bytesOf(at + more))
            got.push(packet.slice(12))
            at += count
          }
          expect(got).toEqual(frames.slice(0, got.length).map((frame) => [...frame]))
          // What did not arrive had no room in the buffers that are left.
          const left = buffers.slice(used.length).flat()
          const room = left.reduce((sum, { bytes }) => sum + bytes.length, 0)
          const next = frames[got.length]
          if (next !== undefined) expect(room).toBeLessThan(12 + next.length)
        },
      ),
      { numRuns: FUZZ_RUNS },
    )
  })

  it('whatever the driver sends, on whatever queue, the device answers or asks for a reset; it never throws', () => {
    const device = createNet({ mac: MAC })
    fc.assert(
      fc.property(
        fc.constantFrom(RX, TX, CTRL),
        fc.uint8Array({ maxLength: 80 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 3 }),
        (queue, bytes, writable) => {
          if (bytes.length + writable.length === 0) return
          device.reset()
          const bench = new Bench(device, { memory: 1 << 16 })
          device.deliver(arpRequest())
          bench.add(
            queue,
            bytes.length > 0 ? [bench.piece(bytes)] : [],
            writable.map((length) => bench.piece(length)),
          )
          expect(bench.run()).toBe('idle')
          const back = bench.reap(queue).length
          // A receive chain may be kept, for the rest of the frame.
          if (queue !== RX) expect(back + (bench.resetReason === null ? 0 : 1)).toBe(1)
        },
      ),
      { numRuns: FUZZ_RUNS },
    )
  })
})
