import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { createMachine, type Machine, type MachineDescription, type PropertyValue } from '../src/index.ts'

const MIB = 0x10_0000
const STSCH = 0xb234
const MSCH = 0xb232
const SSCH = 0xb233
const TSCH = 0xb235
const SERVC = 0xb220
const STFLE = 0xb2b0
const UVC = 0xb9a4
const DIAGNOSE = 0x83

const machines: Machine[] = []
afterEach(() => {
  for (const machine of machines.splice(0)) machine.dispose()
})

const device = (
  model: string,
  properties: Record<string, PropertyValue> = {},
): MachineDescription['devices'][number] => ({
  model,
  properties,
  location: { text: model },
})

function describeMachine(more: Partial<MachineDescription> = {}): MachineDescription {
  return {
    machine: 's390-ccw-virtio',
    qemuVersion: '11.1',
    name: 'test',
    source: 'file',
    memory: 512 * MIB,
    cpus: 1,
    defaultDevices: false,
    machineProperties: {},
    devices: [device('virtio-rng-ccw')],
    append: 'quiet',
    ignored: [],
    ...more,
  }
}

/** The machine, as software on it sees it; firmware, of which it has none, is done. */
function build(more: Partial<MachineDescription> = {}) {
  const { machine } = createMachine(describeMachine(more))
  machines.push(machine)
  machine.endFirmwarePhase()
  const { bus } = machine
  const out = new Uint32Array(2)
  const trap = (code: number, ...args: number[]): number => {
    const words = new Uint32Array(8)
    for (const [index, value] of args.entries()) {
      words[index * 2] = value % 0x1_0000_0000
      words[index * 2 + 1] = Math.floor(value / 0x1_0000_0000)
    }
    return bus.hypercall!(code, words, out)
  }
  const hex = (address: number, length: number): string => {
    const bytes = new Uint8Array(length)
    bus.readBytes(address, bytes)
    return Buffer.from(bytes).toString('hex')
  }
  const put = (address: number, text: string): void =>
    bus.writeBytes(address, Buffer.from(text.replaceAll(' ', ''), 'hex'))
  const enable = (subchannel: number): void => {
    trap(STSCH, 0x1_0000 + subchannel, 0x100)
    put(0x104, '1881')
    trap(MSCH, 0x1_0000 + subchannel, 0x100)
    bus.systemRegisters!.write(6, 0x1000_0000)
  }
  /** Device numbers at the ends of subchannels, until there are no more. */
  const numbers = (set = 0): string[] => {
    const found: string[] = []
    while (trap(STSCH, 0x1_0000 + set * 0x2_0000 + found.length, 0x100) === 0) found.push(hex(0x106, 2))
    return found
  }
  return { machine, bus, trap, out, hex, put, enable, numbers }
}

const refusal = (more: Partial<MachineDescription>): string => {
  try {
    build(more)
  } catch (error) {
    return (error as Error).message
  }
  return 'taken'
}

describe('places at channels', () => {
  it('are as QEMU gives them: subchannels in order of creation, device numbers as given, or from their number on', () => {
    const { numbers } = build({
      devices: [
        device('virtio-rng-ccw', { devno: 'fe.0.1234' }),
        device('virtio-rng-ccw'),
        device('virtio-rng-ccw', { devno: 'fe.0.0003' }),
        device('virtio-rng-ccw'),
        device('virtio-rng-ccw', { devno: 'fe.2.00aa' }),
      ],
    })
    expect(numbers()).toEqual(['1234', '0001', '0003', '0004'])
    expect([numbers(1), numbers(2)]).toEqual([[], ['00aa']])
  })

  it('refuses what QEMU refuses, and says what to write', () => {
    const rng = (devno: string) => device('virtio-rng-ccw', { devno })
    expect(refusal({ devices: [device('virtio-rng-ccw'), rng('fe.0.0000')] })).toContain('already exists')
    expect(refusal({ devices: [rng('0.0.0001')] })).toContain('devno=fe.0.0001')
    expect(refusal({ devices: [rng('fe.4.0001')] })).toContain('write it as fe.0.1234')
    expect(refusal({ devices: [device('virtio-blk-pci')] })).toContain('write virtio-blk-ccw')
    expect(refusal({ devices: [device('e1000e')] })).toContain('not modelled')
    expect(refusal({ memory: 2049 * MIB })).toContain('multiple of 4M')
    expect(refusal({ machine: 'q35', memory: 512 * MIB })).toContain('write virtio-rng-pci')
  })

  it('brings a network card unless it is told not to', () => {
    const own = { defaultDevices: true, devices: [] }
    expect(build(own).numbers()).toEqual(['0000'])
    expect(build({ ...own, machineProperties: { defaultNic: false } }).numbers()).toEqual([])
  })
})

