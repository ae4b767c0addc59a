import type { CpuBus } from '@dmascope/memory'
import { type ConsolePort, createConsole, createNet } from '@dmascope/virtio-devices'
import { type VirtioDevice, type VirtioHost, VirtioPciFunction } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { describe, expect, it } from 'vitest'
import { bootGuest, type GuestDevice } from '../src/index.ts'
import { machineWith } from './support/test-machine.ts'

/**
 * Boots with this device at 00:02.0, behind a modern interface or a legacy one.
 *
 * @param hidden - bits of the legacy feature word that the kernel does not get to see
 */
function boot(device: VirtioDevice, legacy = false, hidden = 0): GuestDevice {
  const machine = machineWith([], {}, (empty) =>
    empty.plug({
      function: new VirtioPciFunction({ device, legacy, modern: !legacy, accessPlatform: false, vectors: 3 }),
      model: 'test',
      described: null,
      device: 2,
      fn: 0,
      dmaThrough: null,
      messagesThrough: null,
    }),
  )
  const { ports } = machine.bus
  ports!.out32(0xcf8, 0x8000_1010)
  const features = ports!.in32(0xcfc) & ~3
  const bus: CpuBus = Object.create(machine.bus, {
    ports: {
      value: {
        ...ports!,
        in32: (port: number) => (legacy && port === features ? ports!.in32(port) & ~hidden : ports!.in32(port)),
      },
    },
  })
  // Methods of the machine's bus know their own fields alone.
  for (const name of BUS_METHODS) Object.assign(bus, { [name]: Reflect.get(machine.bus, name)!.bind(machine.bus) })
  const result = bootGuest(bus, { profile: 'linux-6.12', witness: machine.witness })
  expect(machine.observe().reduce((sum, { strayCount }) => sum + strayCount, 0)).toBe(0)
  return result.devices.find(({ id }) => id === '0000:00:02.0')!
}

const BUS_METHODS = [
  'read8',
  'read16',
  'read32',
  'write8',
  'write16',
  'write32',
  'readBytes',
  'writeBytes',
  'clear',
  'nextInterrupt',
  'idle',
] as const
const DEVICE_READY = 0
const PORT_ADD = 1
const PORT_READY = 3
const CONSOLE_PORT = 4
const PORT_OPEN = 6

interface Console {
  readonly device: VirtioDevice
  /** What came over the control queue: id, event, value. */
  readonly said: (readonly [number, number, number])[]
  /** What was written to each port. */
  readonly printed: Map<number, string>
}

/** A console with several ports, of which `offered` are there; `opens` of those are open on the host's side. */
function multiport(maxPorts: number, offered: readonly number[], opens: readonly number[]): Console {
  const said: [number, number, number][] = []
  const printed = new Map<number, string>()
  const waiting: [number, number, number][] = []
  let queues: readonly (DeviceQueue | null)[] = []
  let host: VirtioHost | null = null

  const answer = (id: number, event: number): void => {
    if (event === DEVICE_READY) for (const port of offered) waiting.push([port, PORT_ADD, 1])
    if (event === PORT_READY && opens.includes(id)) waiting.push([id, CONSOLE_PORT, 1], [id, PORT_OPEN, 1])
  }
  const take = (index: number): Uint8Array | null => {
    const queue = queues[index]
    if (!queue?.next()) return null
    const bytes = new Uint8Array(queue.readableBytes)
    queue.read(0, bytes)
    queue.complete(0)
    if (queue.shouldInterrupt()) host?.interrupt(index)
    return bytes
  }
  const device: VirtioDevice = {
    type: 3,
    kind: 'virtio-console',
    queueSizes: new Array<number>(maxPorts * 2 + 2).fill(16),
    features: { lo: 0b10, hi: 0 },
    config: {
      size: 8,
      read: (offset, width) => (width === 4 && offset === 4 ? maxPorts : 0),
      write() {},
    },
    activate(given, _features, to) {
      queues = given
      host = to
    },
    notify() {},
    work() {
      for (let bytes = take(3); bytes !== null; bytes = take(3)) {
        const view = new DataView(bytes.buffer)
        const message: [number, number, number] = [
          view.getUint32(0, true),
          view.getUint16(4, true),
          view.getUint16(6, true),
        ]
        said.push(message)
        answer(message[0], message[1])
      }
      for (let port = 0; port < maxPorts; port++) {
        const index = port === 0 ? 1 : 3 + port * 2
        for (let bytes = take(index); bytes !== null; bytes = take(index)) {
          printed.set(port, (printed.get(port) ?? '') + String.fromCharCode(...bytes))
        }
      }
      const queue = queues[2]
      while (waiting.length > 0 && queue?.next()) {
        const [id, event, value] = waiting.shift()!
        const message = new DataView(new ArrayBuffer(8))
        message.setUint32(0, id, true)
        message.setUint16(4, event, true)
        message.setUint16(6, value, true)
        queue.write(0, new Uint8Array(message.buffer))
        queue.complete(8)
      }
      if (queue?.shouldInterrupt()) host?.interrupt(2)
      return 'idle'
    },
    reset() {
      queues = []
    },
  }
  return { device, said, printed }
}

