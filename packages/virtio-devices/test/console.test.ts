import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConsoleControl } from '../src/console-control.ts'
import { type ConsoleOptions, type ConsolePort, createConsole } from '../src/index.ts'
import { Bench, FUZZ_RUNS, pattern, words } from './bench.ts'

const RX = 0
const TX = 1
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const read = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('what the device offers', () => {
  it('has type 3, one port, emergency write, and the size that it was given', () => {
    const plain = createConsole()
    expect([plain.type, plain.queueSizes, plain.features]).toEqual([3, [128, 128], { lo: 4, hi: 0 }])
    expect(plain.config.size).toBe(12)
    expect(plain.config.read(4, 4)).toBe(1) // max_nr_ports
    const sized = createConsole({ size: { cols: 132, rows: 50 } })
    expect(sized.features.lo).toBe(5)
    expect([sized.config.read(0, 2), sized.config.read(2, 2)]).toEqual([132, 50])
  })

  it('tells of a new size to a driver that negotiated it, and to no other', () => {
    const device = createConsole({ size: { cols: 80, rows: 25 } })
    const bench = new Bench(device)
    device.resize(100, 40)
    expect([bench.configChanges, device.config.read(0, 4)]).toEqual([1, 100 | (40 << 16)])
    const plain = createConsole()
    const other = new Bench(plain)
    plain.resize(100, 40)
    expect(other.configChanges).toBe(0)
  })
})

describe('output', () => {
  it('keeps what the guest prints', () => {
    const device = createConsole()
    const bench = new Bench(device)
    expect(bench.request(TX, [bench.piece(text('Linux ')), bench.piece(text('version'))], [])).toBe(0)
    bench.request(TX, [bench.piece(text(' 6.12\n'))], [])
    expect(read(device.output)).toBe('Linux version 6.12\n')
    expect(device.printed).toBe(19)
    expect(bench.interrupts).toEqual([0, 2])
  })

  it('passes it to a sink instead, in pieces of its own', () => {
    const seen: Uint8Array[] = []
    const device = createConsole({ sink: (bytes) => seen.push(bytes) })
    const bench = new Bench(device)
    bench.request(TX, [bench.piece(text('one'))], [])
    bench.request(TX, [bench.piece(text('two'))], [])
    expect(seen.map(read)).toEqual(['one', 'two'])
    expect(device.output.length).toBe(0)
  })

  it('keeps no more than its limit, and counts the rest', () => {
    const device = createConsole({ outputLimit: 10 })
    const bench = new Bench(device)
    bench.request(TX, [bench.piece(pattern(9000))], [])
    expect([device.output.length, device.printed]).toEqual([10, 9000])
  })

  it('prints what was read before memory failed, and gives the buffer back', () => {
    const device = createConsole()
    const bench = new Bench(device)
    const bad = bench.piece(10)
    bench.refuse(bad)
    expect(bench.request(TX, [bad], [])).toBe(0)
    expect(device.printed).toBe(0)
    expect(bench.resetReason).toBeNull()
  })

  it('prints gigabytes a chunk at a time, so that work comes to an end', () => {
    const device = createConsole({ outputLimit: 100 })
    const bench = new Bench(device)
    const huge = { address: 0, bytes: { length: 0xffff_ffff } as unknown as Uint8Array }
    bench.add(TX, [huge], [])
    expect(bench.device.work(16)).toBe('more')
    expect(device.printed).toBe(16 * 4096)
    expect(device.output.length).toBe(100)
  })

  it('§5.3.4: an emergency write prints a character, before the driver is there', () => {
    const device = createConsole()
    device.config.write(8, 4, 'O'.charCodeAt(0))
    device.config.write(8, 1, 'K'.charCodeAt(0))
    device.config.write(0, 4, 0x41414141)
    expect(read(device.output)).toBe('OK')
  })
})

