import { BOOT_PARAMS_ADDRESS, buildDmar, buildRsdp, buildRsdt } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { runTboot } from '../src/index.ts'
import { FakePc } from './fake-pc.ts'

const RSDP = 0xf_5000
const RSDT = 0x1000_0000
const DMAR = 0x1000_1000
const UNIT = 0xfed9_0000
const header = {
  revision: 1,
  oemId: 'TEST',
  oemTableId: 'TEST',
  oemRevision: 1,
  creatorId: 'TEST',
  creatorRevision: 1,
} as const

interface Setup {
  readonly ram?: readonly (readonly [base: number, length: number])[]
  readonly dmar?: boolean
  readonly txt?: boolean
  readonly cap?: number
}

/** A PC as firmware leaves it: a memory map, tables, a unit at 0xfed90000, and TXT's registers. */
function pcWith({ ram = [[0, 0x2000_0000]], dmar = true, txt = true, cap = 0x60 }: Setup = {}) {
  const pc = new FakePc(new Map(), new Map(), { dma: true, ram: 0 })
  const map = new DataView(new ArrayBuffer(0x1000))
  map.setUint8(0x1e8, ram.length)
  for (const [index, [base, length]] of ram.entries()) {
    const at = 0x2d0 + 20 * index
    map.setUint32(at, base % 2 ** 32, true)
    map.setUint32(at + 4, Math.floor(base / 2 ** 32), true)
    map.setUint32(at + 8, length % 2 ** 32, true)
    map.setUint32(at + 12, Math.floor(length / 2 ** 32), true)
    map.setUint32(at + 16, 1, true)
  }
  map.setUint16(0x1fe, 0xaa55, true)
  pc.writeBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(map.buffer))
  pc.writeBytes(RSDP, buildRsdp({ signature: 'RSD PTR ', oemId: 'TEST', revision: 0, rsdtAddress: RSDT }))
  pc.writeBytes(RSDT, buildRsdt({ signature: 'RSDT', header, entries: dmar ? [DMAR] : [] }))
  const table = buildDmar({
    signature: 'DMAR',
    header,
    hostAddressWidth: 47,
    flags: 1,
    records: [{ kind: 'DRHD', flags: 1, size: 0, segmentNumber: 0, registerBaseAddress: UNIT, scopes: [] }],
  })
  pc.writeBytes(DMAR, table)
  const writes: [offset: number, value: number][] = []
  let enabled = 0
  pc.mmio.push({
    base: UNIT,
    size: 0x1000,
    read: (offset) => (offset === 0x08 ? cap : offset === 0x64 ? enabled : 0),
    write: (offset, value) => {
      writes.push([offset, value >>> 0])
      if (offset === 0x64) enabled = value === 0 ? 0 : 0x8000_0001
    },
  })
  const heap = new Map<number, number>()
  const read = (offset: number): number => heap.get(offset) ?? 0
  if (txt) {
    pc.mmio.push({ base: 0xfed2_0000, size: 0x1_0000, read, write: (offset, value) => void heap.set(offset, value) })
    pc.mmio.push({ base: 0xfed3_0000, size: 0x1_0000, read, write: () => {} })
  }
  return { pc, writes, table, heapBase: () => read(0x300) }
}

const mapOf = (pc: FakePc): string[] =>
  Array.from({ length: pc.read8(BOOT_PARAMS_ADDRESS + 0x1e8) }, (_, index) => {
    const at = BOOT_PARAMS_ADDRESS + 0x2d0 + 20 * index
    const quad = (offset: number): number => pc.read32(at + offset + 4) * 2 ** 32 + pc.read32(at + offset)
    return `${quad(0).toString(16)}+${quad(8).toString(16)} ${pc.read32(at + 16)}`
  })

