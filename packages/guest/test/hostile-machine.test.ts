import { buildMadt, buildMcfg, buildRsdp, buildRsdt, sdtHeader } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bootGuest, type GuestResult } from '../src/index.ts'
import { SparseBus } from './support/sparse-bus.ts'
import { ACCESS_PLATFORM, device, disk, machineWith, TERMINAL, VTD } from './support/test-machine.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const NOBODY = { grant: () => 0, revoke: () => {}, phase: () => {} }

/** A result has its form, whatever the machine did. */
function checkForm(result: GuestResult): void {
  expect(result.booted).toBe(result.halted === undefined)
  for (const { id, io, driver, interrupt } of result.devices) {
    expect(id).toMatch(/^0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/)
    if (io.ok) expect(io.attempted && !io.hung && !io.wrongData).toBe(true)
    // Without a driver, only the synthetic test moves data.
    if (io.ok && driver === null) expect(io.kind).toBe('synthetic')
    if (io.hung && io.unmapped !== true) expect(interrupt.lost).toBeGreaterThan(0)
    if (io.unmapped) expect([io.hung, interrupt.lost]).toEqual([true, 0])
  }
}

/** xorshift32. */
function generator(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

const signature = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0))

/** Some IDs that drivers match, so that nonsense gets as far as their probes. */
const IDS = [
  0x1042_1af4, 0x1001_1af4, 0x1041_1af4, 0x1044_1af4, 0x1045_1af4, 0x1043_1af4, 0x10d3_8086, 0x0005_1b36, 0x0010_1b36,
]

const TABLES: readonly Uint8Array[] = [
  buildMadt({
    signature: 'APIC',
    header: sdtHeader(3),
    localInterruptControllerAddress: 0xfee0_0000,
    flags: 1,
    records: [
      { kind: 'io-apic', type: 1, ioApicId: 0, reserved: 0, ioApicAddress: 0xfec0_0000, globalSystemInterruptBase: 0 },
    ],
  } as never),
  buildMcfg({
    signature: 'MCFG',
    header: sdtHeader(1),
    reserved: '0000000000000000',
    allocations: [
      { baseAddress: 0xb000_0000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255, reserved: 0 },
    ],
  } as never),
  // One DRHD at 0xfed90000 with INCLUDE_PCI_ALL and a scope for the I/O APIC.
  Uint8Array.from([
    ...signature('DMAR'),
    72,
    0,
    0,
    0,
    1,
    0,
    ...new Array<number>(26).fill(0x20),
    47,
    1,
    ...new Array<number>(10).fill(0),
    0,
    0,
    24,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0xd9,
    0xfe,
    0,
    0,
    0,
    0,
    3,
    8,
    0,
    0,
    0,
    0xff,
    0,
    0,
  ]),
]

/**
 * A modern virtio function's configuration space, as real devices have it.
 */
function configWord(place: number, register: number, ids: number): number {
  switch (register) {
    case 0x00:
      return ids
    case 0x04:
      return 0x0010_0000
    case 0x08:
      return 0x0100_0001
    case 0x10:
      return 0xf000_0000 + (place & 0xff) * 0x10_0000
    case 0x20:
      return 0xf008_0000 + (place & 0xff) * 0x10_0000
    case 0x34:
      return 0x40
    case 0x3c:
      return 0x010b
    default:
      break
  }
  // Four virtio capabilities in BAR 4, then MSI-X in BAR 0.
  if (register >= 0x40 && register < 0x90) {
    const index = (register - 0x40) >> 4
    const next = 0x50 + index * 0x10
    if (index === 4) return [0x0007_0011, 0x0000_0000, 0x0000_0800, 0][(register & 0xf) >> 2]!
    const type = [1, 3, 4, 2][index]!
    return [(type << 24) | 0x14_0009 | (next << 8), 4, index * 0x1000, 0x1000][(register & 0xf) >> 2]!
  }
  return 0
}

interface Nonsense {
  readonly seed: number
  /** Bytes of tables that are otherwise: which table, where, what. */
  readonly damage: readonly (readonly [number, number, number])[]
  /** One configuration read in so many is random. */
  readonly oneIn: number
}

