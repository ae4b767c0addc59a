import { packedRingLayout } from '@dmascope/virtqueue'
import { PackedDeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, PackedDriverQueue } from '@dmascope/virtqueue/driver'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ScriptedPort } from './ring-bench.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

// A queue of 7 in 2 KiB: the ring and its event structures, a place for indirect tables, data.
const SIZE = 7
const MEMORY = 0x800
const { driver: DRIVER, device: DEVICE } = packedRingLayout(SIZE)
const TABLE = 0x300
const FILL = 0xee
const AVAIL = 0x80
const USED = 0x8000

/** Descriptors as a hostile driver would write them: mostly nearly right. */
const descriptor = fc.record({
  hi: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 0xffff_ffff) }),
  lo: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0x400, max: 0x7f0 }) },
    { weight: 3, arbitrary: fc.constantFrom(TABLE, TABLE + 4, TABLE + 1, 0xff0, 0) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff_ffff }) },
  ),
  len: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(16, 32, 64, 128) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 17, 0xffff_fff0, 0xffff_ffff) },
  ),
  flags: fc.constantFrom(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 6, 5, 7, 0x7f79),
  round: fc.constantFrom(AVAIL, AVAIL, AVAIL, AVAIL, AVAIL, USED, 0, AVAIL | USED),
  id: fc.oneof({ weight: 9, arbitrary: fc.nat(SIZE) }, { weight: 1, arbitrary: fc.constantFrom(255, 0xffff) }),
})

const ring = fc.record({
  ring: fc.array(descriptor, { minLength: SIZE, maxLength: SIZE }),
  table: fc.array(descriptor, { minLength: 8, maxLength: 8 }),
  event: fc.record({ desc: fc.nat(0xffff), flags: fc.nat(3) }),
  features: fc.record({ indirect: fc.boolean(), eventIndex: fc.boolean() }),
  completeEvery: fc.integer({ min: 1, max: 4 }),
})

type Ring = typeof ring extends fc.Arbitrary<infer T> ? T : never

function fill(made: Ring): Uint8Array {
  const memory = new Uint8Array(MEMORY)
  const view = new DataView(memory.buffer)
  for (const [start, list] of [
    [0, made.ring],
    [TABLE, made.table],
  ] as const) {
    list.forEach(({ hi, lo, len, flags, round, id }, index) => {
      view.setUint32(start + index * 16, lo, true)
      view.setUint32(start + index * 16 + 4, hi, true)
      view.setUint32(start + index * 16 + 8, len, true)
      view.setUint16(start + index * 16 + 12, id, true)
      view.setUint16(start + index * 16 + 14, flags | round, true)
    })
  }
  view.setUint16(DRIVER, made.event.desc, true)
  view.setUint16(DRIVER + 2, made.event.flags, true)
  return memory
}

const ADDRESSES = { size: SIZE, descHi: 0, descLo: 0, driverHi: 0, driverLo: DRIVER, deviceHi: 0, deviceLo: DEVICE }

/** What a device does with the ring, as a list to compare, and which bytes it was told it may write. */
function serve(memory: Uint8Array, made: Ring, viewsAllowed: boolean) {
  const port = new ScriptedPort(memory)
  port.viewsAllowed = viewsAllowed
  const queue = new PackedDeviceQueue(port, ADDRESSES, made.features)
  const allowed = new Uint8Array(MEMORY)
  allowed.fill(1, 0, DRIVER)
  allowed.fill(1, DEVICE, DEVICE + 4)
  const log: unknown[] = []
  const waiting: number[] = []
  let taken = 0
  queue.disableNotifications()
  // A device that writes into its own ring may make itself work for ever: no more is looked at than this.
  while (taken < 40 && queue.next()) {
    taken++
    const { head, count, readableCount, readableBytes, writableBytes } = queue
    log.push([head, readableCount, readableBytes, writableBytes])
    log.push(queue.hi.slice(0, count), queue.lo.slice(0, count), queue.length.slice(0, count))
    for (let index = readableCount; index < count; index++) {
      const start = queue.lo[index]!
      if (queue.hi[index] === 0)
        allowed.fill(1, Math.min(start, MEMORY), Math.min(start + queue.length[index]!, MEMORY))
    }
    const into = new Uint8Array(Math.min(readableBytes, 64))
    log.push(queue.read(readableBytes - into.length, into), into)
    log.push(queue.write(0, new Uint8Array(Math.min(writableBytes, 256)).fill(FILL)))
    waiting.push(head)
    if (taken % made.completeEvery === 0) for (const one of waiting.splice(0)) queue.complete(count, one)
  }
  log.push(queue.enableNotifications(), queue.shouldInterrupt(), queue.broken, queue.inFlight, taken)
  queue.flush()
  return { log, allowed, port }
}

