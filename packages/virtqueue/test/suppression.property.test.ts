import { packedRingLayout, splitRingLayout } from '@dmascope/virtqueue'
import { createDeviceQueue, createFlatPort } from '@dmascope/virtqueue/device'
import { BufferList, createDriverQueue, createFlatBus } from '@dmascope/virtqueue/driver'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

/** A device that works when it is notified alone, and a driver that reaps when it is interrupted alone. */
class Sleepers {
  readonly #driver
  readonly #device
  readonly #buffers = new BufferList(3)
  deviceIsAwake = false
  added = 0
  reaped = 0
  notifications = 0
  interrupts = 0

  constructor(packed: boolean, eventIndex: boolean, size: number) {
    const memory = new Uint8Array(0x400)
    const features = { indirect: false, eventIndex, packed }
    const ring = packed ? packedRingLayout(size) : splitRingLayout(size, 64)
    this.#driver = createDriverQueue(createFlatBus(memory), { size, ...ring }, features)
    this.#device = createDeviceQueue(
      createFlatPort(memory),
      { size, descHi: 0, descLo: ring.desc, driverHi: 0, driverLo: ring.driver, deviceHi: 0, deviceLo: ring.device },
      features,
    )
  }

  add(chains: number, length: number): void {
    for (let chain = 0; chain < chains; chain++) {
      this.#buffers.clear()
      for (let index = 0; index < length; index++) this.#buffers.readable(0, 0x300, 1)
      if (this.#driver.add(this.#buffers, 0) < 0) break
      this.added++
    }
    if (!this.#driver.publish()) return
    this.notifications++
    this.deviceIsAwake = true
  }

  /** The device's work, `budget` chains of it: it goes on later where there is more. */
  work(budget: number): void {
    if (!this.deviceIsAwake) return
    const device = this.#device
    device.disableNotifications()
    let left = budget
    do {
      while (left > 0 && device.next()) {
        device.complete(0)
        left--
      }
    } while (left > 0 && device.enableNotifications())
    this.deviceIsAwake = left === 0
    if (device.shouldInterrupt()) this.#interrupt()
    expect(device.broken).toBeNull()
  }

  #interrupt(): void {
    this.interrupts++
    do {
      this.#driver.disableInterrupts()
      while (this.#driver.reap()) this.reaped++
    } while (this.#driver.enableInterrupts())
    expect(this.#driver.broken).toBeNull()
  }
}

describe.each([
  { ring: 'a split ring of 8', packed: false, size: 8 },
  { ring: 'a packed ring of 8', packed: true, size: 8 },
  { ring: 'a packed ring of 5', packed: true, size: 5 },
])('$ring', ({ packed, size }) => {
  test.each([false, true])('nobody sleeps for ever over what the other did, event index %s', (eventIndex) => {
    const step = fc.record({
      chains: fc.integer({ min: 0, max: 4 }),
      length: fc.integer({ min: 1, max: 3 }),
      budget: fc.integer({ min: 1, max: 6 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pair = new Sleepers(packed, eventIndex, size)
        for (const { chains, length, budget } of steps) {
          pair.add(chains, length)
          pair.work(budget)
          if (!pair.deviceIsAwake) expect(pair.reaped).toBe(pair.added)
        }
        while (pair.deviceIsAwake) pair.work(1)
        expect(pair.reaped).toBe(pair.added)
      }),
      { numRuns },
    )
  })

  test('the event index saves notifications and interrupts of a device that is at work anyway', () => {
    const pair = new Sleepers(packed, true, size)
    for (let round = 0; round < 100; round++) {
      pair.add(1, 1)
      pair.add(1, 1)
      pair.work(8)
    }
    expect([pair.added, pair.reaped]).toEqual([200, 200])
    // A packed ring's device area asks for every notification until the device first wrote to it.
    expect(pair.notifications).toBe(packed ? 101 : 100)
    expect(pair.interrupts).toBe(100)
  })
})
