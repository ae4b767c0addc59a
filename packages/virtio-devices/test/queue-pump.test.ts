import type { DeviceQueue } from '@dmascope/virtqueue/device'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBalloon, createNet, createRng } from '../src/index.ts'
import { QueuePump, SERVE_HOLD } from '../src/queue-pump.ts'
import { Bench, FUZZ_RUNS, pattern } from './bench.ts'

/** A device of `queues` queues of 8 entries that gives every chain back as `serve` says. */
function device(queues: number, serve: (index: number, queue: DeviceQueue, fresh: boolean) => number) {
  const pump = new QueuePump(serve)
  return {
    pump,
    type: 0,
    kind: 'test',
    queueSizes: new Array<number>(queues).fill(8),
    features: { lo: 0, hi: 0 },
    config: { size: 0, read: () => 0, write: () => {} },
    activate: (given: Parameters<QueuePump['activate']>[0], _: unknown, host: Parameters<QueuePump['activate']>[1]) =>
      pump.activate(given, host),
    notify: (queue: number) => pump.wake(queue),
    work: (budget: number) => pump.work(budget),
    reset: () => pump.reset(),
  }
}

describe.each([false, true])('event index: %s', (eventIndex) => {
  it('raises one interrupt for a batch, and none where the driver wants none', () => {
    const bench = new Bench(
      device(1, () => 0),
      { eventIndex },
    )
    for (let token = 0; token < 4; token++) bench.add(0, [bench.piece(1)], [], token)
    bench.run()
    expect([bench.reap(0).length, bench.interrupts[0]]).toEqual([4, 1])
    bench.queues[0]!.disableInterrupts()
    bench.add(0, [bench.piece(1)], [])
    bench.run()
    expect([bench.reap(0).length, bench.interrupts[0]]).toEqual([1, 1])
    expect(bench.queues[0]!.enableInterrupts()).toBe(false)
    bench.add(0, [bench.piece(1)], [])
    bench.run()
    expect([bench.reap(0).length, bench.interrupts[0]]).toEqual([1, 2])
  })

  it('is told of every request that comes while it is at rest, and finds by itself those that come while it works', () => {
    let served = 0
    const bench = new Bench(
      device(1, () => {
        served++
        return 0
      }),
      { eventIndex },
    )
    for (let round = 0; round < 20; round++) {
      bench.add(0, [bench.piece(1)], [])
      bench.add(0, [bench.piece(1)], [])
      expect(bench.device.work(1)).toBe('more')
      expect(bench.add(0, [bench.piece(1)], [])).toBe(false)
      bench.run(1)
      expect(bench.reap(0)).toHaveLength(3)
    }
    expect(served).toBe(60)
  })

  it('no request is lost, whatever is asked of which queue, and when the device works', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(1), fc.integer({ min: 1, max: 8 }), fc.nat(3)), { maxLength: 20 }),
        (steps) => {
          const counts = [0, 0]
          const bench = new Bench(
            device(2, (index) => {
              counts[index]!++
              return 0
            }),
            { eventIndex, memory: 32_768 },
          )
          const piece = bench.piece(1)
          const asked = [0, 0]
          for (const [queue, requests, budget] of steps) {
            for (let count = 0; count < requests && bench.queues[queue]!.free > 0; count++) {
              bench.add(queue, [piece], [])
              asked[queue]!++
            }
            bench.device.work(budget)
            bench.reap(queue)
          }
          expect(bench.run(2)).toBe('idle')
          expect(counts).toEqual(asked)
        },
      ),
      { numRuns: FUZZ_RUNS },
    )
  })

  it('a network card gets its buffers in time, however sparingly it is notified', () => {
    const card = createNet({ mac: Uint8Array.of(2, 0, 0, 0, 0, 1), receiveQueueSize: 4, transmitQueueSize: 4 })
    const bench = new Bench(card, { eventIndex })
    const buffer = bench.piece(100)
    for (let frame = 0; frame < 40; frame++) {
      if (frame % 3 === 0) bench.add(0, [], [buffer])
      expect(card.deliver(pattern(60, frame))).toBe(true)
      bench.run(1)
      if (frame % 3 !== 0) bench.add(0, [], [buffer])
      bench.run(1)
      expect([frame, bench.reap(0).length]).toEqual([frame, 1])
    }
  })
})

it('keeps a chain that is held, and the others of its queue behind it', () => {
  let open = false
  const seen: boolean[] = []
  const bench = new Bench(
    device(2, (index, _queue, fresh) => {
      if (index === 0) seen.push(fresh)
      return index === 1 || open ? 0 : SERVE_HOLD
    }),
  )
  bench.add(0, [bench.piece(1)], [], 1)
  bench.add(0, [bench.piece(1)], [], 2)
  bench.add(1, [bench.piece(1)], [], 3)
  expect(bench.run()).toBe('idle')
  expect([bench.reap(0), bench.reap(1)]).toEqual([[], [{ token: 3, length: 0 }]])
  open = true
  bench.device.notify(0)
  bench.run()
  expect(bench.reap(0).map(({ token }) => token)).toEqual([1, 2])
  expect(seen).toEqual([true, false, true])
})

it('asks for a reset where the ring is broken, and tells why', () => {
  const bench = new Bench(createRng({ seed: 1 }))
  // The available index jumps by more than the queue has entries: its ring follows 8 descriptors of 16 bytes.
  new DataView(bench.memory.buffer).setUint16(8 * 16 + 2, 100, true)
  bench.device.notify(0)
  expect(bench.run()).toBe('idle')
  expect(bench.resetReason).toMatch(/^queue 0: /)
})

it('does nothing before it is activated, for queues that it does not have, and after a reset', () => {
  let served = 0
  const idle = device(1, () => {
    served++
    return 0
  })
  idle.notify(0)
  idle.notify(7)
  expect(idle.work(8)).toBe('idle')
  const bench = new Bench(idle)
  bench.add(0, [bench.piece(1)], [])
  idle.notify(-1)
  idle.notify(7)
  idle.reset()
  expect([idle.work(8), served]).toEqual(['idle', 0])
})

describe('activated again, while it is active', () => {
  it('goes on with the chain that it holds', () => {
    const balloon = createBalloon()
    const bench = new Bench(balloon)
    bench.add(2, [bench.piece(10)], [], 1)
    bench.run()
    bench.activateAgain()
    expect(bench.run()).toBe('idle')
    expect(bench.reap(2)).toEqual([])
    expect(balloon.requestStats()).toBe(true)
    bench.run()
    expect(bench.reap(2)).toEqual([{ token: 1, length: 0 }])
  })

  it('goes on with the frame that is half received', () => {
    const card = createNet({ mac: Uint8Array.of(2, 0, 0, 0, 0, 1) })
    const bench = new Bench(card)
    const pieces = [bench.piece(100), bench.piece(100)]
    bench.add(0, [], [pieces[0]!], 1)
    card.deliver(pattern(150))
    bench.run()
    bench.activateAgain()
    bench.run()
    bench.add(0, [], [pieces[1]!], 2)
    bench.run()
    expect(bench.reap(0).map(({ length }) => length)).toEqual([100, 62])
    expect(pieces[0]!.bytes[10]).toBe(2)
  })
})
