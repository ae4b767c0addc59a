import { type VirtioDevice, type VirtioHost, VirtioPciFunction } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { describe, expect, it } from 'vitest'
import { checkEchoReply, echoRequest, internetChecksum, readArpReply } from '../src/drivers/ping.ts'
import { bootGuest, type GuestDevice } from '../src/index.ts'
import { machineWith } from './support/test-machine.ts'

const SECTORS = 2048
const DISK_BYTES = SECTORS * 512

/** What a block device does with the request that its queue stands at, and how it ends it. */
type Behaviour = (request: Request) => 'complete' | 'keep' | 'stop'

interface Request {
  readonly queue: DeviceQueue
  readonly type: number
  readonly position: number
  /** Bytes of data, without header and status. */
  readonly length: number
  readonly disk: Uint8Array
}

const status = ({ queue }: Request, value = 0): void => {
  queue.write(queue.writableBytes - 1, Uint8Array.of(value))
}

/** Does what a disk does. */
function serve(request: Request): void {
  const { queue, type, position, length, disk } = request
  if (type === 0) queue.write(0, disk.subarray(position, position + length))
  if (type === 1) queue.read(16, disk.subarray(position, position + length))
  status(request)
}

const honest: Behaviour = (request) => {
  serve(request)
  return 'complete'
}

interface Quirks {
  readonly interrupts?: boolean
  readonly capacity?: number
  readonly queueSize?: number
}

/** A disk of 1 MiB that behaves so. */
function block(behave: Behaviour, quirks: Quirks = {}): VirtioDevice {
  const disk = new Uint8Array(DISK_BYTES)
  const config = new DataView(new ArrayBuffer(8))
  config.setUint32(0, quirks.capacity ?? SECTORS, true)
  let queue: DeviceQueue | null = null
  let host: VirtioHost | null = null
  return {
    type: 2,
    kind: 'virtio-blk',
    queueSizes: [quirks.queueSize ?? 64],
    features: { lo: 0, hi: 0 },
    config: {
      size: 8,
      read: (offset, width) => (width === 4 ? config.getUint32(offset, true) : config.getUint8(offset)),
      write() {},
    },
    activate(queues, _features, to) {
      queue = queues[0] ?? null
      host = to
    },
    notify() {},
    work() {
      while (queue?.next()) {
        const header = new DataView(new ArrayBuffer(16))
        queue.read(0, new Uint8Array(header.buffer))
        const type = header.getUint32(0, true)
        const length = type === 1 ? queue.readableBytes - 16 : queue.writableBytes - 1
        const how = behave({ queue, type, position: header.getUint32(8, true) * 512, length, disk })
        if (how === 'complete') queue.complete(queue.writableBytes)
        if (how === 'stop') break
      }
      if (quirks.interrupts !== false && queue?.shouldInterrupt()) host?.interrupt(0)
      return 'idle'
    },
    reset() {
      queue = null
    },
  }
}

function boot(device: VirtioDevice): GuestDevice {
  const machine = machineWith([], {}, (empty) =>
    empty.plug({
      function: new VirtioPciFunction({
        device,
        legacy: false,
        modern: true,
        accessPlatform: false,
        vectors: 2,
        indirect: false,
        eventIndex: false,
      }),
      model: 'lying-blk',
      described: null,
      device: 2,
      fn: 0,
      dmaThrough: null,
      messagesThrough: null,
    }),
  )
  const result = bootGuest(machine.bus, { profile: 'linux-6.12', witness: machine.witness })
  return result.devices.find(({ id }) => id === '0000:00:02.0')!
}

