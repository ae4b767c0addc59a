import { BOOT_PARAMS, buildFadt, buildMadt, buildRsdp, buildRsdt, buildXsdt, sdtHeader } from '@dmascope/acpi'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findAcpiTables } from '../src/early/acpi-tables.ts'
import { readBootParams } from '../src/early/boot-params.ts'
import { isReserved, mergeRanges, subtractRanges, usablePages } from '../src/early/memory-map.ts'
import { KernelPages } from '../src/early/page-allocator.ts'
import { readPlatform } from '../src/early/platform.ts'
import { SparseBus } from './support/sparse-bus.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const silent = (): void => {}

/** A zero page with this many of these e820 entries. */
function zeroPage(entries: readonly (readonly [bigint, bigint, number])[], count = entries.length): Uint8Array {
  const page = new DataView(new ArrayBuffer(4096))
  page.setUint16(0x1fe, 0xaa55, true)
  page.setUint32(0x202, 0x5372_6448, true)
  page.setUint8(0x1e8, count)
  page.setUint32(0x228, 0x9_2000, true)
  for (const [index, [base, length, type]] of entries.entries()) {
    page.setBigUint64(0x2d0 + index * 20, base, true)
    page.setBigUint64(0x2d8 + index * 20, length, true)
    page.setUint32(0x2e0 + index * 20, type, true)
  }
  return new Uint8Array(page.buffer)
}

describe('the zero page', () => {
  it('stands at 0x90000 and holds the memory map and the command line', () => {
    expect(BOOT_PARAMS.fields.e820_table.offset).toBe(0x2d0)
    const bus = new SparseBus()
      .put(
        0x9_0000,
        zeroPage([
          [0n, 0x9_fc00n, 1],
          [0x10_0000n, 0x1ff0_0000n, 1],
        ]),
      )
      .put(
        0x9_2000,
        Uint8Array.from('  intel_iommu=on iommu=pt\0garbage', (letter) => letter.charCodeAt(0)),
      )
    expect(readBootParams(bus)).toEqual({
      memoryMap: [
        { base: 0, length: 0x9_fc00, type: 1 },
        { base: 0x10_0000, length: 0x1ff0_0000, type: 1 },
      ],
      commandLine: 'intel_iommu=on iommu=pt',
      rsdp: 0,
      tbootAddress: 0,
    })
  })

  it('is not there without its magic', () => {
    expect(readBootParams(new SparseBus())).toBeNull()
    const page = zeroPage([])
    page[0x202] = 0
    expect(readBootParams(new SparseBus().put(0x9_0000, page))).toBeNull()
  })

  it('leaves out entries beyond 2^53, and believes no more than 128', () => {
    const huge = [
      [0xffff_ffff_ffff_f000n, 0x1000n, 1],
      [0x10_0000n, 0xffff_ffff_ffff_ffffn, 1],
    ] as const
    expect(readBootParams(new SparseBus().put(0x9_0000, zeroPage(huge)))?.memoryMap).toEqual([])
    expect(readBootParams(new SparseBus().put(0x9_0000, zeroPage([[1n, 1n, 1]], 255)))?.memoryMap).toHaveLength(1)
  })
})

describe('the memory map', () => {
  it('gives whole pages above 1 MiB; what is not RAM wins where entries overlap', () => {
    const map = [
      { base: 0, length: 0x9_fc00, type: 1 },
      { base: 0x10_0000, length: 0x1fed_2800, type: 1 },
      { base: 0x20_0800, length: 0x1000, type: 2 },
    ]
    expect(usablePages(map, [{ start: 0x30_0010, end: 0x30_0020 }])).toEqual([
      { start: 0x10_0000, end: 0x20_0000 },
      { start: 0x20_2000, end: 0x30_0000 },
      { start: 0x30_1000, end: 0x1ffd_2000 },
    ])
  })

  it('knows whether all of a window is reserved', () => {
    const map = [
      { base: 0xb000_0000, length: 0x800_0000, type: 2 },
      { base: 0xb800_0000, length: 0x800_0000, type: 2 },
      { base: 0xc000_0000, length: 0x1000, type: 1 },
    ]
    expect(isReserved(map, 0xb000_0000, 0xc000_0000)).toBe(true)
    expect(isReserved(map, 0xb000_0000, 0xc000_0001)).toBe(false)
  })

  it('subtracts ranges as sets of numbers do', () => {
    const range = fc.tuple(fc.nat(40), fc.nat(12)).map(([start, length]) => ({ start, end: start + length }))
    const list = fc.array(range, { maxLength: 6 })
    const points = (ranges: readonly { start: number; end: number }[]): Set<number> =>
      new Set(ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, index) => start + index)))
    fc.assert(
      fc.property(list, list, (from, holes) => {
        const left = subtractRanges(from, holes)
        const holed = points(holes)
        expect([...points(left)]).toEqual([...points(mergeRanges(from))].filter((point) => !holed.has(point)))
        for (const { start, end } of left) expect(end).toBeGreaterThan(start)
      }),
      { numRuns },
    )
  })
})