test('whatever is in the ring: nothing is thrown, all ends, and only declared memory is written', () => {
  fc.assert(
    fc.property(ring, (made) => {
      const memory = fill(made)
      const before = memory.slice()
      const { allowed } = serve(memory, made, true)
      for (let at = 0; at < MEMORY; at++) {
        if (allowed[at] === 0 && memory[at] !== before[at]) throw new Error(`byte 0x${at.toString(16)} was written`)
      }
    }),
    { numRuns },
  )
})

test('with views and without, the device sees, writes and decides the same', () => {
  fc.assert(
    fc.property(ring, (made) => {
      const one = fill(made)
      const other = fill(made)
      const withViews = serve(one, made, true)
      const without = serve(other, made, false)
      expect(without.log).toEqual(withViews.log)
      expect(Buffer.compare(other, one)).toBe(0)
    }),
    { numRuns },
  )
})

test('random bytes all over: nothing is thrown, and all ends', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 256 }), fc.boolean(), (bytes, viewsAllowed) => {
      const memory = new Uint8Array(MEMORY)
      for (let at = 0; at < MEMORY; at += bytes.length) memory.set(bytes.subarray(0, MEMORY - at), at)
      const port = new ScriptedPort(memory)
      port.viewsAllowed = viewsAllowed
      const queue = new PackedDeviceQueue(port, ADDRESSES, { indirect: true, eventIndex: true })
      let taken = 0
      while (taken < 100 && queue.next()) {
        taken++
        queue.complete(queue.writableBytes)
      }
      queue.shouldInterrupt()
      expect(port.seen.length).toBeLessThan(100 * 1100)
    }),
    { numRuns },
  )
})

test('whatever a device writes to the ring: the driver gives each token back once, or says that it is broken', () => {
  const used = fc.record({
    id: fc.oneof({ weight: 9, arbitrary: fc.nat(SIZE - 1) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
    flags: fc.constantFrom(AVAIL | USED, AVAIL | USED, 0, AVAIL, USED),
  })
  fc.assert(
    fc.property(fc.nat(SIZE), fc.array(used, { maxLength: 20 }), fc.boolean(), (requests, entries, eventIndex) => {
      const memory = new Uint8Array(MEMORY)
      const view = new DataView(memory.buffer)
      const driver = new PackedDriverQueue<number>(
        createFlatBus(memory),
        { size: SIZE, desc: 0, driver: DRIVER, device: DEVICE },
        { indirect: false, eventIndex },
      )
      const buffers = new BufferList(1).readable(0, 0x400, 4)
      const tokens = new Map<number, number>()
      for (let token = 100; token < 100 + requests; token++) tokens.set(driver.add(buffers, token), token)
      driver.publish()
      let reaped = 0
      entries.forEach(({ id, flags }, index) => {
        const at = (index % SIZE) * 16
        view.setUint16(at + 12, id, true)
        view.setUint16(at + 14, flags, true)
        while (driver.reap()) {
          reaped++
          expect(tokens.get(driver.reapedHead)).toBe(driver.reapedToken)
          tokens.delete(driver.reapedHead)
        }
      })
      expect(driver.free).toBe(SIZE - requests + reaped)
      if (driver.broken !== null) expect(driver.add(buffers, 1)).toBe(-1)
    }),
    { numRuns },
  )
})
