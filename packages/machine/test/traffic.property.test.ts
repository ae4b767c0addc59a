import type { CpuBus } from '@dmascope/memory'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import {
  createMachine,
  type DeviceDescription,
  DmascopeError,
  deviceModels,
  type Machine,
  propertyNames,
} from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
/** A machine is used for so many runs, since to build one costs as much as many accesses. */
const RUNS_PER_MACHINE = 50
const MEMORY = 0x800_0000
const ECAM = 0xb000_0000
/** Registers of the platform: IOAPIC, local APIC, remapping unit; and the ROM's last page. */
const REMAPPING_UNIT = 0xfed9_0000
const PLATFORM = [0xfec0_0000, 0xfee0_0000, REMAPPING_UNIT, 0xffff_f000]
/** RAM that is not empty. */
const NOISE = 0x10_0000
const NOISE_BYTES = 0x4_0000

const describeWith = (devices: readonly DeviceDescription[]): Parameters<typeof createMachine>[0] => ({
  machine: 'q35',
  qemuVersion: '11.1',
  name: 'test',
  source: 'file',
  memory: MEMORY,
  cpus: 1,
  defaultDevices: false,
  machineProperties: { 'kernel-irqchip': 'split' },
  devices,
  append: '',
  ignored: [],
})

const device = (model: string, properties: DeviceDescription['properties'] = {}): DeviceDescription => ({
  model,
  properties,
  location: { text: model },
})

const IOMMU = device('intel-iommu', { intremap: 'on', 'device-iotlb': 'on' })

/** One of each model that can be built alone on the root bus; virtio ones behind the IOMMU too. */
function modelled(): DeviceDescription[] {
  const candidates = deviceModels().filter(
    ({ plug, versions, kind }) => plug !== 'platform' && versions.includes('11.1') && kind !== 'host-bridge',
  )
  const found: DeviceDescription[] = []
  for (const model of candidates) {
    const { name, required, virtio } = model
    const needed = Object.fromEntries(Object.keys(required).map((key) => [key.split('|')[0]!, 1]))
    // Ports are told apart by their chassis.
    const own = propertyNames(model, '11.1').includes('chassis') ? { ...needed, chassis: found.length + 1 } : needed
    const variants = [device(name, own)]
    if (virtio?.mode === 'any') variants.push(device(name, { ...needed, iommu_platform: 'on', 'disable-legacy': 'on' }))
    for (const one of variants) {
      try {
        createMachine(describeWith([IOMMU, one])).machine.dispose()
        found.push(one)
      } catch (error) {
        if (!(error instanceof DmascopeError)) throw error
      }
    }
  }
  return found
}

const DEVICES = modelled()
/** Device numbers that a q35 without default devices has left. */
const FREE_SLOTS = 30
const MACHINES = Math.ceil(DEVICES.length / FREE_SLOTS)
/** Dealt out like cards, so that each machine has some of every kind. */
const GROUPS = Array.from({ length: MACHINES }, (_, group) => DEVICES.filter((_, index) => index % MACHINES === group))

function configAddress(devfn: number, offset: number): number {
  return (0x8000_0000 | (devfn << 8) | (offset & 0xfc)) >>> 0
}

interface Bars {
  readonly memory: number[]
  readonly io: number[]
  /** Of virtio devices: the legacy interface, and the modern one in BAR 4. */
  readonly legacy: number[]
  readonly modern: number[]
  /** Memory BARs of all others: a probe's registers, or a test block. */
  readonly blocks: number[]
}

/** Gives every BAR an address, as firmware would, turns decoding and bus mastering on, and lists the BARs. */
function placeBars(bus: CpuBus): Bars {
  const ports = bus.ports!
  const read = (devfn: number, offset: number): number => {
    ports.out32(0xcf8, configAddress(devfn, offset))
    return ports.in32(0xcfc)
  }
  const write = (devfn: number, offset: number, value: number): void => {
    ports.out32(0xcf8, configAddress(devfn, offset))
    ports.out32(0xcfc, value >>> 0)
  }
  write(0, 0x64, 0)
  write(0, 0x60, ECAM | 1)
  const found: Bars = { memory: [], io: [], legacy: [], modern: [], blocks: [] }
  let next = 0xc000_0000
  let port = 0x1000
  for (let devfn = 0; devfn < 256; devfn++) {
    const id = read(devfn, 0)
    if (id === 0xffff_ffff) continue
    const isVirtio = (id & 0xffff) === 0x1af4
    const bars = (read(devfn, 0x0c) & 0x7f_0000) === 0 ? 6 : 2
    for (let bar = 0; bar < bars; bar++) {
      const at = 0x10 + bar * 4
      write(devfn, at, 0xffff_ffff)
      const sized = read(devfn, at)
      if (sized === 0) continue
      const isIo = (sized & 1) === 1
      const size = (~(sized & (isIo ? 0xffff_fffc : 0xffff_fff0)) + 1) >>> 0
      if (isIo) {
        port = Math.ceil(port / (size & 0xffff)) * (size & 0xffff)
        write(devfn, at, port)
        found.io.push(port)
        if (isVirtio) found.legacy.push(port)
        port += size & 0xffff
      } else {
        next = Math.ceil(next / size) * size
        write(devfn, at, next)
        found.memory.push(next)
        if (!isVirtio) found.blocks.push(next)
        else if (bar === 4) found.modern.push(next)
        next += Math.max(size, 0x1000)
        if ((sized & 6) === 4) write(devfn, at + 4, 0)
        if ((sized & 6) === 4) bar++
      }
    }
    write(devfn, 4, 7)
  }
  return found
}