describe('what software finds', () => {
  it('SERVC tells of memory in increments of at most 1020', () => {
    const small = build()
    small.put(0x8000, '1000'.padEnd(32, '0'))
    expect(small.trap(SERVC, 0x0002_0001, 0x8000)).toBe(0)
    expect(small.hex(0x8006, 5)).toBe('0010' + '0200' + '01')
    const large = build({ memory: 2048 * MIB })
    large.put(0x8000, '1000'.padEnd(32, '0'))
    large.trap(SERVC, 0x0002_0001, 0x8000)
    expect(large.hex(0x8006, 5)).toBe('0010' + '0200' + '04')
    // No such command; a block that is too short; across a page; nowhere; not aligned.
    small.trap(SERVC, 0x0003_0001, 0x8000)
    expect(small.hex(0x8006, 2)).toBe('01f0')
    small.put(0x8000, '0010')
    small.trap(SERVC, 0x0002_0001, 0x8000)
    expect(small.hex(0x8006, 2)).toBe('0300')
    small.put(0x8800, '1000')
    small.trap(SERVC, 0x0002_0001, 0x8800)
    expect(small.hex(0x8806, 2)).toBe('0100')
    expect([small.trap(SERVC, 0x0002_0001, 0x2000_0000), small.trap(SERVC, 0x0002_0001, 0x8001)]).toEqual([-5, -6])
  })

  it('the command line, where Linux looks for it', () => {
    expect(build().hex(0x1_0480, 6)).toBe(Buffer.from('quiet\0').toString('hex'))
  })

  it('no instruction beside those that are there', () => {
    const { trap } = build()
    expect([trap(0xb238, 0x1_0000), trap(0x1234), trap(DIAGNOSE, 0x308, 0), trap(UVC, 0x8000)]).toEqual([
      -1, -1, -6, -1,
    ])
  })

  it('a doorbell for subchannels with virtio devices alone', () => {
    const { trap, out } = build()
    const ring = (id: number, queue: number): number => {
      expect(trap(DIAGNOSE, 0x500, 3, id, queue)).toBe(0)
      return out[0]! | 0
    }
    expect([ring(0x1_0000, 0), ring(0x1_0001, 0), ring(0, 0), ring(0x1_0000, 1024)]).toEqual([0, -22, -22, -22])
  })
})

it('a channel program ends with an interruption, of which the processor stores what it is', () => {
  const { trap, bus, hex, put, enable } = build()
  enable(0)
  put(0x400, 'e4 20 0007 00001000')
  put(0x200, 'c0ffee00 0080ff00 00000400')
  expect(trap(SSCH, 0x1_0000, 0x200)).toBe(0)
  expect(hex(0x1000, 7)).toBe('00000000000000')
  expect([bus.idle(), bus.nextInterrupt(), bus.idle()]).toEqual([false, 0, true])
  expect(hex(0xb8, 12)).toBe('00010000' + 'c0ffee00' + '18000000')
  expect(trap(TSCH, 0x1_0000, 0x300)).toBe(0)
  expect([hex(0x308, 2), hex(0x1000, 7)]).toEqual(['0c00', 'ff383204000000'])
})

