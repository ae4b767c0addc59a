import fc from 'fast-check'
import { expect, describe as group, test } from 'vitest'
import { PciConfig } from '../src/pci/config-access.ts'
import type { PlacedRegion } from '../src/pci/place-regions.ts'
import { type PciSetup, setupPci } from '../src/pci/setup-pci.ts'
import { type FakeBus, FakeFunction, FakePc } from './fake-pc.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const GIB = 2 ** 30

interface Bar {
  readonly kind: 'io' | 'mem' | 'pref' | 'mem64' | 'pref64'
  readonly log2: number
}
/** A device with BARs, or a bridge with what is behind it. */
type Node = { readonly bars: readonly Bar[] } | { readonly behind: readonly Node[] }

function endpoint(bars: readonly Bar[]): FakeFunction {
  const one = new FakeFunction()
  one.view.setUint32(0, 0x1111_1234, true)
  one.view.setUint32(8, 0xff00_0000, true)
  let slot = 0
  for (const { kind, log2 } of bars) {
    const wide = kind.endsWith('64')
    if (slot + (wide ? 2 : 1) > 6) break
    const offset = 0x10 + 4 * slot
    one.view.setUint32(offset, kind === 'io' ? 1 : (wide ? 4 : 0) | (kind.startsWith('pref') ? 8 : 0), true)
    const mask = 2n ** 64n - 2n ** BigInt(log2)
    one.maskView.setUint32(offset, Number(mask & 0xffff_ffffn), true)
    if (wide) one.maskView.setUint32(offset + 4, Number(mask >> 32n), true)
    slot += wide ? 2 : 1
  }
  return one
}

function bridge(): FakeFunction {
  const one = new FakeFunction()
  one.view.setUint32(0, 0x1111_4321, true)
  one.view.setUint32(8, 0x0604_0000, true)
  one.config[0x0e] = 1
  one.mask.fill(0xff, 0x18, 0x1b)
  one.mask.fill(0xf0, 0x1c, 0x1e)
  one.maskView.setUint32(0x20, 0xfff0_fff0, true)
  one.maskView.setUint32(0x24, 0xfff0_fff0, true)
  one.view.setUint32(0x24, 0x0001_0001, true)
  one.mask.fill(0xff, 0x28, 0x34)
  return one
}

function busOf(nodes: readonly Node[]): FakeBus {
  const bus: FakeBus = { functions: new Map(), below: new Map() }
  for (const [device, node] of nodes.slice(0, 31).entries()) {
    bus.functions.set(device << 3, 'bars' in node ? endpoint(node.bars) : bridge())
    if ('behind' in node) bus.below.set(device << 3, busOf(node.behind))
  }
  return bus
}

function setup(nodes: readonly Node[], options: { highRam?: number; preferHigh?: boolean } = {}): PciSetup {
  const pc = new FakePc(new Map([[0, busOf(nodes)]]), new Map(), { dma: true, ram: 0 })
  return setupPci(new PciConfig(pc.ports), pc.ports, {
    lowRamEnd: 0x8000_0000,
    highRamSize: options.highRam ?? 0,
    extraRoots: false,
    reservedMemoryEnd: 0,
    physicalAddressBits: 40,
    preferHighWithHighRam: options.preferHigh ?? true,
    isUsed: () => false,
  })
}

const overlap = (a: PlacedRegion, b: PlacedRegion): boolean =>
  (a.type === 0) === (b.type === 0) && a.address < b.address + b.size && b.address < a.address + a.size

test('whatever the tree: BARs are aligned, do not overlap, and lie in the windows of the bridges above them', () => {
  const bar: fc.Arbitrary<Bar> = fc.oneof(
    fc.record({ kind: fc.constant('io' as const), log2: fc.integer({ min: 2, max: 8 }) }),
    fc.record({
      kind: fc.constantFrom<Bar['kind'][]>('mem', 'pref', 'mem64', 'pref64'),
      log2: fc.integer({ min: 4, max: 24 }),
    }),
  )
  const { tree } = fc.letrec<{ tree: Node }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.record({ bars: fc.array(bar, { maxLength: 4 }) }),
      fc.record({ behind: fc.array(tie('tree'), { maxLength: 3 }) }),
    ),
  }))
  fc.assert(
    fc.property(fc.array(tree, { maxLength: 4 }), fc.boolean(), (nodes, high) => {
      const { placed } = setup(nodes, { highRam: high ? GIB : 0 })
      if (placed === null) return
      const bars = placed.filter((one) => one.bar !== null)
      for (const [index, one] of bars.entries()) {
        expect(one.address % one.size).toBe(0)
        for (const other of bars.slice(index + 1)) expect(overlap(one, other)).toBe(false)
        for (let up = one.owner.parent; up !== null; up = up.parent) {
          const window = placed.find((region) => region.bar === null && region.owner === up && region.type === one.type)
          expect(window).toBeDefined()
          expect(one.address).toBeGreaterThanOrEqual(window!.address)
          expect(one.address + one.size).toBeLessThanOrEqual(window!.address + window!.size)
        }
      }
    }),
    { numRuns },
  )
})

group('where there is little room', () => {
  const one = (kind: Bar['kind'], log2: number): Node => ({ bars: [{ kind, log2 }] })
  const places = (result: PciSetup): string[] | undefined =>
    result.placed?.filter(({ bar }) => bar !== null).map(({ address }) => `0x${address.toString(16)}`)

  test('a 64-bit BAR that does not fit below the I/O APIC goes above 4 GiB; one of 32 bits stays', () => {
    const result = setup([one('pref64', 32), one('mem', 20)])
    expect(places(result)).toEqual(['0xff00000000', '0xfeb00000'])
  })

  test('where RAM lies above 4 GiB, 64-bit BARs do too from SeaBIOS 1.17 on, in the top eighth', () => {
    const nodes = [one('pref64', 20), one('mem64', 14), one('mem', 12)]
    const low = ['0xfea00000', '0xfebf8000', '0xfebfc000']
    expect(places(setup(nodes))?.sort()).toEqual(low)
    expect(places(setup(nodes, { highRam: 4 * GIB, preferHigh: false }))?.sort()).toEqual(low)
    expect(places(setup(nodes, { highRam: 4 * GIB }))).toEqual(['0xe000000000', '0xe040000000', '0xfebff000'])
  })

  test('more than 16 KiB of ports start at 0x1000', () => {
    const ports = Array.from({ length: 20 }, () => ({
      bars: Array.from({ length: 4 }, () => ({ kind: 'io', log2: 8 }) as const),
    }))
    expect(places(setup(ports))?.[0]).toBe('0x1000')
  })

  test('32-bit BARs that do not fit are told, not thrown', () => {
    expect(setup([one('mem', 31), one('mem', 31)]).placed).toBeNull()
  })
})

test('a machine where every function answers as a bridge comes to an end', () => {
  const pc = new FakePc(new Map(), new Map(), { dma: true, ram: 0 })
  pc.find = () => bridge()
  const result = setupPci(new PciConfig(pc.ports), pc.ports, {
    lowRamEnd: 0x8000_0000,
    highRamSize: 0,
    extraRoots: true,
    reservedMemoryEnd: 0,
    physicalAddressBits: 40,
    preferHighWithHighRam: true,
    isUsed: () => false,
  })
  expect(result.rootBuses[0]).toBe(0)
})
