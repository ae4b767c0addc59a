import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import type { DeviceDescription, MachineDescription } from '../src/index.ts'
import { InterruptSources } from '../src/pseries/interrupt-sources.ts'
import { PSERIES_HCALL } from '../src/pseries/spec/hcalls.ts'
import { rtasToken } from '../src/pseries/spec/rtas-tokens.ts'
import { build, describeMachine, device as deviceOf } from './described-machine.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 200) }
const BUID = [0x0800_0000, 0x2000_0000] as const
const BUFFER = 0x10_0000
const { H_RTAS, H_INT_GET_SOURCE_INFO, H_INT_SET_SOURCE_CONFIG, H_INT_ESB, H_INT_RESET, H_CAS } = PSERIES_HCALL

const device = (model: string, slot: number, more: Partial<DeviceDescription> = {}): DeviceDescription =>
  deviceOf(model, { addr: { device: slot, function: 0 }, ...more })

/** A machine, and the calls that software makes on it. */
function start(devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}) {
  const { machine } = build(describeMachine('pseries', devices, { cpu: 'power9', ...more }))
  const { bus } = machine
  const hcall = (number: number, ...args: readonly number[]): { readonly code: number; readonly out: number[] } => {
    const words = new Uint32Array(18)
    for (const [index, value] of args.entries()) {
      words[index * 2] = value % 2 ** 32
      words[index * 2 + 1] = Math.floor(value / 2 ** 32)
    }
    const out = new Uint32Array(8)
    return { code: bus.hypercall!(number, words, out), out: [...out] }
  }
  const raw = (cells: readonly number[]): number => {
    const view = new DataView(new ArrayBuffer(cells.length * 4))
    for (const [index, cell] of cells.entries()) view.setUint32(index * 4, cell)
    bus.writeBytes(BUFFER, new Uint8Array(view.buffer))
    return hcall(H_RTAS, BUFFER).code
  }
  const rtas = (name: Parameters<typeof rtasToken>[0], args: readonly number[], nret: number): number[] => {
    expect(raw([rtasToken(name), args.length, nret, ...args, ...new Array<number>(nret).fill(0xdead_beef)])).toBe(0)
    const bytes = new Uint8Array(nret * 4)
    bus.readBytes(BUFFER + 12 + args.length * 4, bytes)
    const view = new DataView(bytes.buffer)
    return Array.from({ length: nret }, (_, index) => view.getInt32(index * 4))
  }
  const read = (address: number, size: number): number[] =>
    rtas('ibm,read-pci-config', [address, ...BUID, size], 2).map((value) => value >>> 0)
  const write = (address: number, size: number, value: number): number[] =>
    rtas('ibm,write-pci-config', [address, ...BUID, size, value], 1)
  return { machine, bus, hcall, raw, rtas, read, write }
}

/** Bus 0, this slot. */
const at = (slot: number, offset = 0): number => (((offset & 0xf00) << 20) | (slot << 11) | (offset & 0xff)) >>> 0
const FAILED = 0xffff_ffff

describe('configuration space by RTAS', () => {
  it('reads and writes registers of one, two and four bytes', () => {
    const { read, write } = start([device('virtio-rng-pci', 2)])
    expect(read(at(2), 4)).toEqual([0, 0x1005_1af4])
    expect(read(at(2, 2), 2)).toEqual([0, 0x1005])
    expect(read(at(2, 3), 1)).toEqual([0, 0x10])
    expect(write(at(2, 4), 2, 7)).toEqual([0])
    expect(read(at(2, 4), 2)).toEqual([0, 7])
  })

  it('reaches extended registers, of functions that have them', () => {
    const { read } = start([device('e1000e', 2), device('virtio-rng-pci', 3)])
    const [status, capability] = read(at(2, 0x100), 4)
    expect([status, capability! & 0xffff]).toEqual([0, 1])
    expect(read(at(3, 0x100), 4)[0]).toBe(FAILED)
  })

  it.each([
    ['a function that is not there', [at(9), ...BUID, 4]],
    ['another host bridge', [at(2), BUID[0], BUID[1] + 1, 4]],
    ['another upper half of the BUID', [at(2), 1, BUID[1], 4]],
    ['three bytes', [at(2), ...BUID, 3]],
    ['no bytes', [at(2), ...BUID, 0]],
    ['what is not aligned', [at(2, 2), ...BUID, 4]],
    ['an argument too few', [at(2), ...BUID]],
  ])('refuses %s', (_what, args) => {
    expect(start([device('virtio-rng-pci', 2)]).rtas('ibm,read-pci-config', args, 2)[0]).toBe(-1)
  })

  it('has a segment for each host bridge', () => {
    const second = device('spapr-pci-host-bridge', 0, { id: 'p3', properties: { index: 3 } })
    const { addr: _, ...bridge } = second
    const { rtas, machine } = start([bridge, device('edu', 4, { bus: 'p3.0' })])
    const [status, id] = rtas('ibm,read-pci-config', [at(4), BUID[0], BUID[1] + 3, 4], 2)
    expect([status, id! >>> 0]).toEqual([0, 0x11e8_1234])
    expect(machine.observe().map(({ id }) => id)).toEqual(['0003:00:04.0'])
  })
})