describe('input', () => {
  it('goes into buffers as they are there, and waits where they are not', () => {
    const device = createConsole()
    const bench = new Bench(device)
    const [a, b] = [bench.piece(4), bench.piece(8)]
    bench.add(RX, [], [a], 1)
    bench.run()
    expect(bench.reap(RX)).toEqual([])
    expect(bench.held(RX)).toBe(0)
    expect(device.typeIn(text('hello!'))).toBe(6)
    bench.run()
    expect(bench.reap(RX)).toEqual([{ token: 1, length: 4 }])
    bench.add(RX, [], [b], 2)
    bench.add(RX, [], [bench.piece(8)], 3)
    bench.run()
    expect(bench.held(RX)).toBe(0)
    expect(bench.reap(RX)).toEqual([{ token: 2, length: 2 }])
    expect(read(a.bytes) + read(b.bytes.subarray(0, 2))).toBe('hello!')
  })

  it('takes what there is room for', () => {
    const device = createConsole({ inputLimit: 5 })
    expect([device.typeIn(text('abc')), device.typeIn(text('defg')), device.typeIn(text('h'))]).toEqual([3, 2, 0])
    device.reset()
    expect(device.typeIn(text('h'))).toBe(1)
  })

  it('is not written where the device may not write, and is lost', () => {
    const device = createConsole()
    const bench = new Bench(device)
    const piece = bench.piece(4)
    bench.refuse(piece)
    bench.add(RX, [], [piece])
    device.typeIn(text('ab'))
    bench.run()
    expect(bench.reap(RX)).toEqual([{ token: 0, length: 0 }])
    expect(piece.bytes).toEqual(new Uint8Array(4))
  })
})

it('what goes in comes out: any text, in any pieces, through both queues', () => {
  const device = createConsole()
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }),
      (writes, buffers) => {
        device.reset()
        const before = device.printed
        const bench = new Bench(device, { memory: 1 << 17 })
        const pieces = buffers.map((length) => bench.piece(length))
        for (const [token, piece] of pieces.entries()) bench.add(RX, [], [piece], token)
        for (const bytes of writes) {
          device.typeIn(bytes)
          bench.add(TX, [bench.piece(bytes)], [])
        }
        bench.run(3)
        const sent = writes.flatMap((bytes) => [...bytes])
        expect(device.printed - before).toBe(sent.length)
        const got = bench.reap(RX).flatMap(({ token, length }) => [...pieces[token]!.bytes.subarray(0, length)])
        const room = buffers.reduce((sum, length) => sum + length, 0)
        expect(got).toEqual(sent.slice(0, room))
      },
    ),
    { numRuns: FUZZ_RUNS },
  )
})

