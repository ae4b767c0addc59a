import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SYSTEM_REGISTERS } from '../src/spec/index.ts'
import { bringUp, createRig, EVENTS, INV, MAPD, MAPTI, mapEvent, PROPERTIES, QUEUE, type Rig } from './gic-v3-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

let rig: Rig
beforeEach(() => {
  rig = createRig()
  bringUp(rig)
  rig.command([MAPD, 0x18], [1, 0], [EVENTS, 0x8000_0000])
  mapEvent(rig, 0x18, 0, 8200)
})
afterEach(() => rig.ram.dispose())

describe('a message', () => {
  test('is translated by device and event', () => {
    expect(rig.its.translate(0x18, 0)).toBe('delivered')
    expect(rig.take()).toBe(8200)
  })

  test.each([
    ['a device that is not mapped', 0x20, 0, 'unmapped-device'],
    ['an event that is not mapped', 0x18, 1, 'unmapped-event'],
    ['an event beyond the device’s table', 0x18, 4, 'unmapped-event'],
    ['a device beyond the table', 0x2000, 0, 'unmapped-device'],
  ] as const)('of %s is lost', (_of, device, event, result) => {
    expect(rig.its.translate(device, event)).toBe(result)
    expect(rig.gic.asserted).toBe(false)
  })

  test('is lost where the ITS is off', () => {
    rig.its.write(0, 4, 0)
    expect(rig.its.translate(0x18, 0)).toBe('disabled')
  })

  test('is lost where its collection is unmapped', () => {
    rig.command([0x09, 0], [0, 0], [0, 0])
    expect(rig.its.translate(0x18, 0)).toBe('unmapped-collection')
  })

  test('is lost where LPIs are off, or the number is none', () => {
    mapEvent(rig, 0x18, 1, 8191)
    expect(rig.its.translate(0x18, 1)).toBe('no-lpi')
    rig.gic.redistributors.write(0, 4, 0)
    expect(rig.its.translate(0x18, 0)).toBe('no-lpi')
  })

  test('of the processor’s own does nothing: it comes with no device', () => {
    rig.its.write(0x1_0040, 4, 0)
    expect(rig.gic.asserted).toBe(false)
  })
})

describe('commands', () => {
  test('DISCARD unmaps the event and takes what is pending back', () => {
    rig.its.translate(0x18, 0)
    rig.command([0x0f, 0x18], [0, 0], [0, 0])
    expect(rig.gic.asserted).toBe(false)
    expect(rig.its.translate(0x18, 0)).toBe('unmapped-event')
  })

  test('INT and CLEAR stand for the device', () => {
    rig.command([0x03, 0x18], [0, 0], [0, 0])
    expect(rig.gic.asserted).toBe(true)
    rig.command([0x04, 0x18], [0, 0], [0, 0])
    expect(rig.gic.asserted).toBe(false)
  })

  test('MAPD without V takes the device away', () => {
    rig.command([MAPD, 0x18], [0, 0], [0, 0])
    expect(rig.its.translate(0x18, 0)).toBe('unmapped-device')
  })

  test('the configuration is cached: INV makes a change count', () => {
    rig.its.translate(0x18, 0)
    expect(rig.take()).toBe(8200)
    rig.end(8200)
    rig.space.write(PROPERTIES + 8, 1, 0xa2)
    rig.its.translate(0x18, 0)
    expect(rig.take()).toBe(8200)
    rig.end(8200)
    rig.command([INV, 0x18], [0, 0], [0, 0])
    rig.its.translate(0x18, 0)
    expect(rig.gic.asserted).toBe(false)
    // It stays pending, and comes as soon as it is let through.
    rig.space.write(PROPERTIES + 8, 1, 0xa3)
    rig.command([INV, 0x18], [0, 0], [0, 0])
    expect(rig.take()).toBe(8200)
  })

  test('an unknown command is passed over', () => {
    rig.command([0x7f, 0x18], [0, 0], [0, 0])
    expect(rig.its.translate(0x18, 0)).toBe('delivered')
  })

  test('a queue that is not in memory stalls', () => {
    rig.its.write(0, 4, 0)
    rig.its.write(0x80, 4, 0x0100_0000 | 15)
    rig.its.write(0x88, 4, 0x20)
    rig.its.write(0, 4, 1)
    expect(rig.its.read(0x90, 4)).toBe(1)
  })
})

test('of two that are pending, the higher priority is taken, and a lower one waits', () => {
  mapEvent(rig, 0x18, 1, 8300)
  rig.space.write(PROPERTIES + 108, 1, 0x83)
  rig.command([INV, 0x18], [1, 0], [0, 0])
  rig.its.translate(0x18, 0)
  rig.its.translate(0x18, 1)
  expect(rig.take()).toBe(8300)
  expect(rig.take()).toBe(1023)
  rig.end(8300)
  expect(rig.take()).toBe(8200)
})

test('the LPIs that arrive are those that were sent, whatever the order', () => {
  const events = 64
  rig.command([MAPD, 0x30], [5, 0], [EVENTS + 0x1000, 0x8000_0000])
  for (let event = 0; event < events; event++) mapEvent(rig, 0x30, event, 9000 + event * 7)
  fc.assert(
    fc.property(fc.array(fc.nat(events - 1), { maxLength: 24 }), (sent) => {
      for (const event of sent) expect(rig.its.translate(0x30, event)).toBe('delivered')
      const expected = [...new Set(sent)].sort((a, b) => a - b).map((event) => 9000 + event * 7)
      const taken: number[] = []
      for (let intid = rig.take(); intid !== 1023; intid = rig.take()) {
        taken.push(intid)
        rig.end(intid)
      }
      expect(taken).toEqual(expected)
    }),
    { numRuns: RUNS },
  )
})

test('no queue of nonsense throws, hangs or leaves the command reader outside of its queue', () => {
  const word = fc.integer({ min: 0, max: 0xffff_ffff })
  fc.assert(
    fc.property(
      fc.array(fc.record({ code: fc.nat(0x10), words: fc.array(word, { minLength: 7, maxLength: 7 }) }), {
        maxLength: 6,
      }),
      fc.record({ device: word, event: word, tail: word, base: word, high: word }),
      (commands, hostile) => {
        const { its } = rig
        commands.forEach(({ code, words }, index) => {
          rig.space.write(QUEUE + index * 32, 4, code)
          words.forEach((value, at) => {
            rig.space.write(QUEUE + index * 32 + 4 + at * 4, 4, value)
          })
        })
        its.write(0, 4, 0)
        its.write(0x80, 4, QUEUE)
        its.write(0x88, 4, commands.length * 32)
        its.write(0, 4, 1)
        its.translate(hostile.device, hostile.event)
        its.write(0, 4, 0)
        its.write(0x100, 4, hostile.base)
        its.write(0x104, 4, hostile.high)
        its.write(0, 4, 1)
        its.write(0x88, 4, hostile.tail)
        its.translate(hostile.device & 0xffff, hostile.event & 0xff)
        expect(its.read(0x90, 4) & 0xfffe0).toBeLessThan(0x1000)
        const taken = rig.gic.readSystemRegister(SYSTEM_REGISTERS.ICC_IAR1_EL1)
        rig.end(taken)
      },
    ),
    { numRuns: RUNS },
  )
})

test('MAPTI of a device that is not mapped maps nothing', () => {
  rig.command([MAPTI, 0x28], [0, 8201], [0, 0])
  expect(rig.its.translate(0x28, 0)).toBe('unmapped-device')
})