describe('messages', () => {
  const granted = (kind: number, count: number) => {
    const { rtas, ...rest } = start([device('virtio-rng-pci', 2), device('edu', 3)])
    const slot = kind === 3 ? 3 : 2
    return { ...rest, rtas, slot, change: rtas('ibm,change-msi', [at(slot), ...BUID, kind, count, 1], 4) }
  }

  it('are sources that ibm,change-msi puts into the MSI-X table', () => {
    const { change, rtas } = granted(4, 2)
    expect(change).toEqual([0, 2, 2, 2])
    const query = (index: number): number[] => rtas('ibm,query-interrupt-source-number', [at(2), ...BUID, index], 3)
    expect([query(0), query(1)]).toEqual([
      [0, 0x1300, 1],
      [0, 0x1301, 1],
    ])
    expect(query(2)[0]).toBe(-1)
  })

  it('are put into the MSI capability', () => {
    const { change, read, slot } = granted(3, 1)
    expect(change).toEqual([0, 1, 2, 1])
    // The capability of edu is at 0x40, with 64 bits of address.
    expect([0x44, 0x48, 0x4c].map((offset) => read(at(slot, offset), 4)[1]! & 0xffff)).toEqual([0, 0x400, 0x1300])
  })

  it('are counted for whoever asks for too many', () => {
    const { change, rtas } = granted(4, 100)
    expect(change.slice(0, 2)).toEqual([0, 2])
    expect(rtas('ibm,query-interrupt-source-number', [at(2), ...BUID, 0], 3)[0]).toBe(-1)
  })

  it('are given back, and then given to the next', () => {
    const { rtas } = granted(4, 2)
    expect(rtas('ibm,change-msi', [at(2), ...BUID, 4, 0, 1], 4)[0]).toBe(0)
    expect(rtas('ibm,change-msi', [at(2), ...BUID, 4, 0, 1], 4)[0]).toBe(-1)
    expect(rtas('ibm,change-msi', [at(3), ...BUID, 3, 1, 1], 4)[0]).toBe(0)
    expect(rtas('ibm,query-interrupt-source-number', [at(3), ...BUID, 0], 3)).toEqual([0, 0x1300, 1])
  })

  it.each([
    ['MSI-X of a function without', [at(3), ...BUID, 4, 1, 1]],
    ['messages of a function that is not there', [at(9), ...BUID, 4, 1, 1]],
    ['messages of another host bridge', [at(2), BUID[0], BUID[1] + 1, 4, 1, 1]],
    ['an unknown kind', [at(2), ...BUID, 9, 1, 1]],
    ['an argument too few', [at(2), ...BUID, 4, 1]],
  ])('are refused: %s', (_what, args) => {
    expect(start([device('virtio-rng-pci', 2), device('edu', 3)]).rtas('ibm,change-msi', args, 4)[0]).toBe(-3)
  })
})

