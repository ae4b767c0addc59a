import { describe, expect, it } from 'vitest'
import { createNet } from '../src/index.ts'
import { internetChecksum } from '../src/internet-checksum.ts'
import { Bench, pattern } from './bench.ts'
import {
  arpRequest,
  CTRL,
  echoRequest,
  GATEWAY_MAC,
  LEGACY_WITHOUT_MERGING,
  MAC,
  RX,
  setup,
  TX,
  withHeader,
} from './net-bench.ts'

describe('what the device offers', () => {
  it('has the features that Linux took from QEMU, and its queues', () => {
    const device = createNet({ mac: MAC })
    // Linux on QEMU negotiated 2, 5, 15, 16, 17, 18, 19, 21, 23, and 6 over the legacy interface; 20 has no driver there.
    expect(device.features).toEqual({
      lo: [2, 5, 6, 15, 16, 17, 18, 19, 20, 21, 23].reduce((sum, bit) => sum + 2 ** bit, 0),
      hi: 0,
    })
    expect(device.legacyFeatures).toEqual({ lo: 1 << 6, hi: 0 })
    expect([device.type, device.queueSizes]).toEqual([1, [256, 256, 64]])
  })

  it('§5.1.4: address and link status stand in the configuration, and a modern driver cannot write them', () => {
    const { device } = setup()
    device.config.write(0, 4, 0)
    device.config.write(6, 2, 0)
    expect([0, 1, 2, 3, 4, 5].map((at) => device.config.read(at, 1))).toEqual([...MAC])
    expect(device.config.read(6, 2)).toBe(1)
    expect(device.config.read(4, 4)).toBe(0x0001_5634)
  })

  it('a legacy driver without CTRL_MAC_ADDR sets its address, until reset', () => {
    const { device } = setup({ features: { lo: 0, hi: 0 }, without: { lo: 1 << 23, hi: 0 } })
    device.config.write(5, 1, 0x99)
    expect(device.config.read(5, 1)).toBe(0x99)
    device.reset()
    expect(device.config.read(5, 1)).toBe(0x56)
  })

  it('refuses an address that is none of a card', () => {
    expect(() => createNet({ mac: Uint8Array.of(1, 2, 3, 4, 5, 6) })).toThrow(RangeError)
    expect(() => createNet({ mac: MAC.subarray(0, 5) })).toThrow(RangeError)
    expect(() => createNet({ mac: MAC, receiveQueueSize: 100 })).toThrow(RangeError)
  })
})

