import { buildDtb, DeviceTree, DtNode, parseDtb } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runSlof } from '../src/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 100) }
const MEMORY = 0x100_0000
const TREE_AT = 0x4_0000
const PAGE = 4096
const H_RTAS = 0xf000
const H_CAS = 0xf002
const READ = 7
const WRITE = 8

/** Configuration space of one function: what writes change is a bit mask for each byte. */
class Registers {
  readonly bytes = new Uint8Array(256)
  readonly writable = new Uint8Array(256)

  constructor(header = 0) {
    this.put(0, 4, 0x1005_1af4)
    this.put(0x0e, 1, header)
    this.allow(4, 2, 0xffff)
    if (header === 1)
      for (const [at, width] of [
        [0x18, 4],
        [0x1c, 2],
        [0x20, 4],
        [0x24, 4],
        [0x28, 4],
        [0x2c, 4],
      ] as const)
        this.allow(at, width, 0xffff_ffff)
  }

  put(at: number, width: number, value: number): this {
    for (let index = 0; index < width; index++) this.bytes[at + index] = Math.floor(value / 256 ** index) & 0xff
    return this
  }

  allow(at: number, width: number, mask: number): this {
    for (let index = 0; index < width; index++) this.writable[at + index] = Math.floor(mask / 256 ** index) & 0xff
    return this
  }

  io(bar: number, size: number): this {
    return this.put(0x10 + bar * 4, 4, 1).allow(0x10 + bar * 4, 4, -size >>> 0)
  }

  memory(bar: number, size: number): this {
    return this.allow(0x10 + bar * 4, 4, -size >>> 0)
  }

  /** 64 bits wide and prefetchable. */
  wide(bar: number, size: number): this {
    return this.put(0x10 + bar * 4, 4, 0xc)
      .allow(0x10 + bar * 4, 4, -size >>> 0)
      .allow(0x14 + bar * 4, 4, 0xffff_ffff)
  }

  rom(size: number): this {
    return this.allow(0x30, 4, (-size | 1) >>> 0)
  }

  read(at: number, width: number): number {
    let value = 0
    for (let index = width - 1; index >= 0; index--) value = value * 256 + (this.bytes[at + index] ?? 0xff)
    return value
  }

  write(at: number, width: number, value: number): void {
    for (let index = 0; index < width; index++) {
      const mask = this.writable[at + index] ?? 0
      const byte = Math.floor(value / 256 ** index) & 0xff
      this.bytes[at + index] = (this.bytes[at + index]! & ~mask) | (byte & mask)
    }
  }
}

/** Functions by bus, device and function as in a configuration address. */
type Functions = Readonly<Record<number, Registers>>

interface FakeOptions {
  readonly functions?: Functions
  /** What H_CAS answers; without, there is no such call. */
  readonly update?: Uint8Array
}

/** Memory, and the hypervisor calls that SLOF makes. */
function fake({ functions = {}, update }: FakeOptions) {
  const memory = new Uint8Array(MEMORY)
  const asked: number[] = []
  const bus = {
    readBytes(address: number, into: Uint8Array) {
      into.fill(0)
      into.set(memory.subarray(address, address + into.length))
    },
    writeBytes(address: number, from: Uint8Array) {
      memory.set(from.subarray(0, Math.max(0, MEMORY - address)), Math.min(address, MEMORY))
    },
    hypercall(number: number, args: Uint32Array) {
      // H_PARAMETER, for what is not in memory.
      if (args[0]! > MEMORY - PAGE || args[1] !== 0 || (args[2] ?? 0) > MEMORY - PAGE) return -4
      if (number === H_CAS) {
        asked.push(memory[args[0]! + 8]!)
        if (update === undefined) return -2
        memory[args[2]! + 3] = 1
        memory.set(update, args[2]! + 4)
        return 0
      }
      if (number !== H_RTAS) return -2
      const view = new DataView(memory.buffer, args[0])
      const cell = (index: number): number => view.getUint32(index * 4)
      const [token, nargs] = [cell(0), cell(1)]
      const registers = functions[(cell(3) >>> 8) & 0xffff]
      const at = cell(3) & 0xff
      view.setUint32((3 + nargs) * 4, registers === undefined ? 0xffff_ffff : 0)
      if (token === READ) view.setUint32((4 + nargs) * 4, registers?.read(at, cell(6)) ?? 0)
      if (token === WRITE) registers?.write(at, cell(6), cell(7))
      return 0
    },
  } as unknown as CpuBus
  return { bus, memory, asked }
}

const BRIDGE = '/pci@800000020000000'

type Cells = string | number | readonly number[]