describe('interrupts', () => {
  const LSI = 0x1200
  const MESSAGE = 0x1300

  /** Sources, with a level-triggered one and one of messages, and the calls on them. */
  function controller() {
    const sources = new InterruptSources()
    sources.claim(LSI, true)
    sources.claim(MESSAGE, false)
    const out = new Uint32Array(8)
    const call = (number: number, ...args: readonly number[]): number => {
      const words = new Uint32Array(18)
      for (const [index, value] of args.entries()) {
        words[index * 2] = value % 2 ** 32
        words[index * 2 + 1] = Math.floor(value / 2 ** 32)
      }
      return sources.call(number, words, out)
    }
    return { sources, call, out, taken: () => sources.take() }
  }

  it('by XIVE: a message is told by the number that software gave its source, once until it is acknowledged', () => {
    const { sources, call, out, taken } = controller()
    sources.trigger(MESSAGE)
    expect([sources.pending, taken()]).toEqual([false, -1])
    expect([call(H_INT_GET_SOURCE_INFO, 0, MESSAGE), out[0]]).toEqual([0, 8])
    expect(call(H_INT_SET_SOURCE_CONFIG, 2, MESSAGE, 0, 6, 0x55)).toBe(0)
    sources.trigger(MESSAGE)
    expect(taken()).toBe(-1)
    // It was off: its former state is answered.
    expect([call(H_INT_ESB, 0, MESSAGE, 0xc00), out[0]]).toEqual([0, 1])
    sources.trigger(MESSAGE)
    sources.trigger(MESSAGE)
    expect([sources.pending, taken(), taken()]).toEqual([true, 0x55, -1])
    // One came meanwhile.
    expect([call(H_INT_ESB, 0, MESSAGE, 0), out[0]]).toEqual([0, 3])
    expect([taken(), taken()]).toEqual([0x55, -1])
    expect([call(H_INT_ESB, 0, MESSAGE, 0x800), out[0]]).toEqual([0, 2])
    call(H_INT_ESB, 0, MESSAGE, 0)
    expect(taken()).toBe(-1)
    call(H_INT_RESET, 0)
    sources.trigger(MESSAGE)
    expect(taken()).toBe(-1)
  })

  it('by XIVE: a level that is still there is told again', () => {
    const { sources, call, out, taken } = controller()
    expect([call(H_INT_GET_SOURCE_INFO, 0, LSI), out[0]]).toEqual([0, 8 | 4])
    call(H_INT_SET_SOURCE_CONFIG, 2, LSI, 0, 6, LSI)
    sources.set(LSI, true)
    expect(taken()).toBe(-1)
    call(H_INT_ESB, 0, LSI, 0xc00)
    expect([taken(), taken()]).toEqual([LSI, -1])
    call(H_INT_ESB, 0, LSI, 0)
    expect([taken(), taken()]).toEqual([LSI, -1])
    sources.set(LSI, false)
    call(H_INT_ESB, 0, LSI, 0)
    expect(taken()).toBe(-1)
  })

  it('by XICS: a priority lets a source through, and an end of interrupt acknowledges it', () => {
    const { sources, taken } = controller()
    sources.set(LSI, true)
    expect([sources.priorityOf(LSI), taken()]).toEqual([0xff, -1])
    sources.enable(LSI, 5)
    expect([sources.priorityOf(LSI), taken(), taken()]).toEqual([5, LSI, -1])
    sources.endOfInterrupt(LSI)
    expect(taken()).toBe(LSI)
    sources.set(LSI, false)
    sources.endOfInterrupt(LSI)
    expect(taken()).toBe(-1)
    sources.enable(LSI, 0xff)
    sources.set(LSI, true)
    expect(taken()).toBe(-1)
  })

  it('by XIVE: calls say which argument is wrong', () => {
    const { call } = controller()
    expect(call(H_INT_GET_SOURCE_INFO, 1, LSI)).toBe(-4)
    expect(call(H_INT_SET_SOURCE_CONFIG, 4, LSI, 0, 6, 1)).toBe(-4)
    expect(call(H_INT_SET_SOURCE_CONFIG, 2, LSI, 0, 7, 1)).toBe(-57)
    expect(call(H_INT_ESB, 0, LSI, 0x20_0000)).toBe(-56)
    expect(call(H_INT_ESB, 2, LSI, 0)).toBe(-4)
    expect(call(0x3b0, 0, LSI)).toBe(-2)
  })

  it('of a source that was given back are lost', () => {
    const { sources, call, taken } = controller()
    call(H_INT_SET_SOURCE_CONFIG, 2, MESSAGE, 0, 6, 0x55)
    call(H_INT_ESB, 0, MESSAGE, 0xc00)
    sources.free(MESSAGE)
    sources.trigger(MESSAGE)
    expect(taken()).toBe(-1)
    expect(sources.findMessages(0xd00, false)).toBe(MESSAGE)
    expect(sources.findMessages(0xd01, false)).toBe(-1)
  })

  it('are masked and let through by RTAS under XICS', () => {
    const { rtas, hcall } = start([], { machineProperties: { 'ic-mode': 'xics' } })
    expect(rtas('ibm,get-xive', [LSI], 3)).toEqual([0, 0, 0xff])
    expect(rtas('ibm,set-xive', [LSI, 0, 5], 1)).toEqual([0])
    expect(rtas('ibm,get-xive', [LSI], 3)).toEqual([0, 0, 5])
    expect(rtas('ibm,int-off', [LSI], 1)).toEqual([0])
    expect(rtas('ibm,get-xive', [LSI], 3)).toEqual([0, 0, 0xff])
    expect(rtas('ibm,int-on', [LSI], 1)).toEqual([0])
    expect(hcall(0x64, 0x0500_0000 + LSI).code).toBe(0)
  })

  it('of sources that nobody claimed are refused', () => {
    const { hcall, rtas } = start([])
    for (const source of [0, 0x12ff, MESSAGE, 0x1fff, 0x2000, 2 ** 32 + LSI]) {
      for (const call of [H_INT_GET_SOURCE_INFO, H_INT_SET_SOURCE_CONFIG, H_INT_ESB]) {
        expect(hcall(call, 0, source, 0, 6, 1).code, `${call} of ${source}`).toBe(-55)
      }
    }
    expect(rtas('ibm,set-xive', [MESSAGE, 0, 5], 1)).toEqual([-3])
    expect(rtas('ibm,get-xive', [MESSAGE], 3)[0]).toBe(-3)
  })
})