describe('a launch', () => {
  it('closes all RAM below and above 4 GiB, base and limit before PMEN', () => {
    const { pc, writes } = pcWith({
      ram: [
        [0, 0x9_fc00],
        [0x10_0000, 0x1fdf_0000],
        [0x1_0000_0000, 0x4030_0000],
      ],
    })
    const result = runTboot(pc, { rsdp: RSDP })
    expect(result.reset).toBeNull()
    expect(result.protected).toEqual({
      low: { base: 0, size: 0x1fe0_0000 },
      high: { base: 0x1_0000_0000, size: 0x4020_0000 },
    })
    expect(writes).toEqual([
      [0x68, 0],
      [0x6c, 0x1fc0_0000],
      [0x70, 0],
      [0x74, 1],
      [0x78, 0x4000_0000],
      [0x7c, 1],
      [0x64, 0x8000_0000],
    ])
  })

  it('keeps tboot, the heap, and RAM that is not closed from the kernel', () => {
    const { pc } = pcWith({ ram: [[0x10_0000, 0x1fdf_0000]] })
    runTboot(pc, { rsdp: RSDP })
    // From 1 MiB on, rounded down to 0: closed is all below 0x1fe0_0000, of which the heap has the last MiB.
    expect(mapOf(pc)).toEqual(['100000+700000 1', '800000+100000 2', '900000+1f400000 1', '1fd00000+1f0000 2'])
  })

  it('names its shared page to the kernel, with UUID and version', () => {
    const { pc } = pcWith()
    runTboot(pc, { rsdp: RSDP })
    expect([pc.read32(BOOT_PARAMS_ADDRESS + 0x58), pc.read32(BOOT_PARAMS_ADDRESS + 0x5c)]).toEqual([0x80_0000, 0])
    // 663c8dff-e8b3-4b82-aabf-19ea4d057a08, its first three parts little-endian.
    expect([pc.read32(0x80_0000), pc.read32(0x80_0004), pc.read32(0x80_0008), pc.read32(0x80_000c)]).toEqual([
      0x663c_8dff, 0x4b82_e8b3, 0xea19_aabf, 0x087a_054d,
    ])
    expect(pc.read32(0x80_0010)).toBeGreaterThanOrEqual(5)
  })

  it('has the DMAR’s copy where a walk along the heap’s lengths ends', () => {
    const { pc, heapBase, table } = pcWith()
    runTboot(pc, { rsdp: RSDP })
    let at = heapBase()
    expect(at).toBeGreaterThan(0)
    for (let skipped = 0; skipped < 3; skipped++) at += pc.read32(at)
    // vtd_dmars_off is the last of SinitMleData's 144 bytes, and counts from the length before them.
    const copy = at + pc.read32(at + 8 + 140)
    const bytes = new Uint8Array(table.length)
    pc.readBytes(copy, bytes)
    expect(bytes).toEqual(table)
    expect(pc.read32(at + 8 + 136)).toBe(table.length)
  })
})

describe('there is none, and no kernel is started', () => {
  it.each<[string, Setup, number, RegExp]>([
    ['without ACPI', {}, 0, /^tboot: no ACPI tables$/],
    ['without a DMAR', { dmar: false }, RSDP, /^tboot: no DMAR/],
    ['on a chipset without TXT', { txt: false }, RSDP, /^tboot: the chipset has no TXT$/],
    ['in too little memory', { ram: [[0, 0x60_0000]] }, RSDP, /^tboot: no room for its heap/],
    ['without a memory map', { ram: [] }, RSDP, /^tboot: no room for its heap/],
  ])('%s', (_, setup, rsdp, why) => {
    const { pc } = pcWith(setup)
    expect(runTboot(pc, { rsdp }).reset).toMatch(why)
    expect(pc.read16(BOOT_PARAMS_ADDRESS + 0x1fe)).toBe(0)
  })

  it('with a unit that cannot protect memory', () => {
    const { pc, writes } = pcWith({ cap: 0 })
    expect(runTboot(pc, { rsdp: RSDP }).reset).toBe(
      'tboot: VT-d at 0xfed90000: it cannot protect memory (CAP.PLMR, CAP.PHMR)',
    )
    expect(writes).toEqual([])
  })

  it('with one that never tells that it does', () => {
    const { pc } = pcWith()
    pc.mmio.unshift({ base: UNIT + 0x64, size: 4, read: () => 0, write: () => {} })
    expect(runTboot(pc, { rsdp: RSDP }).reset).toMatch(/never told that memory is protected/)
  })

  it('with a table that is broken', () => {
    const { pc } = pcWith()
    // The unit's record runs past the end.
    pc.write16(DMAR + 0x32, 0xffff)
    expect(runTboot(pc, { rsdp: RSDP }).reset).toMatch(/^tboot: the DMAR is not sound: /)
  })
})