const node = (name: string, properties: Readonly<Record<string, Cells>>, ...children: readonly DtNode[]): DtNode => {
  const made = new DtNode(name, [], children)
  for (const [key, value] of Object.entries(properties)) made.set(key, value)
  return made
}

/** A node of a PCI function, by the first cell of its `reg`. */
const pci = (name: string, address: number, ...children: readonly DtNode[]): DtNode =>
  node(name, { reg: [address, 0, 0, 0, 0] }, ...children)

/** A machine's tree: one host bridge, and nodes below it. */
const tree = (...below: readonly DtNode[]): DeviceTree =>
  new DeviceTree(
    node(
      '',
      { '#address-cells': 2, '#size-cells': 2 },
      node('memory@0', { device_type: 'memory', reg: [0, 0, 0, MEMORY] }),
      node('rtas', { 'ibm,read-pci-config': READ, 'ibm,write-pci-config': WRITE, 'rtas-size': 20 }),
      node('chosen', { bootargs: 'quiet' }),
      node(
        BRIDGE.slice(1),
        {
          device_type: 'pci',
          reg: [0x0800_0000, 0x2000_0000, 0, 0],
          ranges: [
            ...[0x0100_0000, 0, 0, 0x2000, 0, 0, 0x1_0000],
            ...[0x0200_0000, 0, 0x8000_0000, 0x2000, 0x8000_0000, 0, 0x8000_0000],
            ...[0x0300_0000, 0x2100, 0, 0x2100, 0, 0x100, 0],
          ],
        },
        ...below,
      ),
    ),
  )

function run(machine: DeviceTree | Uint8Array, options: FakeOptions & { readonly commandLine?: string } = {}) {
  const { bus, memory, asked } = fake(options)
  memory.set(machine instanceof Uint8Array ? machine : buildDtb(machine), TREE_AT)
  const { commandLine } = options
  const result = runSlof(bus, { deviceTree: TREE_AT, ...(commandLine !== undefined && { commandLine }) })
  // Where the tree claims more memory than there is, nothing is there.
  const isThere = result.deviceTree !== null && result.deviceTree < MEMORY
  const after = isThere ? parseDtb(memory.subarray(result.deviceTree!)) : null
  return { result, after, memory, asked }
}