describe('a protected guest', () => {
  const isProtected = { machineProperties: { confidential: 'pv' } }

  it('knows of it by a facility, and by the calls that there are', () => {
    const { trap, out, hex, put } = build(isProtected)
    expect(trap(STFLE, 3, 0x8000)).toBe(0)
    expect([out[0], hex(0x8000, 24)]).toEqual([2, `${'00'.repeat(19)}0200000000`])
    expect(trap(STFLE, 1, 0x8000)).toBe(3)
    put(0x8100, '00a0 0001')
    expect(trap(UVC, 0x8100)).toBe(0)
    expect([hex(0x8104, 2), hex(0x8110, 4)]).toEqual(['0001', '80c00000'])
    const plain = build()
    plain.trap(STFLE, 3, 0x8000)
    expect(plain.hex(0x8000, 24)).toBe('00'.repeat(24))
  })

  it('shares pages, which stay as they are; what is not shared no channel reads, nor writes', () => {
    const { trap, hex, put, enable, bus } = build(isProtected)
    const share = (command: string, page: number): number => {
      put(0x8200, `0030 ${command} 0000 0000`.replaceAll(' ', '').padEnd(64, '0') + page.toString(16).padStart(16, '0'))
      return trap(UVC, 0x8200)
    }
    const sense = (): string => {
      put(0x200, '00000000 0080ff00 00020400')
      trap(SSCH, 0x1_0000, 0x200)
      bus.nextInterrupt()
      trap(TSCH, 0x1_0000, 0x300)
      return hex(0x308, 2)
    }
    enable(0)
    put(0x2_0400, 'e4 20 0007 00021000')
    // The program itself is out of reach: what the channel gets of it is no command.
    expect(sense()).not.toBe('0c00')
    expect(share('1000', 0x2_0000)).toBe(0)
    expect(hex(0x2_0400, 8)).toBe('e420000700021000')
    // Now the program is carried out, and its answer is lost.
    expect([sense(), hex(0x2_1000, 7)]).toEqual(['0c00', '00000000000000'])
    expect(share('1000', 0x2_1000)).toBe(0)
    expect([sense(), hex(0x2_1000, 7)]).toEqual(['0c00', 'ff383204000000'])
    expect(share('1001', 0x2_1000)).toBe(0)
    put(0x2_1000, '00')
    expect([sense(), hex(0x2_1000, 7)]).toEqual(['0c00', '00383204000000'])
  })

  it('is told of calls that make no sense', () => {
    const { trap, hex, put } = build(isProtected)
    const call = (block: string): string => {
      put(0x8200, block.replaceAll(' ', '').padEnd(160, '0'))
      const condition = trap(UVC, 0x8200)
      return `${condition} ${hex(0x8204, 2)}`
    }
    expect(call('0030 7777')).toBe('1 0002')
    expect(call('0031 1000')).toBe('1 0005')
    expect(call('0008 0001')).toBe('1 0005')
    expect(call(`0030 1000 00000000 ${'00'.repeat(24)} 00000000ffff0000`)).toBe('1 0030')
    expect(call(`0030 1000 00000000 ${'00'.repeat(24)} ffffffffffff0000`)).toBe('1 0030')
    expect([trap(UVC, 0x8201), trap(UVC, 0x2000_0000)]).toEqual([-6, -5])
  })

  it('is on no other machine, and its devices offer bit 33 unless told otherwise', () => {
    expect(refusal({ ...isProtected, machine: 'q35', devices: [] })).toContain('confidential=pv is for s390-ccw-virtio')
    const { trap, put, hex, enable, bus } = build(isProtected)
    const run = (code: string, count: string, data: string): string => {
      put(0x2_1000, data)
      put(0x2_0400, `${code} 00 ${count} 00021000`)
      put(0x200, '00000000 0080ff00 00020400')
      trap(SSCH, 0x1_0000, 0x200)
      bus.nextInterrupt()
      trap(TSCH, 0x1_0000, 0x300)
      return hex(0x2_1000, 5)
    }
    enable(0)
    for (const page of [0x2_0000, 0x2_1000]) {
      put(0x8200, '0030 1000 0000 0000'.replaceAll(' ', '').padEnd(64, '0') + page.toString(16).padStart(16, '0'))
      trap(UVC, 0x8200)
    }
    run('83', '0004', '00020000')
    expect(run('12', '0005', '0000000001')).toBe('0301000001')
  })
})

describe('whatever software asks', () => {
  const codes = fc.constantFrom(STSCH, MSCH, SSCH, TSCH, 0xb230, 0xb231, SERVC, STFLE, UVC, DIAGNOSE, 0x1234)
  const argument = fc.oneof(
    fc.constantFrom(0, 3, 0x500, 0x1_0000, 0x1_0001, 0x8000, 0x2_0001, 0x1fff_fff8, 0x2000_0000),
    fc.maxSafeNat(),
  )

  it('the machine answers a condition code, or a program interruption', () => {
    const shared = build({ machineProperties: { confidential: 'pv' } })
    fc.assert(
      fc.property(
        codes,
        fc.array(argument, { maxLength: 4 }),
        fc.uint8Array({ maxLength: 64 }),
        (code, args, bytes) => {
          shared.bus.writeBytes(0x8000, bytes)
          const condition = shared.trap(code, ...args)
          expect([0, 1, 2, 3, -1, -5, -6, -0x15]).toContain(condition)
          shared.bus.nextInterrupt()
        },
      ),
      { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) },
    )
  })
})
