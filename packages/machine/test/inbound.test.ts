import { parseDtb, parseRanges } from '@dmascope/devicetree'
import { DMA_DECODE_ERROR, DMA_OK } from '@dmascope/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import { InboundWindows } from '../src/inbound/inbound-windows.ts'
import { createMachine, type Machine } from '../src/index.ts'
import { errorOf } from './described-machine.ts'
import { DOORBELL, FakeFabric, MIB } from './fake-fabric.ts'

let machine: Machine | null = null
afterEach(() => {
  machine?.dispose()
  machine = null
})

const file = (inbound: string, more = ''): string => `machine: virt
cpu: cortex-a57
memory: 512M
${more}
inbound:
${inbound}
devices: []
`

function build(inbound: string, more = '') {
  const built = createMachine(readMachineFile(file(inbound, more), { file: 'm.yaml' }).description)
  machine = built.machine
  return built
}

const ONE = '  - windows: [{ bus: 0xc0000000, memory: 0x40000000, size: 512M }]'

describe('a port behind windows', () => {
  /** 16 MiB of memory from 32 MiB on are at 0x8000_0000 of the bus, and the doorbell at its own address. */
  const windows = new InboundWindows([
    { bus: 0x8000_0000, memory: 32 * MIB, size: 16 * MIB },
    { bus: DOORBELL - 0x40, memory: DOORBELL - 0x40, size: 0x1000 },
  ])
  const made = (options: ConstructorParameters<typeof FakeFabric>[0] = {}): FakeFabric =>
    new FakeFabric({ ...options, inbound: { dma: windows, messages: windows } })

  it('reads and writes memory where the window has it', () => {
    const one = made({ trace: true })
    one.grant(32 * MIB, 0x2000)
    expect(one.port.write(0, 0x8000_0ffc, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))).toBe(DMA_OK)
    const seen = new Uint8Array(8)
    one.ram.readBytes(32 * MIB + 0xffc, seen)
    expect([...seen]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    const back = new Uint8Array(4)
    expect(one.port.read(0, 0x8000_1000, back)).toBe(DMA_OK)
    expect([...back]).toEqual([5, 6, 7, 8])
    expect(one.ledger.counts['self-test']).toMatchObject({ untranslated: 2, faulted: 0 })
    expect(one.ledger.strays).toEqual([])
    expect(one.books.trace).toMatchObject([
      { busAddress: '0x0000000080000ffc', physical: `0x${(32 * MIB + 0xffc).toString(16)}`, route: 'untranslated' },
      { busAddress: '0x0000000080001000', physical: `0x${(32 * MIB + 0x1000).toString(16)}` },
    ])
  })

  it('meets nobody outside of them: reads give ones, writes are lost, and both are seen', () => {
    const one = made()
    one.grant(32 * MIB, 0x1000)
    one.ram.writeBytes(32 * MIB, Uint8Array.of(9))
    const back = Uint8Array.of(0)
    // The address that memory has for the processor.
    expect(one.port.read(0, 32 * MIB, back)).toBe(DMA_DECODE_ERROR)
    expect(back[0]).toBe(0xff)
    expect(one.port.write(0, 32 * MIB, Uint8Array.of(1))).toBe(DMA_DECODE_ERROR)
    expect(one.port.write(0, 32 * MIB, Uint8Array.of(2))).toBe(DMA_DECODE_ERROR)
    one.ram.readBytes(32 * MIB, back)
    expect(back[0]).toBe(9)
    expect(one.ledger.strayCount).toBe(3)
    expect(one.ledger.strays).toEqual([
      { kind: 'read', busAddress: '0x2000000', physical: null, length: 1, landed: 'hole', count: 1 },
      { kind: 'write', busAddress: '0x2000000', physical: null, length: 1, landed: 'hole', count: 2 },
    ])
  })

  it('goes as far as a window does, and no further', () => {
    const one = made()
    one.grant(32 * MIB, 32 * MIB)
    const bytes = new Uint8Array(0x2000).fill(7)
    expect(one.port.write(0, 0x8100_0000 - 0x1000, bytes)).toBe(DMA_DECODE_ERROR)
    const seen = new Uint8Array(0x1000)
    one.ram.readBytes(48 * MIB - 0x1000, seen)
    expect(seen.every((byte) => byte === 7)).toBe(true)
    one.ram.readBytes(48 * MIB, seen)
    expect(seen.every((byte) => byte === 0)).toBe(true)
  })

  it('judges by the place in memory, not by the address on the bus', () => {
    const one = made()
    one.grant(0x8000_0000, 0x1000)
    expect(one.port.write(0, 0x8000_0000, Uint8Array.of(1))).toBe(DMA_OK)
    expect(one.ledger.strays).toMatchObject([{ busAddress: '0x80000000', physical: '0x2000000', landed: 'ram' }])
  })

  it('views memory through one window, and nothing outside', () => {
    const one = made()
    one.grant(32 * MIB, 0x1000)
    const view = one.port.view(0, 0x8000_0010, 16, 3)
    view!.data.setUint8(0, 0x5a)
    const seen = new Uint8Array(1)
    one.ram.readBytes(32 * MIB + 0x10, seen)
    expect(seen[0]).toBe(0x5a)
    expect(one.port.isCurrent(view!)).toBe(true)
    expect(one.port.view(0, 32 * MIB, 16, 3)).toBeNull()
    one.port.rewire(null)
    expect(one.port.isCurrent(view!)).toBe(false)
    expect(one.port.view(0, 32 * MIB, 16, 3)).not.toBeNull()
    expect(one.port.read(0, 0x8000_0000, seen)).toBe(DMA_DECODE_ERROR)
  })

  it('sends messages the same way: to the doorbell’s window, else nowhere', () => {
    const one = made()
    expect(one.port.msi(0, DOORBELL, 5)).toBe(DMA_OK)
    expect(one.doorbell).toEqual([5])
    expect(one.port.msi(0, 0x1000, 6)).toBe(DMA_DECODE_ERROR)
    expect(one.doorbell).toEqual([5])
  })

  it('no address is one too many', () => {
    const one = made()
    for (const hi of [1, 0x20_0000, 0xffff_ffff]) {
      for (const lo of [0, 0x8000_0000, 0xffff_ffff]) {
        expect(one.port.read(hi, lo, new Uint8Array(3))).toBe(DMA_DECODE_ERROR)
        expect(one.port.view(hi, lo, 64, 3)).toBeNull()
        expect(one.port.msi(hi, lo, 1)).toBe(DMA_DECODE_ERROR)
      }
    }
  })
})