describe('several ports', () => {
  const [ROOM, DEVICE_READY, PORT_ADD, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME] = [
    64, 0, 1, 3, 4, 5, 6, 7,
  ]
  const ANY = 0xffff_ffff
  const CONTROL_IN = 2
  const CONTROL_OUT = 3
  const build = (ports: ConsolePort[], options: Partial<ConsoleOptions> = {}, maxPorts = 3) => {
    const device = createConsole({ ...options, serial: { maxPorts, ports } })
    const bench = new Bench(device)
    const buffers = Array.from({ length: 12 }, () => bench.piece(ROOM))
    buffers.forEach((piece, token) => {
      bench.add(CONTROL_IN, [], [piece], token)
    })
    const say = (id: number, event: number, value: number): number | null =>
      bench.request(CONTROL_OUT, [bench.piece(words(id, event | (value << 16)))], [])
    /** What the device said since: id, event, value, and what follows as text. */
    const heard = (): unknown[] =>
      bench.reap(CONTROL_IN).map(({ token, length }) => {
        const { bytes } = buffers[token]!
        const at = new DataView(bytes.buffer, bytes.byteOffset)
        const message = [at.getUint32(0, true), at.getUint16(4, true), at.getUint16(6, true)]
        return length > 8 ? [...message, read(bytes.subarray(8, length))] : message
      })
    return { device, bench, say, heard }
  }
  const TERMINAL = { id: 0, console: true }
  const PIPE = { id: 2, console: false, name: 'org.test.0' }

  it('§5.3.2, §5.3.3: a pair of queues for each, one for control, and the feature where there is room for two', () => {
    const device = createConsole({ serial: { maxPorts: 3, ports: [] } })
    expect(device.queueSizes).toEqual([128, 128, 32, 32, 128, 128, 128, 128])
    expect([device.features.lo, device.config.read(4, 4)]).toEqual([0b110, 3])
    // As QEMU with max_ports=1: control queues are there, and no driver looks at them.
    const one = createConsole({ serial: { maxPorts: 1, ports: [TERMINAL] } })
    expect([one.queueSizes, one.features.lo]).toEqual([[128, 128, 32, 32], 0b100])
  })

  it('§5.3.6.2 in Linux’s order: the device is ready, ports are added, each is ready, and is told of', () => {
    const { say, heard } = build([TERMINAL, PIPE])
    expect(heard()).toEqual([])
    expect(say(ANY, DEVICE_READY, 1)).toBe(0)
    expect(heard()).toEqual([
      [0, PORT_ADD, 1],
      [2, PORT_ADD, 1],
    ])
    say(0, PORT_READY, 1)
    expect(heard()).toEqual([
      [0, CONSOLE_PORT, 1],
      [0, PORT_OPEN, 1],
    ])
    say(2, PORT_READY, 1)
    expect(heard()).toEqual([
      [2, PORT_NAME, 1, 'org.test.0\0'],
      [2, PORT_OPEN, 1],
    ])
  })

  it('a port that nobody has open on the host is not said to be, and what is printed there is lost', () => {
    const { device, bench, say, heard } = build([{ id: 1, console: false, open: false }])
    say(1, PORT_READY, 1)
    expect(heard()).toEqual([])
    expect(bench.request(5, [bench.piece(text('nobody listens'))], [])).toBe(0)
    expect(device.printed).toBe(0)
  })

  it('each port prints for itself', () => {
    const seen: [number, string][] = []
    const { bench } = build([TERMINAL, PIPE], { sink: (bytes, port) => seen.push([port, read(bytes)]) })
    bench.request(7, [bench.piece(text('two'))], [])
    bench.request(1, [bench.piece(text('zero'))], [])
    bench.request(5, [bench.piece(text('no such port'))], [])
    expect(seen).toEqual([
      [2, 'two'],
      [0, 'zero'],
    ])
  })

  it('input waits until the driver opens the port', () => {
    const { device, bench, say } = build([PIPE])
    const piece = bench.piece(8)
    bench.add(6, [], [piece], 9)
    expect([device.typeIn(text('hi'), 2), device.typeIn(text('hi'), 1)]).toEqual([2, 0])
    bench.run()
    expect(bench.reap(6)).toEqual([])
    say(2, PORT_OPEN, 1)
    expect(bench.reap(6)).toEqual([{ token: 9, length: 2 }])
    expect(read(piece.bytes.subarray(0, 2))).toBe('hi')
    say(2, PORT_OPEN, 0)
    device.typeIn(text('more'), 2)
    bench.add(6, [], [piece], 10)
    bench.run()
    expect(bench.reap(6)).toEqual([])
  })

  it('§5.3.6.2 a new size is told to the terminals that the driver knows', () => {
    const { device, bench, say, heard } = build([TERMINAL, PIPE], { size: { cols: 80, rows: 25 } })
    device.resize(90, 30)
    bench.run()
    expect(heard()).toEqual([])
    say(0, PORT_READY, 1)
    say(2, PORT_READY, 1)
    heard()
    device.resize(100, 40)
    bench.run()
    expect(heard()).toEqual([[0, RESIZE, 0, 'd\0(\0']])
    expect(bench.configChanges).toBe(0)
  })

  it('a driver that took one port alone has port 0, and is told nothing', () => {
    const device = createConsole({ serial: { maxPorts: 31, ports: [TERMINAL, PIPE] } })
    const bench = new Bench(device, { without: { lo: 0b10, hi: 0 } })
    expect(bench.request(TX, [bench.piece(text('old'))], [])).toBe(0)
    expect(read(device.output)).toBe('old')
    bench.add(RX, [], [bench.piece(8)], 1)
    device.typeIn(text('hi'))
    bench.run()
    expect(bench.reap(RX)).toEqual([{ token: 1, length: 2 }])
  })

  it('nonsense over the control queue is taken, and harms nobody', () => {
    const { bench, say, heard } = build([TERMINAL])
    for (const [id, event, value] of [
      [7, PORT_READY, 1],
      [ANY, PORT_OPEN, 1],
      [0, PORT_READY, 0],
      [0, 99, 1],
      [ANY, DEVICE_READY, 0],
    ] as const) {
      expect(say(id, event, value)).toBe(0)
    }
    expect(bench.request(CONTROL_OUT, [bench.piece(4)], [])).toBe(0)
    expect([heard(), bench.resetReason]).toEqual([[], null])
  })

  it('what a driver asks for without taking it does not pile up for ever', () => {
    const control = new ConsoleControl(new Map([[0, TERMINAL]]), () => {})
    const ready = words(ANY, DEVICE_READY | (1 << 16))
    for (let time = 0; time < 5000; time++) control.take(ready)
    let waiting = 0
    for (; control.next !== null; control.shift()) waiting++
    expect(waiting).toBe(4096)
    control.take(ready)
    control.reset()
    expect(control.next).toBeNull()
  })

  it('mistakes of the caller', () => {
    expect(() => createConsole({ serial: { maxPorts: 0, ports: [] } })).toThrow(RangeError)
    expect(() => createConsole({ serial: { maxPorts: 512, ports: [] } })).toThrow(RangeError)
    expect(() => createConsole({ serial: { maxPorts: 2, ports: [PIPE] } })).toThrow('port 2 of 2')
  })
})