describe('a console with several ports', () => {
  it('is asked for its ports, and the open one is written to', () => {
    const { device, said, printed } = multiport(3, [0, 2], [2])
    expect(boot(device)).toMatchObject({ driver: 'virtio_console', io: { kind: 'console', ok: true } })
    expect(said[0]).toEqual([0xffff_ffff, DEVICE_READY, 1])
    // A terminal is opened as soon as it is known to be one.
    expect(said.slice(1)).toEqual([
      [0, PORT_READY, 1],
      [2, PORT_READY, 1],
      [2, PORT_OPEN, 1],
    ])
    expect([...printed.keys()]).toEqual([2])
    expect(printed.get(2)).toBe('dmascope: console self-test\n')
  })

  it('writes to port 0 by queue 1', () => {
    const { device, printed } = multiport(1, [0], [0])
    expect(boot(device).io.ok).toBe(true)
    expect([...printed.keys()]).toEqual([0])
  })

  it.each([
    ['without ports', [], [], 'no ports'],
    ['with ports that nobody opened', [0], [], 'no port is open'],
  ])('%s is not tested', (_, offered, opens, reason) => {
    expect(boot(multiport(2, offered, opens).device).io).toMatchObject({
      attempted: false,
      detail: expect.stringContaining(reason),
    })
  })

  it('talks with a device of this repository, which is QEMU’s: a terminal by its console, a pipe by its name', () => {
    const printed: [number, string][] = []
    const make = (ports: ConsolePort[], maxPorts = 31): VirtioDevice =>
      createConsole({
        serial: { maxPorts, ports },
        sink: (bytes, port) => printed.push([port, String.fromCharCode(...bytes)]),
      })
    const terminal = boot(make([{ id: 3, console: true }]))
    expect(terminal).toMatchObject({ io: { ok: true }, interrupt: { mode: 'msix', lost: 0 } })
    expect(terminal.virtio?.negotiated).toContain(1)
    expect(boot(make([{ id: 1, console: false, name: 'org.test.0' }])).io).toMatchObject({ ok: true })
    expect(boot(make([{ id: 1, console: false, open: false }])).io).toMatchObject({ attempted: false })
    expect(boot(make([{ id: 0, console: true }], 1)).io).toMatchObject({ ok: true })
    // Behind the legacy interface the kernel knows the same features.
    expect(boot(make([{ id: 0, console: true }]), true).virtio?.negotiated).toContain(1)
    expect(printed.map(([port]) => port)).toEqual([3, 1, 0, 0])
  })

  it('that adds ports for which it has no queues, or opens some that it never added, is not followed there', () => {
    const { device, said } = multiport(2, [40, 1], [40, 1])
    expect(boot(device).io).toMatchObject({ kind: 'console', ok: true })
    expect(said.map(([id]) => id)).not.toContain(40)
    expect(boot(multiport(2, [40], [40]).device).io.attempted).toBe(false)
  })

  it('that takes no control message hangs', () => {
    const { device } = multiport(2, [0], [0])
    const deaf = { ...device, work: () => 'idle' as const }
    expect(boot(deaf).io).toMatchObject({ ok: false, detail: 'a control message was never taken' })
  })

  it.each([0, 0x8001, 0xffff_ffff])('with %i of them is refused', (ports) => {
    const { device } = multiport(1, [], [])
    const odd = { ...device, config: { ...device.config, read: () => ports } }
    expect(boot(odd)).toMatchObject({ driver: null, refusal: expect.stringContaining('max_nr_ports') })
  })
})

const MRG_RXBUF = 1 << 15
const GUEST_TSO4 = 1 << 7
/** The control queue, and what is asked for over it: a card with any of these wants the queue (CTRL_VQ to CTRL_MAC_ADDR). */
const CTRL = (1 << 17) | (1 << 18) | (1 << 19) | (1 << 20) | (1 << 21) | (1 << 22) | (1 << 23)
const CTRL_VQ = 1 << 17
const ANY_LAYOUT = 1 << 27

describe('a network card', () => {
  const mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56]
  const withFeatures = (clear: number, set = 0): VirtioDevice => {
    const card = createNet({ mac: Uint8Array.from(mac) })
    return new Proxy(card, {
      get: (of, name) =>
        name === 'features'
          ? { lo: ((of.features.lo & ~clear) | set) >>> 0, hi: of.features.hi }
          : Reflect.get(of, name),
    })
  }

  it.each([
    ['with merged receive buffers', 0, 0, false],
    ['without them', MRG_RXBUF, 0, false],
    ['with packets of up to 64 KiB in one buffer', MRG_RXBUF, GUEST_TSO4, false],
    ['without a control queue', CTRL, 0, false],
    ['behind the legacy interface', 0, 0, true],
    ['behind the legacy interface, its header without num_buffers', MRG_RXBUF, 0, true],
  ])('%s answers', (_, clear, set, legacy) => {
    const seen = boot(withFeatures(clear, set), legacy)
    expect(seen).toMatchObject({ driver: 'virtio_net', io: { ok: true }, interrupt: { lost: 0 } })
    expect(seen.virtio?.negotiated.includes(15)).toBe(clear !== MRG_RXBUF)
    expect(seen.virtio?.negotiated.includes(7)).toBe(set === GUEST_TSO4)
  })

  it('whose other features want the control queue that it does not have is declined, as by virtnet_validate', () => {
    expect(boot(withFeatures(CTRL_VQ), false)).toMatchObject({ driver: null, io: { attempted: false } })
  })

  it('that wants its header in a buffer of its own gets it', () => {
    const seen = boot(withFeatures(0), true, ANY_LAYOUT)
    expect(seen).toMatchObject({ io: { ok: true } })
    expect(seen.virtio?.negotiated).not.toContain(27)
    expect(seen.why.some(({ fact }) => fact.startsWith('net receive header at'))).toBe(true)
  })
})