describe('a packet out and back', () => {
  it.each([
    ['modern', 12, {}],
    ['legacy, merged buffers', 12, { features: { lo: 0, hi: 0 } }],
    ['legacy', 10, LEGACY_WITHOUT_MERGING],
  ] as const)('ARP, %s: the header has %i bytes', (_name, headerBytes, options) => {
    const { bench } = setup(options)
    const buffer = bench.piece(1526)
    bench.add(RX, [], [buffer], 7)
    expect(bench.run()).toBe('idle')
    expect(bench.reap(RX)).toEqual([])
    expect(bench.request(TX, [bench.piece(withHeader(headerBytes, arpRequest()))], [])).toBe(0)
    expect(bench.reap(RX)).toEqual([{ token: 7, length: headerBytes + 60 }])
    expect(bench.interrupts).toEqual([1, 1, 0])
    const header = buffer.bytes.subarray(0, headerBytes)
    expect([...header]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...(headerBytes === 12 ? [1, 0] : [])])
    const reply = buffer.bytes.subarray(headerBytes, headerBytes + 42)
    expect([...reply]).toEqual([
      ...[...MAC, ...GATEWAY_MAC, 8, 6],
      ...[0, 1, 8, 0, 6, 4, 0, 2, ...GATEWAY_MAC, 10, 0, 2, 2, ...MAC, 10, 0, 2, 15],
    ])
  })

  it('ICMP echo: the payload comes back, with right checksums', () => {
    const { bench } = setup()
    const payload = pattern(1000, 3)
    const buffer = bench.piece(1526)
    bench.add(RX, [], [buffer])
    bench.request(TX, [bench.piece(12), bench.piece(echoRequest(payload))], [])
    expect(bench.reap(RX)).toEqual([{ token: 0, length: 12 + 14 + 20 + 8 + 1000 }])
    const frame = buffer.bytes.subarray(12)
    expect([...frame.subarray(0, 14)]).toEqual([...MAC, ...GATEWAY_MAC, 8, 0])
    expect(internetChecksum(frame.subarray(14, 34))).toBe(0)
    expect([...frame.subarray(26, 34)]).toEqual([10, 0, 2, 2, 10, 0, 2, 15])
    expect(internetChecksum(frame.subarray(34, 34 + 1008))).toBe(0)
    expect([...frame.subarray(34, 36)]).toEqual([0, 0])
    expect([...frame.subarray(38, 42)]).toEqual([0x12, 0x34, 0, 7])
    expect(frame.subarray(42, 1042)).toEqual(payload)
  })

  it('answers nobody else, nothing broken and no fragment', () => {
    const { bench, device } = setup()
    bench.add(RX, [], [bench.piece(1526)])
    const flip = (frame: Uint8Array, at: number): Uint8Array => {
      const out = frame.slice()
      out[at]! ^= 1
      return out
    }
    const echo = echoRequest(pattern(20))
    const unanswered = [
      arpRequest(9),
      arpRequest().subarray(0, 41),
      flip(arpRequest(), 21), // a reply, not a request
      flip(echo, 24), // header checksum
      flip(echo, 50), // ICMP checksum
      flip(echo, 1), // another card's frame
      echo.subarray(0, 40), // cut short
      echoRequest(pattern(20), { flags: 0x2000 }), // more fragments
      echoRequest(pattern(20), { flags: 0x0001 }), // a later fragment
      echoRequest(pattern(20), { ihl: 4 }),
      new Uint8Array(1),
    ]
    for (const frame of unanswered) bench.request(TX, [bench.piece(withHeader(12, frame))], [])
    expect(bench.reap(RX)).toEqual([])
    expect(device.counters).toEqual({ transmitted: unanswered.length, received: 0, dropped: 0 })
  })
})

describe('what goes wrong', () => {
  it('a frame that cannot be read is lost, and its buffer comes back', () => {
    const { bench, device } = setup()
    const packet = bench.piece(withHeader(12, arpRequest()))
    bench.refuse(packet)
    expect(bench.request(TX, [packet], [])).toBe(0)
    expect(device.counters).toEqual({ transmitted: 0, received: 0, dropped: 1 })
  })

  it('a cable that is out carries nothing, in either direction', () => {
    const { bench, device } = setup()
    device.setLink(false)
    expect(bench.configChanges).toBe(1)
    expect(device.config.read(6, 2)).toBe(0)
    bench.request(TX, [bench.piece(withHeader(12, arpRequest()))], [])
    expect(device.deliver(pattern(60))).toBe(false)
    expect(device.counters).toEqual({ transmitted: 0, received: 0, dropped: 1 })
  })

  it.each([
    ['a packet without a whole header', TX, [11], [] as number[]],
    ['a receive buffer shorter than the header', RX, [] as number[], [11]],
    ['a command without a byte for its answer', CTRL, [3], [] as number[]],
    ['a command without a head', CTRL, [1], [1]],
  ])('%s: the device needs a reset', (_name, queue, readable, writable) => {
    const { bench, device } = setup()
    if (queue === RX) device.deliver(pattern(60))
    bench.add(
      queue,
      readable.map((length) => bench.piece(length)),
      writable.map((length) => bench.piece(length)),
    )
    expect(bench.run()).toBe('idle')
    expect(bench.resetReason).toMatch(/virtio-net/)
    expect(bench.reap(queue)).toEqual([])
  })

  it('a packet of gigabytes is dropped unread', () => {
    const { bench, device } = setup()
    const huge = { address: 0, bytes: { length: 0xffff_ffff } as unknown as Uint8Array }
    expect(bench.request(TX, [huge, huge], [])).toBe(0)
    expect(device.counters.dropped).toBe(1)
  })

  it('forgets frames and filters on reset', () => {
    const { device } = setup()
    device.deliver(pattern(60))
    device.reset()
    expect(device.work(8)).toBe('idle')
    const bench = new Bench(device)
    bench.add(RX, [], [bench.piece(100)])
    bench.run()
    expect(bench.reap(RX)).toEqual([])
  })
})