/**
 * A machine with a memory map, tables and functions much as real ones, but for some damage, and behind them nothing:
 * every register reads at random, interrupts come at random, and it is idle or not as it likes.
 */
function garbageMachine({ seed, damage, oneIn }: Nonsense): CpuBus {
  const random = generator(seed)
  const bus = new SparseBus()
  const page = new DataView(new ArrayBuffer(4096))
  page.setUint16(0x1fe, 0xaa55, true)
  page.setUint32(0x202, 0x5372_6448, true)
  page.setUint8(0x1e8, 2)
  for (const [index, base] of [0x10_0000, 0xb000_0000].entries()) {
    page.setUint32(0x2d0 + index * 20, base, true)
    page.setUint32(0x2d8 + index * 20, 0x1000_0000, true)
    page.setUint32(0x2e0 + index * 20, index + 1, true)
  }
  bus.put(0x9_0000, new Uint8Array(page.buffer)).addMemory(0x100f_0000, 0x1_0000)
  const entries = TABLES.map((_, index) => 0x20_0000 + index * 0x1000)
  bus.put(0xe_0000, buildRsdp({ signature: 'RSD PTR ', oemId: 'X', revision: 0, rsdtAddress: 0x21_0000 }))
  bus.put(0x21_0000, buildRsdt({ signature: 'RSDT', header: sdtHeader(1), entries }))
  for (const [index, table] of TABLES.entries()) bus.put(entries[index]!, table)
  for (const [which, at, value] of damage) {
    const table = which % TABLES.length
    bus.write8(entries[table]! + (at % TABLES[table]!.length), value)
  }
  const anyWord = (width: number): number => (width === 4 ? random() : random() & (2 ** (width * 8) - 1))
  bus.onRead = (address, width) => (address < 0x1010_0000 ? undefined : anyWord(width))
  let selected = 0
  const sizing = new Set<number>()
  const config = (offset: number, width: number): number => {
    const place = (selected >>> 8) & 0xffff
    const hash = Math.imul(place + 1, 0x9e37_79b1) ^ Math.imul(seed + 1, 0x85eb_ca6b)
    // Most slots are empty, or the search alone would take all the time.
    if ((hash >>> 27) & 7) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    if (random() % oneIn === 0) return anyWord(width)
    const register = selected & 0xfc
    if (sizing.has(register) && (register === 0x10 || register === 0x20)) return 0xfff8_0000
    const word = configWord(place, register, IDS[(hash >>> 8) % IDS.length]!)
    return width === 4 ? word : (word >>> (offset * 8)) & (2 ** (width * 8) - 1)
  }
  const input = (port: number, width: number): number => {
    if (port === 0xcf8 && width === 4) return selected
    return port >= 0xcfc && port <= 0xcff ? config(port - 0xcfc, width) : anyWord(width)
  }
  bus.ports = {
    in8: (port) => input(port, 1),
    in16: (port) => input(port, 2),
    in32: (port) => input(port, 4),
    out8() {},
    out16() {},
    out32(port, value) {
      if (port === 0xcf8) selected = value
      else if (value === 0xffff_ffff) sizing.add(selected & 0xfc)
      else sizing.delete(selected & 0xfc)
    },
  }
  return Object.assign(bus, {
    nextInterrupt: () => ((random() & 3) === 0 ? 0x20 + (random() % 0x30) : -1),
    idle: () => (random() & 7) === 0,
  })
}

