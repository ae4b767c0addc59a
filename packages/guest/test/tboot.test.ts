import { buildDmar } from '@dmascope/acpi'
import { AddressSpace, type CpuBus, GuestRam } from '@dmascope/memory'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BootParams } from '../src/early/boot-params.ts'
import { findTboot, launchedDmar } from '../src/early/tboot.ts'
import { decideVtdPolicy } from '../src/iommu/vtd/vtd-policy.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'
import { parseGuest } from '../src/profile/parse-guest.ts'
import { busOver } from './support/bus-of.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const PAGE = 0x80_0000
const HEAP = 0x90_0000
const HEAP_SIZE = 0x1_0000
const UUID = [0xff, 0x8d, 0x3c, 0x66, 0xb3, 0xe8, 0x82, 0x4b, 0xbf, 0xaa, 0x19, 0xea, 0x4d, 0x05, 0x7a, 0x08]
const HEADER = { revision: 1, oemId: 'A', oemTableId: 'B', oemRevision: 1, creatorId: 'C', creatorRevision: 1 }
const TABLE = buildDmar({ signature: 'DMAR', header: HEADER, hostAddressWidth: 47, flags: 1, records: [] })

/** 16 MiB of RAM with TXT's public registers, which say where the heap is. */
function busWith({ heap = HEAP, size = HEAP_SIZE } = {}): CpuBus {
  const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
  const space = new AddressSpace(ram)
  const read = (offset: number): number => (offset === 0x300 ? heap : offset === 0x308 ? size : 0)
  space.add({ name: 'TXT', base: 0xfed3_0000, size: 0x1_0000, kind: 'mmio', handler: { read, write: () => {} } })
  return busOver(space)
}

const params = (tbootAddress: number, type = 2): BootParams => ({
  memoryMap: [{ base: PAGE, length: 0x1000, type }],
  commandLine: '',
  rsdp: 0,
  tbootAddress,
})

function writeSharedPage(bus: CpuBus, version = 6, uuid = UUID): void {
  bus.writeBytes(PAGE, Uint8Array.from(uuid))
  bus.write32(PAGE + 16, version)
}

/** BiosData, OsMleData and OsSinitData of 16 bytes each, then SinitMleData with the table behind its 144 bytes. */
function writeHeap(bus: CpuBus, table = TABLE): void {
  for (let index = 0; index < 3; index++) bus.write32(HEAP + 16 * index, 16)
  bus.write32(HEAP + 48, 8 + 144 + table.length)
  bus.write32(HEAP + 48 + 8 + 140, 8 + 144)
  bus.writeBytes(HEAP + 48 + 8 + 144, table)
}

describe('tboot_probe', () => {
  const probe = (boot: BootParams, write: (bus: CpuBus) => void = writeSharedPage): boolean => {
    const bus = busWith()
    write(bus)
    return findTboot(bus, boot, () => {})
  }
  it('takes a page in reserved memory with the UUID and version 5 or later', () => {
    expect(probe(params(PAGE))).toBe(true)
    expect(probe(params(PAGE), (bus) => writeSharedPage(bus, 5))).toBe(true)
  })
  it.each<[string, BootParams, ((bus: CpuBus) => void)?]>([
    ['no address', params(0)],
    ['memory that is not reserved', params(PAGE, 1)],
    ['an address beside it', params(PAGE + 0x1000)],
    ['another UUID', params(PAGE), (bus) => writeSharedPage(bus, 6, UUID.with(0, 0xfe))],
    ['version 4', params(PAGE), (bus) => writeSharedPage(bus, 4)],
  ])('refuses %s', (_, boot, write) => {
    expect(probe(boot, write)).toBe(false)
  })
})

describe('tboot_get_dmar_table', () => {
  it('walks the heap to SinitMleData, and takes the table that it names', () => {
    const bus = busWith()
    writeHeap(bus)
    const found = launchedDmar(bus, () => {})
    expect(found?.address).toBe(HEAP + 48 + 8 + 144)
    expect(found?.bytes).toEqual(TABLE)
    expect(found?.dmar.hostAddressWidth).toBe(47)
  })

  it.each<[string, (bus: CpuBus) => void, { heap?: number; size?: number }?]>([
    ['no heap', () => {}, { heap: 0 }],
    ['a heap that is empty', () => {}],
    ['a length of 0, which would never end', (bus) => bus.write32(HEAP + 16, 0)],
    ['a length past the end', (bus) => bus.write32(HEAP + 16, HEAP_SIZE)],
    ['a length beyond 2^53', (bus) => bus.write32(HEAP + 20, 0xffff_ffff)],
    ['a table past the end', (bus) => bus.write32(HEAP + 48 + 8 + 140, HEAP_SIZE)],
    ['a table longer than the heap', (bus) => bus.write32(HEAP + 48 + 8 + 144 + 4, HEAP_SIZE)],
    ['a table of 4 bytes', (bus) => bus.write32(HEAP + 48 + 8 + 144 + 4, 4)],
    ['something that is no DMAR', (bus) => bus.write32(HEAP + 48 + 8 + 144, 0)],
  ])('finds none in %s', (what, spoil, where) => {
    const bus = busWith(where)
    if (what !== 'a heap that is empty') writeHeap(bus)
    spoil(bus)
    const log: string[] = []
    expect(launchedDmar(bus, (line) => log.push(line))).toBeNull()
    expect(log).toHaveLength(1)
  })

  it('property: no heap makes it throw, or read without end', () => {
    const bus = busWith({ size: 0x400 })
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0x400, maxLength: 0x400 }), (bytes) => {
        for (let at = 2; at < 8; at++) for (const table of [0, 16, 32]) bytes[table + at] = 0
        bus.writeBytes(HEAP, bytes)
        launchedDmar(bus, () => {})
      }),
      { numRuns: RUNS },
    )
  })
})

describe('tboot_force_iommu', () => {
  const decide = (guest: string, commandLine: string, launched = true) =>
    decideVtdPolicy(parseGuest(guest), parseKernelCommandLine(commandLine), launched)

  it('turns VT-d on whatever was said; ACS is asked for by the words alone', () => {
    expect(decide('linux-6.12', 'intel_iommu=off')).toMatchObject({ enabled: true, forced: true, wanted: false })
    expect(decide('linux-6.12', 'iommu=off')).toMatchObject({ enabled: true, forced: true, wanted: false })
    expect(decide('linux-6.12', '')).toMatchObject({ enabled: true, forced: true, wanted: true })
    expect(decide('linux-6.12', 'intel_iommu=off', false)).toMatchObject({ enabled: false, forced: false })
  })

  it('but for intel_iommu=tboot_noforce, which opens memory, and which old kernels do not know', () => {
    const words = 'intel_iommu=tboot_noforce,off'
    expect(decide('linux-6.12', words)).toMatchObject({ enabled: false, forced: false, opensMemory: true })
    expect(decide('linux-4.8', words)).toMatchObject({ enabled: true, forced: true, opensMemory: false })
  })

  it('needs a kernel with a driver, of which tboot is a part', () => {
    expect(parseGuest('linux-6.12,without=intel-iommu').configuration.intelIommu).toBe(false)
    expect(parseGuest('linux-6.12,without=amd_iommu').configuration).toMatchObject({
      intelIommu: true,
      amdIommu: false,
    })
  })
})