interface Target {
  readonly machine: Machine
  readonly bars: Bars
  readonly functions: number
  runs: number
}

/** RTADDR, then GCMD.SRTP and GCMD.TE (VT-d 4.1). */
const TRANSLATE = [
  [0x20, NOISE],
  [0x18, 0x4000_0000],
  [0x18, 0x8000_0000],
] as const

/** Something for devices to find where a ring should be: small words, so that some are taken for descriptors. */
function fillWithNoise(bus: CpuBus): void {
  const noise = new Uint32Array(NOISE_BYTES / 4)
  let state = 1
  for (let index = 0; index < noise.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    noise[index] = state >>> ((state >>> 27) & 31)
  }
  bus.writeBytes(NOISE, new Uint8Array(noise.buffer))
}

/** DMA and faults of all machines that are done with. */
let built = 0
let moved = 0
let refused = 0
function retire({ machine }: Target): void {
  for (const { dma } of machine.observe()) {
    moved += dma.probe.translated + dma.probe.untranslated
    refused += dma.probe.faulted
  }
  machine.dispose()
}

const targets: (Target | null)[] = GROUPS.map(() => null)
afterAll(() => {
  for (const target of targets) target?.machine.dispose()
})

function targetOf(group: number): Target {
  const known = targets[group]
  if (known && known.runs++ < RUNS_PER_MACHINE) return known
  if (known) retire(known)
  const { machine } = createMachine(describeWith([IOMMU, ...GROUPS[group]!]))
  const bars = placeBars(machine.bus)
  machine.endFirmwarePhase()
  fillWithNoise(machine.bus)
  // Every other machine translates, by tables that are noise too.
  if (built++ % 2 === 1) for (const [at, value] of TRANSLATE) machine.bus.write32(REMAPPING_UNIT + at, value)
  const made: Target = { machine, bars, functions: machine.observe().length, runs: 0 }
  targets[group] = made
  return made
}

const word = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.nat(0xff),
  fc.nat(MEMORY).map((value) => (value & ~0xfff) >>> 0),
  fc.nat(NOISE_BYTES / 0x1000 - 1).map((page) => NOISE + page * 0x1000),
  fc.constantFrom(0, 0xffff_ffff, 0xfee0_0000, 0x8000_0000, 1),
)
const width = fc.constantFrom(1 as const, 2 as const, 4 as const)
const offset = fc.oneof(fc.nat(0xff), fc.nat(0x3fff))
const operation = fc.oneof(
  fc.record({ kind: fc.constant('config' as const), at: fc.nat(0xffff), offset: fc.nat(0xff), width, value: word }),
  fc.record({ kind: fc.constant('ecam' as const), at: fc.nat(0x1ff), offset: fc.nat(0xfff), width, value: word }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('bar' as const), at: fc.nat(), offset, width, value: word }) },
  fc.record({ kind: fc.constant('port' as const), at: fc.nat(), offset: fc.nat(0x3f), width, value: word }),
  fc.record({ kind: fc.constant('anyport' as const), at: fc.nat(0xffff), offset: fc.constant(0), width, value: word }),
  fc.record({ kind: fc.constant('platform' as const), at: fc.nat(), offset: fc.nat(0xfff), width, value: word }),
  fc.record({ kind: fc.constant('ram' as const), at: fc.nat(MEMORY), offset: fc.constant(0), width, value: word }),
  fc.record({ kind: fc.constant('any' as const), at: word, offset: fc.nat(0xffff), width, value: word }),
  ...(['dma', 'legacy', 'modern'] as const).map((kind) =>
    fc.record({ kind: fc.constant(kind), at: fc.nat(), offset: fc.nat(0xfff), width, value: word }),
  ),
  fc.record({ kind: fc.constant('run' as const), at: fc.constant(0), offset: fc.constant(0), width, value: word }),
)
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never