describe('dynamic windows by RTAS', () => {
  it('map memory from 2^59 on', () => {
    const { rtas, hcall } = start([])
    expect(rtas('ibm,query-pe-dma-window', [0, ...BUID], 5).slice(0, 2)).toEqual([0, 1])
    const [status, liobn, hi, lo] = rtas('ibm,create-pe-dma-window', [0, ...BUID, 24, 29], 4)
    expect([status, liobn! >>> 0, hi, lo]).toEqual([0, 0x8000_0001, 0x0800_0000, 0])
    expect(rtas('ibm,query-pe-dma-window', [0, ...BUID], 5).slice(0, 2)).toEqual([0, 0])
    // H_PUT_TCE
    expect(hcall(0x20, 0x8000_0001, 2 ** 59, 3).code).toBe(0)
    expect(rtas('ibm,remove-pe-dma-window', [0x8000_0001], 1)).toEqual([0])
    expect(hcall(0x20, 0x8000_0001, 2 ** 59, 3).code).not.toBe(0)
  })

  it('are not there with ddw=off, nor on another host bridge', () => {
    expect(start([], { hostBridge: { ddw: false } }).rtas('ibm,query-pe-dma-window', [0, ...BUID], 5)[0]).not.toBe(0)
    expect(start([]).rtas('ibm,query-pe-dma-window', [0, BUID[0], BUID[1] + 1], 5)[0]).toBe(-3)
  })
})

describe('H_CAS', () => {
  /** No processors, then option vectors 1 to 5; byte 23 of the last asks for an interrupt controller. */
  function vectors(interrupts: number): Uint8Array {
    const bytes = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4]
    for (let number = 1; number < 5; number++) bytes.push(0, 0)
    bytes.push(23, ...new Array<number>(22).fill(0), interrupts, 0)
    return Uint8Array.from(bytes)
  }
  const ask = (interrupts: number, size: number, more: Partial<MachineDescription> = {}) => {
    const { bus, hcall } = start([], more)
    bus.writeBytes(0x20_0000, vectors(interrupts))
    const { code } = hcall(H_CAS, 0x20_0000, 0x30_0000, size)
    const answer = new Uint8Array(0x1_0000)
    bus.readBytes(0x30_0000, answer)
    return { code, version: answer[3], tree: Buffer.from(answer.subarray(4)) }
  }

  it('answers a tree with the interrupt controller that the vectors ask for', () => {
    const [xive, xics] = [ask(0x40, 0x1_0000), ask(0, 0x1_0000)]
    expect([xive.code, xive.version, xive.tree.readUInt32BE()]).toEqual([0, 1, 0xd00d_feed])
    expect([xive.tree.includes('ibm,power-ivpe'), xive.tree.includes('IBM,ppc-xicp')]).toEqual([true, false])
    expect([xics.tree.includes('ibm,power-ivpe'), xics.tree.includes('IBM,ppc-xicp')]).toEqual([false, true])
  })

  it('refuses a controller that the machine has not, a buffer that is too small, and vectors out of memory', () => {
    expect(ask(0x40, 0x1_0000, { machineProperties: { 'ic-mode': 'xics' } }).code).toBe(-1)
    expect(ask(0x40, 100).code).toBe(-4)
    expect(start([]).hcall(H_CAS, 2 ** 40, 0x30_0000, 0x1_0000).code).toBe(-4)
    expect(start([]).hcall(H_CAS, 512 * 2 ** 20 - 4, 0x30_0000, 0x1_0000).code).toBe(-4)
  })
})

