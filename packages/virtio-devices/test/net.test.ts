import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNet, type NetDevice } from '../src/index.ts'
import { internetChecksum } from '../src/internet-checksum.ts'
import { Bench, type BenchOptions, FUZZ_RUNS, pattern } from './bench.ts'

const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)
const GATEWAY_MAC = [0x52, 0x55, 10, 0, 2, 2]
const RX = 0
const TX = 1
const CTRL = 2
const LEGACY_WITHOUT_MERGING: BenchOptions = { features: { lo: 0, hi: 0 }, without: { lo: 1 << 15, hi: 0 } }

const be16 = (value: number): number[] => [value >>> 8, value & 0xff]
/** An ARP request for 10.0.2.`host`, from 10.0.2.15. */
const arpRequest = (host = 2): Uint8Array =>
  Uint8Array.of(
    ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...MAC, 8, 6],
    ...[0, 1, 8, 0, 6, 4, 0, 1, ...MAC, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, host],
  )
/** An ICMP echo request to 10.0.2.2 with `payload`. */
function echoRequest(payload: Uint8Array, options: { flags?: number; ihl?: number } = {}): Uint8Array {
  const icmp = Uint8Array.of(8, 0, 0, 0, 0x12, 0x34, 0, 7, ...payload)
  icmp.set(be16(internetChecksum(icmp)), 2)
  const ip = Uint8Array.of(
    ...[0x40 | (options.ihl ?? 5), 0, ...be16(20 + icmp.length), 0xab, 0xcd, ...be16(options.flags ?? 0x4000), 64, 1],
    ...[0, 0, 10, 0, 2, 15, 10, 0, 2, 2],
  )
  ip.set(be16(internetChecksum(ip)), 10)
  return Uint8Array.of(...GATEWAY_MAC, ...MAC, 8, 0, ...ip, ...icmp)
}

function setup(options?: BenchOptions) {
  const device = createNet({ mac: MAC })
  return { device, bench: new Bench(device, options) }
}
const withHeader = (bytes: number, frame: Uint8Array): Uint8Array => {
  const packet = new Uint8Array(bytes + frame.length)
  packet.set(frame, bytes)
  return packet
}