function apply(
  { machine, bars: { memory, io, legacy, modern, blocks } }: Target,
  { kind, at, offset: inner, width: wide, value }: Operation,
): number {
  const { bus } = machine
  const ports = bus.ports!
  const inPort = (port: number): number =>
    wide === 1 ? ports.in8(port) : wide === 2 ? ports.in16(port) : ports.in32(port)
  const outPort = (port: number): void =>
    wide === 1 ? ports.out8(port, value) : wide === 2 ? ports.out16(port, value) : ports.out32(port, value)
  const access = (address: number): number => {
    if (wide === 1) bus.write8(address, value)
    else if (wide === 2) bus.write16(address, value)
    else bus.write32(address, value)
    return wide === 1 ? bus.read8(address) : wide === 2 ? bus.read16(address) : bus.read32(address)
  }
  switch (kind) {
    case 'config':
      ports.out32(0xcf8, configAddress(at & 0x3ff, inner))
      outPort(0xcfc + (inner & 3 & ~(wide - 1)))
      return inPort(0xcfc + (inner & 3 & ~(wide - 1)))
    case 'ecam':
      return access(ECAM + (at << 12) + inner)
    case 'bar':
      return access(memory[at % memory.length]! + inner)
    case 'port':
      outPort(io[at % io.length]! + inner)
      return inPort(io[at % io.length]! + inner)
    case 'anyport':
      outPort(at)
      return inPort(at)
    case 'platform':
      return access(PLATFORM[at % PLATFORM.length]! + inner)
    case 'ram':
    case 'any':
      return access(at + inner)
    case 'dma':
      return startDma(bus, blocks[at % blocks.length]!, value, inner)
    case 'legacy':
      return startLegacy(bus, legacy[at % legacy.length] ?? 0, value)
    case 'modern':
      return startModern(bus, modern[at % modern.length] ?? 0, value)
    case 'run': {
      // What comes, if anything, is acknowledged at the local APIC.
      bus.nextInterrupt()
      bus.write32(0xfee0_00b0, 0)
      return 0
    }
  }
}

/** "DMAP": the DMA probe's registers; else the test block of a function that is not modelled, or other registers. */
const PROBE_SIGNATURE = 0x5041_4d44

/** An address and a length into the registers, and off it goes. */
function startDma(bus: CpuBus, bar: number, address: number, length: number): number {
  const probe: readonly [number, number][] = [
    [0x04, address],
    [0x08, 0],
    [0x0c, length + 1],
    [0x18, 1 + (length % 3) + (length & 0x100)],
    [0x14, 1],
  ]
  const block: readonly [number, number][] = [
    [0x04, address],
    [0x08, 0],
    [0x0c, NOISE + length],
    [0x10, 0],
    [0x14, length + 1],
    [0x20, 1],
    [0x18, 1 + (length % 3)],
  ]
  const registers = bus.read32(bar) === PROBE_SIGNATURE ? probe : block
  for (const [at, value] of registers) bus.write32(bar + at, value)
  return 0
}

/** A legacy virtio driver: queue 0 wherever it pleases, with what lies there for a ring (virtio 1.3 §4.1.4.10). */
function startLegacy(bus: CpuBus, base: number, address: number): number {
  const ports = bus.ports!
  ports.out8(base + 0x12, 0)
  ports.out8(base + 0x12, 3)
  ports.out16(base + 0x0e, 0)
  ports.out32(base + 0x08, address >>> 12)
  ports.out8(base + 0x12, 7)
  ports.out16(base + 0x10, 0)
  return 0
}

/** A modern one, by the common configuration at the start of BAR 4 as QEMU lays it out (virtio 1.3 §4.1.4.3). */
function startModern(bus: CpuBus, bar: number, address: number): number {
  for (const status of [0, 1, 3]) bus.write8(bar + 0x14, status)
  for (const half of [0, 1]) {
    bus.write32(bar + 0x00, half)
    bus.write32(bar + 0x08, half)
    bus.write32(bar + 0x0c, bus.read32(bar + 0x04))
  }
  bus.write8(bar + 0x14, 0x0b)
  bus.write16(bar + 0x16, 0)
  for (const part of [0, 8, 16]) {
    bus.write32(bar + 0x20 + part, address + part * 0x100)
    bus.write32(bar + 0x24 + part, 0)
  }
  bus.write16(bar + 0x1c, 1)
  bus.write8(bar + 0x14, 0x0f)
  bus.write16(bar + 0x3000, 0)
  return 0
}

describe('software on a machine with one of each modelled device', () => {
  it('has many of them to try', () => {
    expect(DEVICES.length).toBeGreaterThan(40)
    const { memory, io } = targetOf(0).bars
    expect(memory.length).toBeGreaterThan(20)
    expect(io.length).toBeGreaterThan(0)
  })

  it('may access anything in any order: each access ends, with a value of its width', () => {
    fc.assert(
      fc.property(
        fc.nat(GROUPS.length - 1),
        fc.array(operation, { minLength: 1, maxLength: 30 }),
        (group, operations) => {
          const target = targetOf(group)
          for (const one of operations) {
            const value = apply(target, one)
            if (!(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * one.width))) {
              expect({ ...one, value }).toBe('an unsigned value of its width')
            }
          }
          target.machine.bus.nextInterrupt()
          expect(target.machine.observe()).toHaveLength(target.functions)
        },
      ),
      { numRuns: RUNS },
    )
    for (const target of targets.splice(0)) if (target) retire(target)
    // The random accesses do come as far as DMA.
    if (RUNS >= 300) expect([moved > 0, refused > 0]).toEqual([true, true])
  })
})