describe('the page allocator', () => {
  const bus = new SparseBus()

  it('goes top down, stays below 4 GiB unless told otherwise, and below a limit', () => {
    const pages = new KernelPages(bus, [
      { start: 0x10_0000, end: 0x2000_0000 },
      { start: 0x1_0000_0000, end: 0x1_4000_0000 },
    ])
    expect(pages.allocate(1)).toBe(0x1fff_f000)
    expect(pages.allocate(2)).toBe(0x1fff_d000)
    expect(pages.allocate(1, 0x100_0000)).toBe(0xff_f000)
    expect(pages.allocate(1, 2 ** 48)).toBe(0x1_3fff_f000)
    expect(pages.allocate(1, 0x10_0fff)).toBeNull()
  })

  it('clears what it hands out', () => {
    const memory = new SparseBus().put(0x20_0000, new Uint8Array(8192).fill(0xa5))
    const pages = new KernelPages(memory, [{ start: 0x20_0000, end: 0x20_2000 }])
    expect(pages.allocate(1)).toBe(0x20_1000)
    expect(memory.read32(0x20_1000)).toBe(0)
    expect(memory.read32(0x20_0ffc)).toBe(0xa5a5_a5a5)
  })

  it('refuses what no caller may ask', () => {
    const pages = new KernelPages(bus, [{ start: 0x10_0000, end: 0x20_0000 }])
    expect(() => pages.allocate(0)).toThrow(RangeError)
    expect(() => pages.free(0x10_0000, 1)).toThrow(RangeError)
    expect(() => pages.free(0x10_0800, 1)).toThrow(RangeError)
  })

  it('never hands out a page twice, and gets all back', () => {
    const nothing = { writeBytes: silent } as unknown as SparseBus
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(7)), { maxLength: 40 }), (steps) => {
        const pages = new KernelPages(nothing, [
          { start: 0x10_0000, end: 0x11_0000 },
          { start: 0x12_0000, end: 0x13_0000 },
        ])
        const owned = new Set<number>()
        const live: { address: number; count: number }[] = []
        for (const [give, which] of steps) {
          const back = give ? live.splice(which % Math.max(live.length, 1), 1)[0] : undefined
          if (back !== undefined) {
            pages.free(back.address, back.count)
            for (let page = 0; page < back.count; page++) owned.delete(back.address + page * 4096)
            continue
          }
          const count = which + 1
          const address = pages.allocate(count)
          if (address === null) continue
          for (let page = 0; page < count; page++) {
            expect(owned.has(address + page * 4096)).toBe(false)
            owned.add(address + page * 4096)
          }
          live.push({ address, count })
        }
        for (const { address, count } of live) pages.free(address, count)
        expect(pages.used).toBe(0)
        expect(pages.allocate(16)).toBe(0x12_0000)
        expect(pages.allocate(16)).toBe(0x10_0000)
      }),
      { numRuns },
    )
  })
})

const MADT = buildMadt({
  signature: 'APIC',
  header: sdtHeader(3),
  localInterruptControllerAddress: 0xfee0_0000,
  flags: 1,
  records: [
    { kind: 'io-apic', type: 1, ioApicId: 3, reserved: 0, ioApicAddress: 0xfec0_0000, globalSystemInterruptBase: 0 },
  ],
} as never)

/** Tables at 1 MiB and up, a root pointer in the BIOS area. */
function firmware(options: { revision?: 0 | 2; entries?: number[] } = {}): SparseBus {
  const { revision = 0, entries = [0x10_2000] } = options
  const root =
    revision === 0
      ? buildRsdt({ signature: 'RSDT', header: sdtHeader(1), entries })
      : buildXsdt({ signature: 'XSDT', header: sdtHeader(1), entries })
  const pointer = buildRsdp({
    signature: 'RSD PTR ',
    oemId: 'TEST',
    revision,
    rsdtAddress: revision === 0 ? 0x10_1000 : 0xdead_0000,
    ...(revision === 2 && { xsdtAddress: 0x10_1000 }),
  })
  return new SparseBus()
    .addMemory(0, 0x1000)
    .addMemory(0xe_0000, 0x2_0000)
    .put(0xf_5230, pointer)
    .put(0x10_1000, root)
    .put(0x10_2000, MADT)
}