describe('hostile calls', () => {
  it('are answered, whatever they ask', () => {
    const { hcall, raw } = start([device('virtio-rng-pci', 2), device('e1000e', 3)])
    const value = fc.oneof(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.constantFrom(0, 1, 3, 4, 16, at(2), at(3), ...BUID, 0x8000_0000, 0x8000_0001, 0x1200, 0x1300, 0x1fff),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 0x1ff0, max: 0x2030 }),
        value,
        value,
        fc.array(value, { maxLength: 16 }),
        fc.boolean(),
        (token, nargs, nret, args, isTrue) => {
          const counts = isTrue ? [args.length, 16 - args.length] : [nargs, nret]
          expect([0, -4]).toContain(raw([token, ...counts, ...args]))
        },
      ),
      RUNS,
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(PSERIES_HCALL), 0x1c, 0x20, 0x64, 0x138, 0x13c, 0, 0xffff),
        fc.array(fc.oneof(value, fc.double({ min: 0, max: 2 ** 63, noNaN: true }).map(Math.floor)), { maxLength: 9 }),
        (number, args) => {
          expect(Number.isInteger(hcall(number, ...args).code)).toBe(true)
        },
      ),
      RUNS,
    )
  })

  it('of RTAS with arguments out of memory are refused', () => {
    const { hcall } = start([])
    for (const address of [512 * 2 ** 20 - 8, 512 * 2 ** 20, 2 ** 45, 2 ** 53 - 8]) {
      expect(hcall(H_RTAS, address).code).toBe(-4)
    }
  })
})

describe('refused is', () => {
  const message = (devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}): string => {
    try {
      start(devices, more)
    } catch (error) {
      if (error instanceof DmascopeError) return `${error.code} ${error.message}`
      throw error
    }
    return 'built'
  }
  const bridge = (properties: DeviceDescription['properties']): DeviceDescription => {
    const { addr: _, ...one } = device('spapr-pci-host-bridge', 0, { properties })
    return one
  }

  it.each<[string, readonly DeviceDescription[], Partial<MachineDescription>, RegExp]>([
    ['memory of 300 MiB', [], { memory: 300 << 20 }, /^MACHINE_MEMORY .*not aligned to 256 MiB/],
    ['less memory to come than there is', [], { maxMemory: 256 << 20 }, /^MACHINE_MEMORY .*less than/],
    ['an unknown processor', [], { cpu: 'cortex-a57' }, /^MACHINE_PROCESSOR .*cortex-a57/],
    ['a host bridge without index', [bridge({})], {}, /^MACHINE_PLUG .*mandatory/],
    ['a second one of index 0', [bridge({ index: 0 })], {}, /^MACHINE_PLUG .*PHB 0 already attached/],
    ['one of index 31', [bridge({ index: 31 })], {}, /^MACHINE_PLUG .*too large \(max 30\)/],
    ['a bridge without chassis', [device('pcie-root-port', 2)], {}, /^MACHINE_PLUG .*chassis_nr/],
    ['an IOMMU of a PC', [device('intel-iommu', 0)], {}, /MACHINE_UNKNOWN_DEVICE|MACHINE_PLUG/],
    ['a virtio IOMMU', [device('virtio-iommu-pci', 2)], {}, /^MACHINE_NOT_MODELLED /],
  ])('%s', (_what, devices, more, expected) => {
    expect(message(devices, more)).toMatch(expected)
  })
})

describe('a machine file', () => {
  const read = (text: string): MachineDescription => readMachineFile(text, { file: 'm.yaml' }).description

  it('says all of a POWER machine', () => {
    expect(
      read(`machine: pseries
cpu: power9
memory: 1G
maxMemory: 4G
cpus: 2
maxCpus: 8
machineProperties: { ic-mode: xics }
hostBridge: { ddw: off, dma_win_size: 0x80000000 }
`),
    ).toMatchObject({
      machine: 'pseries',
      cpu: 'power9',
      memory: 2 ** 30,
      maxMemory: 2 ** 32,
      cpus: 2,
      maxCpus: 8,
      machineProperties: { 'ic-mode': 'xics' },
      hostBridge: { ddw: false, dma_win_size: 0x8000_0000 },
    })
  })

  it.each([
    ['machine: q35\nhostBridge: { ddw: off }\n', 'm.yaml:2:1: only the host bridge of a pseries has properties'],
    ['machine: pseries\nhostBridge: { dw: off }\n', "m.yaml:2:15: property 'spapr-pci-host-bridge.dw' not found"],
    ['machine: pseries\nmaxMemory: big\n', 'm.yaml:2:12: expected a size'],
  ])('%j is refused', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
})