describe('what the device offers', () => {
  it('has the features that Linux took from QEMU, and its queues', () => {
    const device = createNet({ mac: MAC })
    // Linux on QEMU negotiated 2, 5, 15, 16, 17, 18, 19, 21, 23; 20 has no driver there.
    expect(device.features).toEqual({
      lo: [2, 5, 15, 16, 17, 18, 19, 20, 21, 23].reduce((sum, bit) => sum + 2 ** bit, 0),
      hi: 0,
    })
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

describe('§5.1.6.5 the control queue', () => {
  const command = (bench: Bench, ...bytes: number[]): number | undefined => {
    const ack = bench.piece(Uint8Array.of(0xee))
    bench.request(CTRL, [bench.piece(Uint8Array.from(bytes))], [ack])
    return ack.bytes[0]
  }
  /** Whether a frame to `destination` gets in. */
  const admits = (device: NetDevice, ...destination: number[]): boolean =>
    device.deliver(Uint8Array.of(...destination, ...MAC, 0x88, 0xb5, ...new Array(46).fill(0)))
  const OWN = [...MAC]
  const OTHER = [2, 0, 0, 0, 0, 9]
  const MULTICAST = [1, 0, 0x5e, 0, 0, 1]
  const BROADCAST = new Array<number>(6).fill(0xff)

  it('lets everything in after reset, and what was asked for without promiscuous mode', () => {
    const { bench, device } = setup()
    expect([OWN, OTHER, MULTICAST, BROADCAST].map((to) => admits(device, ...to))).toEqual([true, true, true, true])
    expect(command(bench, 0, 0, 0)).toBe(0)
    expect([OWN, OTHER, MULTICAST, BROADCAST].map((to) => admits(device, ...to))).toEqual([true, false, false, true])
    expect(command(bench, 0, 5, 1)).toBe(0) // no broadcast
    expect(admits(device, ...BROADCAST)).toBe(false)
    expect(command(bench, 0, 1, 1)).toBe(0) // all multicast
    expect(admits(device, ...MULTICAST)).toBe(true)
    expect(command(bench, 0, 3, 1)).toBe(0) // no multicast: stronger
    expect(admits(device, ...MULTICAST)).toBe(false)
    expect(command(bench, 0, 2, 1)).toBe(0) // all unicast
    expect(admits(device, ...OTHER)).toBe(true)
    expect(command(bench, 0, 4, 1)).toBe(0) // no unicast: stronger
    expect(admits(device, ...OWN)).toBe(false)
    expect(command(bench, 0, 6, 1)).toBe(1)
    expect(command(bench, 0, 0)).toBe(1)
  })

  it('filters by the tables that the driver sets', () => {
    const { bench, device } = setup()
    command(bench, 0, 0, 0)
    expect(command(bench, 1, 0, ...[1, 0, 0, 0, ...OTHER], ...[1, 0, 0, 0, ...MULTICAST])).toBe(0)
    expect([OTHER, MULTICAST, [2, 0, 0, 0, 0, 8], [3, 0, 0, 0, 0, 1]].map((to) => admits(device, ...to))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(command(bench, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(0)
    expect(admits(device, ...OTHER)).toBe(false)
  })

  it('lets a whole kind in where its table has more than 64 addresses', () => {
    const { bench, device } = setup()
    command(bench, 0, 0, 0)
    const many = Array.from({ length: 65 }, (_, index) => [2, 0, 0, 0, 1, index]).flat()
    expect(command(bench, 1, 0, 65, 0, 0, 0, ...many, 0, 0, 0, 0)).toBe(0)
    expect([OTHER, MULTICAST].map((to) => admits(device, ...to))).toEqual([true, false])
  })

  it('refuses tables that are longer than the command', () => {
    const { bench } = setup()
    expect(command(bench, 1, 0, 0xff, 0xff, 0xff, 0xff, ...OTHER)).toBe(1)
    expect(command(bench, 1, 0, 1, 0, 0, 0, ...OTHER)).toBe(1)
    expect(command(bench, 1, 0, 0, 0, 0)).toBe(1)
  })

  it('sets the address, whole and only whole', () => {
    const { bench, device } = setup()
    expect(command(bench, 1, 1, ...OTHER)).toBe(0)
    expect(device.config.read(0, 4)).toBe(2)
    expect(device.config.read(5, 1)).toBe(9)
    expect(command(bench, 1, 1, ...OTHER.slice(1))).toBe(1)
    expect(command(bench, 1, 2, ...OTHER)).toBe(1)
    command(bench, 0, 0, 0)
    expect([OTHER, OWN].map((to) => admits(device, ...to))).toEqual([true, false])
  })

  it('filters VLANs that were not added', () => {
    const { bench, device } = setup()
    command(bench, 0, 0, 0)
    const tagged = (id: number): boolean =>
      device.deliver(Uint8Array.of(...MAC, ...OTHER, 0x81, 0, ...be16(id), ...new Array(46).fill(0)))
    expect(tagged(5)).toBe(false)
    expect(command(bench, 2, 0, 5, 0)).toBe(0)
    expect([tagged(5), tagged(4)]).toEqual([true, false])
    expect(command(bench, 2, 1, 5, 0)).toBe(0)
    expect(tagged(5)).toBe(false)
    expect(command(bench, 2, 0, 0, 16)).toBe(1)
    expect(command(bench, 2, 2, 5, 0)).toBe(1)
    expect(command(bench, 2, 0, 5)).toBe(1)
  })

  it('asks for an announcement, and takes its acknowledgement once', () => {
    const { bench, device } = setup()
    expect(command(bench, 3, 0)).toBe(1)
    device.announce()
    expect(bench.configChanges).toBe(1)
    expect(device.config.read(6, 2)).toBe(3)
    expect(command(bench, 3, 0)).toBe(0)
    expect(device.config.read(6, 2)).toBe(1)
    expect(command(bench, 3, 0)).toBe(1)
  })

  it('has no receive offload to switch on', () => {
    const { bench } = setup()
    expect(command(bench, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(0)
    expect(command(bench, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0)).toBe(1)
    expect(command(bench, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(1)
  })

  it('answers an error to classes that it does not know, and to commands that it cannot read', () => {
    const { bench } = setup()
    for (const unknown of [4, 6, 255]) expect(command(bench, unknown, 0, 0, 0)).toBe(1)
    const [head, data] = [bench.piece(Uint8Array.of(0, 0)), bench.piece(1)]
    const ack = bench.piece(Uint8Array.of(0xee))
    bench.refuse(data)
    bench.request(CTRL, [head, data], [ack])
    expect(ack.bytes[0]).toBe(1)
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
