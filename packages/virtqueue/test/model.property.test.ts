import { packedRingLayout, splitRingLayout } from '@dmascope/virtqueue'
import { createDeviceQueue, createFlatPort, type DeviceQueue } from '@dmascope/virtqueue/device'
import {
  BufferList,
  createDriverQueue,
  createFlatBus,
  type DriverQueue,
  type IndirectTable,
} from '@dmascope/virtqueue/driver'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

const TABLES = 0x400
const DATA = 0x800
const MEMORY = 0x1000

interface Request {
  readonly token: number
  readonly readable: number
  readonly writable: number
  readonly indirect: boolean
}

/** Both halves on one memory, and beside them what a queue is: lists. */
class Pair {
  readonly memory = new Uint8Array(MEMORY)
  readonly driver: DriverQueue<number>
  readonly device: DeviceQueue
  readonly size: number
  readonly packed: boolean
  readonly added: Request[] = []
  readonly published: Request[] = []
  readonly taken: { request: Request; head: number }[] = []
  readonly completed: { request: Request; written: number }[] = []
  readonly buffers = new BufferList(4)
  #token = 0

  constructor(eventIndex: boolean, packed: boolean, size = 8) {
    const features = { indirect: true, eventIndex, packed }
    const ring = packed ? packedRingLayout(size) : splitRingLayout(size, 64)
    this.size = size
    this.packed = packed
    this.driver = createDriverQueue(createFlatBus(this.memory), { size, ...ring }, features)
    this.device = createDeviceQueue(
      createFlatPort(this.memory),
      { size, descHi: 0, descLo: ring.desc, driverHi: 0, driverLo: ring.driver, deviceHi: 0, deviceLo: ring.device },
      features,
    )
  }

  get descriptorsInUse(): number {
    const all = [...this.added, ...this.published, ...this.taken.map(({ request }) => request)]
    const done = this.completed.map(({ request }) => request)
    return [...all, ...done].reduce((sum, { readable, writable, indirect }) => {
      return sum + (indirect && readable + writable > 1 ? 1 : readable + writable)
    }, 0)
  }

  add(readable: number, writable: number, indirect: boolean): void {
    const token = this.#token++
    const request = { token, readable, writable, indirect }
    this.buffers.clear()
    for (let index = 0; index < readable; index++) this.buffers.readable(0, DATA + (token % 64) * 16, 1 + index)
    for (let index = 0; index < writable; index++) this.buffers.writable(0, DATA + (token % 64) * 16 + 8, 2 + index)
    const slot = TABLES + (token % 16) * 64
    const table: IndirectTable | null = indirect ? { cpu: slot, hi: 0, lo: slot, capacity: 4 } : null
    const needed = indirect && readable + writable > 1 ? 1 : readable + writable
    const fits = this.size - this.descriptorsInUse >= needed
    const head = this.driver.add(this.buffers, token, table)
    expect(head >= 0).toBe(fits)
    // A packed ring has no index: the device sees a chain as soon as it is written.
    if (fits) (this.packed ? this.published : this.added).push(request)
  }

  publish(): void {
    this.driver.publish()
    this.published.push(...this.added.splice(0))
  }

  take(): void {
    const expected = this.published.shift()
    expect(this.device.next()).toBe(expected !== undefined)
    if (expected === undefined) return
    const { readable, writable } = expected
    expect([this.device.readableCount, this.device.count]).toEqual([readable, readable + writable])
    expect(this.device.readableBytes).toBe((readable * (readable + 1)) / 2)
    expect(this.device.writableBytes).toBe((writable * (writable + 3)) / 2)
    expect(this.device.lo[0]).toBe(DATA + (expected.token % 64) * 16 + (readable > 0 ? 0 : 8))
    this.taken.push({ request: expected, head: this.device.head })
  }

  complete(pick: number): void {
    const [one] = this.taken.splice(pick % Math.max(1, this.taken.length), 1)
    if (one === undefined) return
    this.device.complete(one.request.token, one.head)
    this.completed.push({ request: one.request, written: one.request.token })
  }