describe('a disk', () => {
  it('that does its work passes, without feature bits but VERSION_1', () => {
    const seen = boot(block(honest))
    expect(seen.io).toMatchObject({ ok: true, detail: expect.stringContaining('wrote and read 16 KiB') })
    expect(seen.virtio?.negotiated).toEqual([32, 40])
  })

  it('that never completes hangs', () => {
    const seen = boot(block(() => 'keep'))
    expect(seen).toMatchObject({
      interrupt: { delivered: 0, lost: 4 },
      io: { ok: false, hung: true, wrongData: false },
    })
    expect(seen.io.detail).toContain('the machine is idle; device status 0x0f')
  })

  it('that completes half of its requests hangs with the others', () => {
    let count = 0
    const seen = boot(block((request) => (count++ % 2 === 0 ? honest(request) : 'keep')))
    expect(seen).toMatchObject({ interrupt: { lost: 2 }, io: { hung: true } })
    expect(seen.io.detail).toContain('2 of 4 requests never completed')
  })

  it('whose interrupts are lost hangs, and the result says that it had finished', () => {
    const seen = boot(block(honest, { interrupts: false }))
    expect(seen).toMatchObject({ interrupt: { delivered: 0, lost: 4 }, io: { ok: false, hung: true } })
    expect(seen.io.detail).toContain('the device finished, but no interrupt came')
  })

  it('that says success without writing anything gives wrong data', () => {
    const seen = boot(
      block((request) => {
        status(request)
        return 'complete'
      }),
    )
    expect(seen.io).toMatchObject({ ok: false, wrongData: true, hung: false })
    expect(seen.io.detail).toContain('nothing was written to its buffer')
  })

  it('that changes a byte is found out', () => {
    const seen = boot(
      block((request) => {
        serve(request)
        if (request.type === 0) request.queue.write(77, Uint8Array.of(request.disk[request.position + 77]! ^ 1))
        return 'complete'
      }),
    )
    expect(seen.io).toMatchObject({ ok: false, wrongData: true })
    expect(seen.io.detail).toContain('request 0, byte 77')
  })

  it('that mixes up two requests is found out', () => {
    const seen = boot(
      block((request) => {
        serve({ ...request, position: request.type === 1 ? request.position ^ 0x1000 : request.position })
        return 'complete'
      }),
    )
    expect(seen.io).toMatchObject({ ok: false, wrongData: true })
  })

  it('that leaves out the status is found out', () => {
    const seen = boot(
      block(({ queue, position, length, disk }) => {
        queue.write(0, disk.subarray(position, position + length))
        return 'complete'
      }),
    )
    expect(seen.io).toMatchObject({ ok: false, wrongData: true })
    expect(seen.io.detail).toContain('status byte was not written')
  })

  it.each([
    [1, 'I/O error'],
    [2, 'unsupported'],
  ])('that answers status %i fails: %s', (value, text) => {
    const seen = boot(
      block((request) => {
        status(request, value)
        return 'complete'
      }),
    )
    expect(seen.io).toMatchObject({ ok: false, wrongData: false, hung: false, detail: expect.stringContaining(text) })
  })

  it('without sectors is not tested', () => {
    expect(boot(block(honest, { capacity: 0 })).io).toMatchObject({ attempted: false, ok: false })
  })

  it.each([1, 2, 4])('with a queue of %i takes what fits', (queueSize) => {
    const seen = boot(block(honest, { queueSize }))
    // A request takes three descriptors: header, data, status.
    expect(seen.io.ok).toBe(queueSize >= 4)
    if (queueSize < 4) expect(seen.io).toMatchObject({ attempted: true, hung: false, detail: 'req.0 is full' })
  })
})

describe('ping', () => {
  const mac = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  const gateway = Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2)

  /** The echo request turned into the gateway's answer. */
  function reply(): Uint8Array {
    const frame = echoRequest(mac, gateway)
    const bytes = Uint8Array.from(frame)
    bytes.set(frame.subarray(26, 30), 30)
    bytes.set(frame.subarray(30, 34), 26)
    bytes[34] = 0
    return bytes
  }

  it('builds an echo request with right checksums', () => {
    const frame = echoRequest(mac, gateway)
    expect([...frame.subarray(0, 14)]).toEqual([...gateway, ...mac, 0x08, 0x00])
    expect(internetChecksum(frame.subarray(14, 34))).toBe(0)
    expect(internetChecksum(frame.subarray(34, 34 + 64))).toBe(0)
    expect([...frame.subarray(26, 34)]).toEqual([10, 0, 2, 15, 10, 0, 2, 2])
  })

  it('takes the answer, and finds what is wrong with it', () => {
    expect(checkEchoReply(reply())).toBe('')
    const damaged = reply()
    damaged[60]! ^= 1
    expect(checkEchoReply(damaged)).toContain('differ')
    const header = reply()
    header[22] = 3
    expect(checkEchoReply(header)).toContain('checksum')
  })

  it('passes over what is no answer', () => {
    expect(checkEchoReply(echoRequest(mac, gateway))).toBeNull()
    expect(checkEchoReply(new Uint8Array(20))).toBeNull()
    expect(readArpReply(echoRequest(mac, gateway))).toBeNull()
  })

  it('computes the checksum of RFC 1071', () => {
    // The example of its section 3: the sum is ddf2, its complement 220d.
    expect(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(0x220d)
  })
})