describe('the device tree', () => {
  const cells = (name: string, inbound: string): number[] => {
    const built = build(inbound)
    const header = new Uint8Array(8)
    built.machine.bus.readBytes(built.deviceTree!, header)
    const blob = new Uint8Array(new DataView(header.buffer).getUint32(4))
    built.machine.bus.readBytes(built.deviceTree!, blob)
    const node = parseDtb(blob).find(name)
    if (node === undefined || node === null) throw new Error(`no ${name}`)
    expect(parseRanges(node, 'dma-ranges').problem).toBeNull()
    return node.cells('dma-ranges')
  }

  it('says where the host bridge sees memory: three cells for PCI, two for memory, two for the size', () => {
    expect(cells('/pcie@10000000', ONE)).toEqual([0x0200_0000, 0, 0xc000_0000, 0, 0x4000_0000, 0, 0x2000_0000])
  })

  it('names 64-bit memory where a window reaches beyond 4 GiB', () => {
    const high = '  - windows: [{ bus: 0x400000000, memory: 0x40000000, size: 0x20000000 }]'
    expect(cells('/pcie@10000000', high)).toEqual([0x0300_0000, 4, 0, 0, 0x4000_0000, 0, 0x2000_0000])
  })

  it('has a node for each bus that the host bridge is on, the outermost at the root', () => {
    const three = `${ONE}\n  - windows: [{ bus: 0x40000000, memory: 0x0, size: 512M }]\n  - windows: [{ bus: 0, memory: 0x40000000, size: 512M }]`
    expect(cells('/bus-2/bus-1/pcie@10000000', three).slice(3, 5)).toEqual([0, 0x4000_0000])
    machine!.dispose()
    expect(cells('/bus-2/bus-1', three)).toEqual([0, 0x4000_0000, 0, 0, 0, 0x2000_0000])
    machine!.dispose()
    expect(cells('/bus-2', three)).toEqual([0, 0, 0, 0x4000_0000, 0, 0x2000_0000])
  })

  it('says nothing of it on a machine without windows', () => {
    const { machine: plain, deviceTree } = createMachine(
      readMachineFile('machine: virt\ncpu: cortex-a57\n', { file: 'm.yaml' }).description,
    )
    machine = plain
    const header = new Uint8Array(8)
    plain.bus.readBytes(deviceTree!, header)
    const blob = new Uint8Array(new DataView(header.buffer).getUint32(4))
    plain.bus.readBytes(deviceTree!, blob)
    expect([...parseDtb(blob).nodes()].filter((node) => node.has('dma-ranges'))).toEqual([])
  })
})

describe('a machine file with windows that cannot be', () => {
  it.each([
    [
      file(ONE).replace('virt', 'q35'),
      'MACHINE_FILE_VALUE m.yaml:5:1: only a virt’s host bridge and a bcm3384’s bus have windows',
    ],
    [file('  - windows: [{ bus: 1, memory: 0, size: 4K }]'), 'expected an address such as 0xc0000000, of whole pages'],
    [file('  - windows: [{ bus: 0, memory: 0, size: 100 }]'), 'expected a size such as 512M, of whole pages'],
    [file('  - windows: [{ bus: 0, memory: 0, size: 0 }]'), 'expected a size such as 512M'],
    [file('  - windows: [{ bus: 0, memory: 0xfffffffffffff000, size: 8K }]'), "got '"],
    [file('  - windows: [{ bus: 0xffffffffff000, memory: 0, size: 8K }]'), 'the window ends above 2^52'],
    [
      file('  - windows: [{ bus: 0, memory: 0, size: 8K }, { bus: 4K, memory: 0x10000, size: 4K }]'),
      'the windows at bus addresses 0x0 and 0x1000 overlap',
    ],
    [file(Array.from({ length: 9 }, () => ONE).join('\n')), 'at most 8 buses, got 9'],
    [file('  - windows: []'), 'MACHINE_FILE'],
  ])('%#: is told where', (text, message) => {
    expect(errorOf(() => readMachineFile(text, { file: 'm.yaml' }))).toContain(message)
  })

  it.each([
    ['  - windows: [{ bus: 0x10000000, memory: 0x40000000, size: 4K }]', '', 'kept for devices’ own registers'],
    ['  - windows: [{ bus: 0, memory: 0x40000000, size: 256M }]', '', 'kept for the doorbell of messages'],
    [ONE, 'machineProperties: { iommu: smmuv3 }', 'not modelled beside an IOMMU'],
    [ONE, 'machineProperties: { firmware: edk2.fd }', 'not modelled beside firmware'],
  ])('%#: is refused when it is built', (inbound, more, message) => {
    expect(errorOf(() => build(inbound, more))).toContain(message)
  })
})