  reap(): void {
    const expected = this.completed.shift()
    expect(this.driver.reap()).toBe(expected !== undefined)
    if (expected === undefined) return
    expect([this.driver.reapedToken, this.driver.reapedLength]).toEqual([expected.request.token, expected.written])
    expect(this.driver.free).toBe(this.size - this.descriptorsInUse)
  }
}

type Step = { readonly kind: 'add' | 'publish' | 'take' | 'complete' | 'reap'; readonly a: number; readonly b: boolean }
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('add', 'add', 'publish', 'take', 'take', 'complete', 'complete', 'reap', 'reap'),
  a: fc.nat(7),
  b: fc.boolean(),
})

const SHAPES = [
  [1, 0],
  [0, 1],
  [1, 1],
  [2, 0],
  [1, 2],
  [2, 2],
  [0, 3],
  [3, 1],
] as const

function apply(pair: Pair, { kind, a, b }: Step): void {
  if (kind === 'add') pair.add(SHAPES[a]![0], SHAPES[a]![1], b)
  else if (kind === 'publish') pair.publish()
  else if (kind === 'take') pair.take()
  else if (kind === 'complete') pair.complete(a)
  else pair.reap()
}

const KINDS = [
  { ring: 'a split ring of 8', packed: false, size: 8 },
  { ring: 'a packed ring of 8', packed: true, size: 8 },
  { ring: 'a packed ring of 7', packed: true, size: 7 },
] as const

describe.each(KINDS)('$ring', ({ packed, size }) => {
  test('driver and device agree with a plain queue, whatever is done in which order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, eventIndex) => {
        const pair = new Pair(eventIndex, packed, size)
        for (const one of steps) apply(pair, one)
        expect([pair.driver.broken, pair.device.broken]).toEqual([null, null])
      }),
      { numRuns },
    )
  })

  test.each([false, true])('and so they do while the indices wrap twice, event index %s', (eventIndex) => {
    const pair = new Pair(eventIndex, packed, size)
    let seed = 1
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      return (seed >>> 8) % below
    }
    let reaped = 0
    while (reaped < 2 * 65536 + 100) {
      for (let count = random(4); count >= 0; count--) {
        const { driver, device, buffers } = pair
        buffers
          .clear()
          .readable(0, DATA, 1 + (reaped & 7))
          .writable(0, DATA + 8, 3)
        if (driver.add(buffers, reaped + driver.inFlight) < 0) break
        driver.publish()
        if (random(3) > 0 && device.next()) {
          if (device.readableBytes < 1 || device.readableBytes > 8) throw new Error(`${device.readableBytes} bytes`)
          device.complete(reaped & 0xff)
        }
      }
      while (pair.device.next()) pair.device.complete(1)
      while (pair.driver.reap()) {
        if (pair.driver.reapedToken !== reaped) throw new Error(`${pair.driver.reapedToken} in place of ${reaped}`)
        reaped++
      }
      expect(pair.driver.free).toBe(pair.size)
    }
    expect([pair.driver.broken, pair.device.broken]).toEqual([null, null])
  })
})

test('split and packed rings give the same, in any order of work', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, eventIndex) => {
      const log = (packed: boolean): unknown[] => {
        const pair = new Pair(eventIndex, packed)
        const seen: unknown[] = []
        for (const one of steps) {
          apply(pair, one)
          if (one.kind === 'add') pair.publish()
          const { driver, device } = pair
          seen.push([
            driver.free,
            driver.inFlight,
            device.inFlight,
            device.count,
            [...device.lo.subarray(0, device.count)],
          ])
          seen.push([driver.reapedLength, one.kind === 'reap' && driver.reapedHead >= 0 && driver.reapedToken])
        }
        return seen
      }
      expect(log(true)).toEqual(log(false))
    }),
    { numRuns },
  )
})