describe('SLOF', () => {
  it('gives addresses to BARs function by function: ports from 0x80 for a block of 128, memory in steps of 64 KiB', () => {
    const first = new Registers().io(0, 0x80).memory(1, 0x1000).wide(4, 0x4000)
    const second = new Registers().io(0, 0x20).memory(1, 0x1000).wide(4, 0x4000).rom(0x4_0000)
    const { result, after } = run(tree(pci('scsi@2', 0x1000), pci('ethernet@3', 0x1800)), {
      functions: { 16: first, 24: second },
    })
    expect(result.placed.map(({ node, offset, address }) => [node, offset, address])).toEqual([
      ['scsi@2', 0x10, 0x80],
      ['scsi@2', 0x14, 0x8000_0000],
      ['scsi@2', 0x20, 0x2100_0000_0000],
      ['ethernet@3', 0x10, 0x100],
      ['ethernet@3', 0x14, 0x8001_0000],
      ['ethernet@3', 0x20, 0x2100_0001_0000],
      ['ethernet@3', 0x30, 0x8004_0000],
    ])
    expect([first.read(0x10, 4), first.read(0x14, 4)]).toEqual([0x81, 0x8000_0000])
    expect([first.read(0x20, 4), first.read(0x24, 4)]).toEqual([0xc, 0x2100])
    expect(after?.find(`${BRIDGE}/scsi@2`)?.cells('assigned-addresses')).toEqual([
      ...[0x8100_1010, 0, 0x80, 0, 0x80],
      ...[0x8200_1014, 0, 0x8000_0000, 0, 0x1000],
      ...[0xc300_1020, 0x2100, 0, 0, 0x4000],
    ])
    // Nothing decodes, and the ROM is off.
    expect([first.read(4, 2) & 7, second.read(0x30, 4) & 1]).toEqual([0, 0])
  })

  it('opens the windows of a bridge for what is below it, in whole megabytes, and shuts the others', () => {
    const bridge = new Registers(1).put(0x18, 4, 0x0001_0100)
    const { after } = run(tree(pci('pci@2', 0x1000, pci('scsi@1', 0x1_0800)), pci('scsi@3', 0x1800)), {
      functions: { 16: bridge, 264: new Registers().memory(0, 0x1000), 24: new Registers().memory(0, 0x1000) },
    })
    const above = after?.find(`${BRIDGE}/pci@2`)
    expect(above?.cells('bus-range')).toEqual([1, 1])
    expect(above?.cells('ranges')).toEqual([0x0200_0000, 0, 0x8000_0000, 0x0200_0000, 0, 0x8000_0000, 0, 0x10_0000])
    expect([bridge.read(0x20, 2), bridge.read(0x22, 2)]).toEqual([0x8000, 0x8000])
    expect(bridge.read(0x24, 2) & 0xfff0).toBeGreaterThan(bridge.read(0x26, 2) & 0xfff0)
    expect(bridge.read(0x1c, 1) & 0xf0).toBeGreaterThan(bridge.read(0x1d, 1) & 0xf0)
    expect(after?.find(`${BRIDGE}/scsi@3`)?.cells('assigned-addresses')?.[2]).toBe(0x8010_0000)
  })

  it('leaves a BAR for which there is no room without address', () => {
    const one = new Registers().memory(0, 0x8000_0000).memory(1, 0x8000_0000)
    const { result } = run(tree(pci('scsi@2', 0x1000)), { functions: { 16: one } })
    expect(result.placed).toHaveLength(1)
    expect(result.log.join()).toContain('no room')
  })

  it('puts RTAS into memory, and tells the tree of it and of the command line', () => {
    const { after, memory } = run(tree(), { commandLine: 'disable_ddw' })
    const rtas = after?.find('/rtas')
    const base = rtas?.cell('linux,rtas-base')
    expect(base).toBeGreaterThan(0)
    expect(rtas?.cell('linux,rtas-entry')).toBe(base)
    expect(memory[base!]).not.toBe(0)
    expect(after?.find('/chosen')?.string('bootargs')).toBe('disable_ddw')
    expect(run(tree()).after?.find('/chosen')?.string('bootargs')).toBe('quiet')
  })

  it('takes the tree that fits what the kernel asks for', () => {
    const update = tree()
    update.root.set('model', 'the second tree')
    const { after, asked } = run(tree(), { update: buildDtb(update) })
    expect(asked).toHaveLength(1)
    expect(after?.root.string('model')).toBe('the second tree')
  })

  it('keeps the first tree where the second is none', () => {
    const { after } = run(tree(), { update: Uint8Array.of(1, 2, 3) })
    expect(after?.find('/chosen')?.string('bootargs')).toBe('quiet')
  })

  it('answers no tree where the machine gives none', () => {
    for (const blob of [new Uint8Array(64), new Uint8Array(64).fill(0xff), buildDtb(tree()).subarray(0, 200)]) {
      const { result } = run(blob)
      expect([result.deviceTree, result.blob]).toEqual([null, null])
      expect(result.log).toHaveLength(1)
    }
    const { bus } = fake({})
    expect(runSlof(bus, { deviceTree: 2 ** 52 }).deviceTree).toBeNull()
  })

  it('puts a large tree where it ends below the buffer and RTAS, and none where there is no room', () => {
    const padded = (bytes: number): DeviceTree => {
      const large = tree(pci('scsi@2', 0x1000))
      large.root.set('padding', [...new Uint32Array(bytes / 4)])
      return large
    }
    const small = run(tree(pci('scsi@2', 0x1000))).result
    const large = run(padded(0x40_0000)).result
    // RTAS ends with memory, and a buffer of 2 MiB is below it.
    const buffer = MEMORY - 0x1000 - 0x20_0000
    expect(small.deviceTree).toBe(buffer - 0x20_0000)
    expect(large.deviceTree! + large.blob!.length).toBeGreaterThan(buffer - 0x1000)
    expect(large.deviceTree! + large.blob!.length).toBeLessThanOrEqual(buffer)
    const none = run(padded(0xd0_0000)).result
    expect(none).toMatchObject({ deviceTree: null, blob: null, hung: null })
    expect(none.log.at(-1)).toMatch(/^a tree of \d+ bytes does not fit below 0xdff000$/)
  })

  it('gets to an end with any registers, and any tree', () => {
    const blob = buildDtb(tree(pci('scsi@2', 0x1000), pci('pci@3', 0x1800, pci('scsi@1', 0x1_0800))))
    const change = fc.tuple(fc.nat(blob.length - 1), fc.nat(255))
    const bytes = fc.uint8Array({ minLength: 256, maxLength: 256 })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), bytes, bytes, fc.nat(1), (changes, values, masks, header) => {
        const one = new Registers(header)
        one.bytes.set(values)
        one.bytes[0x0e] = header
        one.writable.set(masks)
        const damaged = blob.slice()
        for (const [at, value] of changes) damaged[at] = value
        const { result } = run(damaged, { functions: { 16: one, 24: new Registers(1), 264: one } })
        expect(Array.isArray(result.placed)).toBe(true)
      }),
      RUNS,
    )
  })
})