describe('a machine of nonsense', () => {
  it('that answers nothing at all has no boot parameters', () => {
    const result = bootGuest(new SparseBus(), { profile: 'linux-6.12', witness: NOBODY })
    expect(result).toMatchObject({ booted: false, halted: expect.stringContaining('no boot parameters'), devices: [] })
  })

  it('without memory halts', () => {
    const page = new Uint8Array(4096)
    page.set([0x55, 0xaa], 0x1fe)
    page.set(signature('HdrS'), 0x202)
    const result = bootGuest(new SparseBus().put(0x9_0000, page), { profile: 'linux-6.12', witness: NOBODY })
    expect(result).toMatchObject({ booted: false, halted: expect.stringContaining('no usable memory') })
  })

  it('without tables or ports boots and finds nothing', () => {
    const page = new DataView(new ArrayBuffer(4096))
    page.setUint16(0x1fe, 0xaa55, true)
    page.setUint32(0x202, 0x5372_6448, true)
    page.setUint8(0x1e8, 1)
    page.setUint32(0x2d0, 0x10_0000, true)
    page.setUint32(0x2d8, 0x100_0000, true)
    page.setUint32(0x2e0, 1, true)
    const bus = new SparseBus().put(0x9_0000, new Uint8Array(page.buffer))
    const result = bootGuest(bus, { profile: 'linux-6.12', witness: NOBODY })
    expect(result).toMatchObject({ booted: true, devices: [], iommus: [] })
  })

  it('never makes it throw or go on for ever', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.tuple(fc.nat(2), fc.nat(255), fc.nat(255)), { maxLength: 6 }),
        fc.constantFrom(10, 1000),
        (seed, damage, oneIn) => {
          const machine = garbageMachine({ seed, damage, oneIn })
          checkForm(bootGuest(machine, { profile: 'linux-6.12', witness: NOBODY, patience: 20, selfTestBytes: 4096 }))
        },
      ),
      // A run boots a kernel, which takes some milliseconds, most of them waiting for registers that never change.
      { numRuns },
    )
  })
})

/** The machine's own bus, but some of what it reads comes out otherwise. */
function unreliable(bus: CpuBus, seed: number, oneIn: number): CpuBus {
  const random = generator(seed)
  const spoil = (value: number, width: 1 | 2 | 4): number => {
    if (random() % oneIn !== 0) return value
    const wrong = [0, 0xffff_ffff, random(), value ^ (1 << (random() & 31))][random() & 3]!
    return (width === 4 ? wrong : wrong & (2 ** (width * 8) - 1)) >>> 0
  }
  const ports = bus.ports!
  return {
    read8: (address) => spoil(bus.read8(address), 1),
    read16: (address) => spoil(bus.read16(address), 2),
    read32: (address) => spoil(bus.read32(address), 4),
    write8: (address, value) => bus.write8(address, value),
    write16: (address, value) => bus.write16(address, value),
    write32: (address, value) => bus.write32(address, value),
    readBytes(address, into) {
      bus.readBytes(address, into)
      if (into.length > 0 && random() % oneIn === 0) into[random() % into.length]! ^= 1 << (random() & 7)
    },
    writeBytes: (address, from) => bus.writeBytes(address, from),
    nextInterrupt: () => (random() % oneIn === 0 ? -1 : bus.nextInterrupt()),
    idle: () => bus.idle(),
    ports: {
      ...ports,
      in8: (port) => spoil(ports.in8(port), 1),
      in16: (port) => spoil(ports.in16(port), 2),
      in32: (port) => spoil(ports.in32(port), 4),
      out8: (port, value) => ports.out8(port, value),
      out16: (port, value) => ports.out16(port, value),
      out32: (port, value) => ports.out32(port, value),
    },
  }
}

describe('a machine that is wrong now and then', () => {
  it('never makes it throw or go on for ever', () => {
    const devices = [
      VTD,
      disk(2, ACCESS_PLATFORM),
      disk(3, { 'disable-modern': true }),
      device('virtio-net-pci', 4, {}, { backend: { kind: 'network', where: 'qemu' } }),
      device('virtio-rng-pci', 5),
      device('e1000e', 6, {}, { backend: { kind: 'network', where: 'qemu' } }),
      device('virtio-serial-pci', 7),
      TERMINAL,
      device('virtio-balloon-pci', 8),
    ]
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(20, 200, 2000), (seed, oneIn) => {
        const machine = machineWith(devices)
        const bus = unreliable(machine.bus, seed, oneIn)
        checkForm(
          bootGuest(bus, { profile: 'linux-6.12', witness: machine.witness, patience: 200, selfTestBytes: 8192 }),
        )
        machine.dispose()
      }),
      // Each run builds and boots a whole machine, some tens of milliseconds: a fifth of the runs will do.
      { numRuns: Math.ceil(numRuns / 5) },
    )
  })
})