describe('ACPI discovery', () => {
  it.each([0, 2] as const)('walks from a root pointer of revision %i to the tables', (revision) => {
    const found = findAcpiTables(firmware({ revision }), 0, silent)
    expect(found.rsdp).toBe(0xf_5230)
    expect(found.find('APIC')).toMatchObject({ address: 0x10_2000, checksumRight: true })
    expect(found.find('DMAR')).toBeNull()
    expect(readPlatform(found, [], silent)).toMatchObject({
      localApic: 0xfee0_0000,
      ioApics: [{ id: 3, address: 0xfec0_0000, gsiBase: 0 }],
      rootBuses: [{ segment: 0, bus: 0 }],
    })
  })

  it('looks into the first kilobyte of the EBDA before the BIOS area', () => {
    const bus = firmware()
    const pointer = buildRsdp({ signature: 'RSD PTR ', oemId: 'EBDA', revision: 0, rsdtAddress: 0x10_1000 })
    bus.addMemory(0x9_f000, 0x1000).write16(0x40e, 0x9fc0)
    bus.put(0x9_fc10, pointer)
    expect(findAcpiTables(bus, 0, silent).rsdp).toBe(0x9_fc10)
  })

  it('passes over a root pointer with a wrong checksum, or off the 16-byte boundaries', () => {
    const pointer = buildRsdp({ signature: 'RSD PTR ', oemId: 'BAD', revision: 0, rsdtAddress: 0x1234 })
    pointer[8] = (pointer[8]! + 1) & 0xff
    const good = buildRsdp({ signature: 'RSD PTR ', oemId: 'ODD', revision: 0, rsdtAddress: 0x1234 })
    const bus = firmware().put(0xe_0000, pointer).put(0xe_0028, good)
    expect(findAcpiTables(bus, 0, silent).rsdp).toBe(0xf_5230)
  })

  it('uses a table with a wrong checksum and says so', () => {
    const bus = firmware()
    const broken = Uint8Array.from(MADT)
    broken[9] = (broken[9]! + 1) & 0xff
    bus.put(0x10_2000, broken)
    const lines: string[] = []
    const found = findAcpiTables(bus, 0, (line) => lines.push(line))
    expect(found.find('APIC')?.checksumRight).toBe(false)
    expect(lines.join('\n')).toContain('checksum wrong')
  })

  it('goes without tables of absurd length, tables that are not there, and a root table that is none', () => {
    const absurd = Uint8Array.from(MADT)
    new DataView(absurd.buffer).setUint32(4, 0x7fff_ffff, true)
    expect(findAcpiTables(firmware().put(0x10_2000, absurd), 0, silent).tables).toEqual([])
    expect(findAcpiTables(firmware({ entries: [0, 0xffff_f000] }), 0, silent).tables).toEqual([])
    expect(findAcpiTables(firmware().put(0x10_1000, new Uint8Array(64)), 0, silent).tables).toEqual([])
  })

  it('follows the FADT to a DSDT, and goes on where that is nonsense', () => {
    const fadt = buildFadt({ signature: 'FACP', header: sdtHeader(1), FIRMWARE_CTRL: 0, DSDT: 0x10_4000 } as never)
    const bus = firmware({ entries: [0x10_2000, 0x10_3000] }).put(0x10_3000, fadt)
    bus.put(
      0x10_4000,
      Uint8Array.from('DSDT\xff\xff\xff\xff', (letter) => letter.charCodeAt(0)),
    )
    const found = findAcpiTables(bus, 0, silent)
    expect(found.tables.map(({ signature }) => signature)).toEqual(['APIC', 'FACP'])
    expect(readPlatform(found, [], silent).pinRoutes).toEqual([])
  })

  it('never throws for what stands in memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 256 }), fc.nat(255), (bytes, where) => {
        const bus = new SparseBus().put(0x10_1000, bytes).put(0x10_2000, bytes)
        bus.put(0xf_5230, Uint8Array.of(0x52, 0x53, 0x44, 0x20, 0x50, 0x54, 0x52, 0x20, 0, 0, 0, 0, 0, 0, 0, 0))
        bus.put(
          0x10_1000,
          Uint8Array.from('RSDT', (letter) => letter.charCodeAt(0)),
        )
        bus.write32(0x10_1004, where)
        bus.write32(0xf_5240, 0x10_1000)
        const found = findAcpiTables(bus, 0xf_5230, silent)
        expect(found.tables.length).toBeLessThanOrEqual(129)
        readPlatform(found, [], silent)
      }),
      { numRuns },
    )
  })
})
