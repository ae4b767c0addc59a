import {
  ACCESS_READ,
  ACCESS_READ_WRITE,
  ACCESS_WRITE,
  DMA_DECODE_ERROR,
  DMA_DISABLED,
  DMA_FAULT,
  DMA_OK,
} from '@dmascope/memory'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { DOORBELL, FakeFabric, HOLE, MIB, OWNER, REGISTERS, ROM } from './fake-fabric.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const made: FakeFabric[] = []
const fabric = (options?: ConstructorParameters<typeof FakeFabric>[0]): FakeFabric => {
  const one = new FakeFabric(options)
  made.push(one)
  return one
}
afterEach(() => {
  for (const one of made.splice(0)) one.ram.dispose()
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const ramAt = (one: FakeFabric, address: number, length: number): Uint8Array => {
  const data = new Uint8Array(length)
  one.ram.readBytes(address, data)
  return data
}

describe('a port past the IOMMU', () => {
  it('takes bus addresses for physical ones, and counts each access once', () => {
    const one = fabric()
    one.grant(MIB, 0x4000)
    expect(one.port.write(0, MIB + 0xff0, filled(0x20, 0xab))).toBe(DMA_OK)
    expect(ramAt(one, MIB + 0xff0, 0x20)).toEqual(filled(0x20, 0xab))
    const into = new Uint8Array(4)
    expect(one.port.read(0, MIB + 0xffe, into)).toBe(DMA_OK)
    expect(into).toEqual(filled(4, 0xab))
    expect(one.ledger.counts['self-test']).toEqual({
      reads: 1,
      writes: 1,
      bytes: 0x24,
      translated: 0,
      untranslated: 2,
      faulted: 0,
    })
    expect(one.ledger.strayCount).toBe(0)
  })

  it('counts no access of no bytes', () => {
    const one = fabric()
    expect(one.port.read(0, HOLE, new Uint8Array(0))).toBe(DMA_OK)
    expect(one.port.write(0, HOLE, new Uint8Array(0))).toBe(DMA_OK)
    expect(one.ledger.counts['self-test']).toMatchObject({ reads: 0, writes: 0, untranslated: 0 })
  })

  it('reads all ones where nothing is, above 2^53 too, and says that nothing answered', () => {
    const one = fabric()
    for (const [hi, lo] of [
      [0, HOLE],
      [0x20_0000, 0],
      [0xffff_ffff, 0xffff_fff0],
    ] as const) {
      const into = filled(8, 0)
      expect(one.port.read(hi, lo, into)).toBe(DMA_DECODE_ERROR)
      expect(into).toEqual(filled(8, 0xff))
      expect(one.port.write(hi, lo, into)).toBe(DMA_DECODE_ERROR)
    }
  })

  it('tells of a transfer that leaves RAM, and moves what lay in it', () => {
    const one = fabric()
    one.grant(63 * MIB, MIB)
    expect(one.port.write(0, 64 * MIB - 4, filled(8, 0x77))).toBe(DMA_DECODE_ERROR)
    expect(ramAt(one, 64 * MIB - 4, 4)).toEqual(filled(4, 0x77))
    const into = filled(8, 0)
    expect(one.port.read(0, 64 * MIB - 4, into)).toBe(DMA_DECODE_ERROR)
    expect(into).toEqual(bytes(0x77, 0x77, 0x77, 0x77, 0xff, 0xff, 0xff, 0xff))
  })

  it('counts as stray only the pages that were not granted', () => {
    const one = fabric()
    one.grant(MIB, 0x1000)
    one.grant(MIB + 0x2000, 0x1000)
    expect(one.port.write(0, MIB, filled(0x3000, 1))).toBe(DMA_OK)
    expect(one.ledger.strays.map(({ physical, length }) => `${physical} ${length}`)).toEqual(['0x101000 4096'])
  })

  it('is disabled without bus mastering: nothing is issued, counted or seen', () => {
    const one = fabric({ trace: true })
    one.busMaster = false
    expect(one.port.read(0, MIB, new Uint8Array(4))).toBe(DMA_DISABLED)
    expect(one.port.write(0, MIB, bytes(1, 2, 3, 4))).toBe(DMA_DISABLED)
    expect(one.port.msi(0, 0xfee0_0000, 0x41)).toBe(DMA_DISABLED)
    expect(one.port.view(0, MIB, 16, ACCESS_READ)).toBeNull()
    expect(ramAt(one, MIB, 4)).toEqual(filled(4, 0))
    expect(one.ledger.counts['self-test']).toMatchObject({ reads: 0, writes: 0, untranslated: 0 })
    expect([one.ledger.msi, one.messages, one.books.trace]).toEqual([0, [], []])
  })
})

describe('a doorbell', () => {
  it('is rung by a message that is a plain write, and no access is counted', () => {
    const one = fabric()
    expect(one.port.msi(0, DOORBELL, 7)).toBe(DMA_OK)
    expect([one.doorbell, one.ledger.msi, one.ledger.counts['self-test'].writes]).toEqual([[7], 1, 0])
  })

  it('is reached through the IOMMU of the bus, even where the data goes past it', () => {
    const one = fabric({ messagesBehindIommu: true })
    one.grant(MIB, 0x1000)
    expect(one.port.write(0, MIB, filled(4, 1))).toBe(DMA_OK)
    expect(one.port.msi(0, DOORBELL, 7)).toBe(DMA_FAULT)
    expect(one.iommu.faults).toEqual([{ hi: 0, lo: DOORBELL, access: ACCESS_WRITE }])
    one.iommu.map(0, 0xffff_f000, REGISTERS)
    expect(one.port.msi(0, 0xffff_f040, 8)).toBe(DMA_OK)
    expect([one.doorbell, one.ledger.msi]).toEqual([[8], 1])
    expect(one.ledger.counts['self-test']).toMatchObject({ writes: 1, untranslated: 1, translated: 0, faulted: 0 })
  })

  it('is rung by a write of data too, and that is no stray access', () => {
    const one = fabric()
    expect(one.port.write(0, DOORBELL, bytes(9, 0, 0, 0))).toBe(DMA_OK)
    expect([one.doorbell, one.ledger.msi, one.ledger.strayCount]).toEqual([[9], 1, 0])
    // Of another length it is a write to registers.
    expect(one.port.write(0, DOORBELL, bytes(9, 0))).toBe(DMA_OK)
    expect([one.doorbell, one.ledger.strayCount]).toEqual([[9], 1])
  })
})

describe('a port behind an IOMMU', () => {
  it('follows each page to where it leads, across pages that do not lie together', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.iommu.map(0, 0x2000, 4 * MIB)
    one.grant(8 * MIB, 0x1000)
    one.grant(4 * MIB, 0x1000)
    expect(one.port.write(0, 0x1ffc, bytes(1, 2, 3, 4, 5, 6, 7, 8))).toBe(DMA_OK)
    expect(ramAt(one, 8 * MIB + 0xffc, 4)).toEqual(bytes(1, 2, 3, 4))
    expect(ramAt(one, 4 * MIB, 4)).toEqual(bytes(5, 6, 7, 8))
    const into = new Uint8Array(8)
    expect(one.port.read(0, 0x1ffc, into)).toBe(DMA_OK)
    expect(into).toEqual(bytes(1, 2, 3, 4, 5, 6, 7, 8))
    expect(one.ledger.counts['self-test']).toEqual({
      reads: 1,
      writes: 1,
      bytes: 16,
      translated: 2,
      untranslated: 0,
      faulted: 0,
    })
    expect(one.ledger.strayCount).toBe(0)
  })

  it('carries from the low word of a bus address into the high one', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0xffff_f000, MIB)
    one.iommu.map(1, 0, 2 * MIB)
    one.grant(MIB, 2 * MIB)
    expect(one.port.write(0, 0xffff_fffe, bytes(1, 2, 3, 4))).toBe(DMA_OK)
    expect(ramAt(one, MIB + 0xffe, 2)).toEqual(bytes(1, 2))
    expect(ramAt(one, 2 * MIB, 2)).toEqual(bytes(3, 4))
    expect(one.port.view(0, 0xffff_fff0, 32, ACCESS_READ)).toBeNull()
    one.iommu.map(0x7_0000, 0xffff_f000, 4 * MIB)
    one.iommu.map(0x7_0001, 0, 4 * MIB + 0x1000)
    one.grant(4 * MIB, 0x2000)
    one.ram.write32(4 * MIB + 0x1000, 0x1234_5678)
    const view = one.port.view(0x7_0000, 0xffff_fff0, 32, ACCESS_READ)
    expect(view?.data.getUint32(16, true)).toBe(0x1234_5678)
  })

  it('ends where the IOMMU refuses, having moved what came before', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.grant(8 * MIB, 0x1000)
    expect(one.port.write(0, 0x1ffe, bytes(1, 2, 3, 4))).toBe(DMA_FAULT)
    expect(ramAt(one, 8 * MIB + 0xffe, 2)).toEqual(bytes(1, 2))
    expect(one.iommu.faults).toEqual([{ hi: 0, lo: 0x2000, access: ACCESS_WRITE }])
    expect(one.ledger.counts['self-test']).toEqual({
      reads: 0,
      writes: 1,
      bytes: 2,
      translated: 1,
      untranslated: 0,
      faulted: 1,
    })
    const into = filled(4, 0x55)
    expect(one.port.read(0, 0x5000, into)).toBe(DMA_FAULT)
    expect(into).toEqual(filled(4, 0x55))
  })

  it('reads all ones where a translation leads nowhere', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, HOLE)
    one.iommu.map(0, 0x2000, 2 ** 60)
    for (const lo of [0x1000, 0x2000]) {
      const into = filled(4, 0)
      expect(one.port.read(0, lo, into)).toBe(DMA_DECODE_ERROR)
      expect(into).toEqual(filled(4, 0xff))
    }
    expect(one.ledger.counts['self-test']).toMatchObject({ translated: 2, faulted: 0 })
  })

  it('can be wired past it, and back', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.ram.write32(0x1000, 1)
    one.ram.write32(8 * MIB, 2)
    const into = new Uint8Array(4)
    expect([one.port.behindIommu, one.port.read(0, 0x1000, into), into[0]]).toEqual([true, DMA_OK, 2])
    one.port.rewire(null)
    expect([one.port.behindIommu, one.port.read(0, 0x1000, into), into[0]]).toEqual([false, DMA_OK, 1])
    one.port.rewire(one.tlb)
    expect([one.port.behindIommu, one.port.read(0, 0x1000, into), into[0]]).toEqual([true, DMA_OK, 2])
  })

  it('moves what a page-by-page copy moves, for any mapping, address and length', () => {
    const one = fabric({ behindIommu: true })
    const pages = [3, 0, 2, -1, 1, 5, 4, -1]
    pages.forEach((to, page) => {
      if (to >= 0) one.iommu.map(0, page * 0x1000, MIB + to * 0x1000)
    })
    one.grant(MIB, 0x6000)
    for (let address = 0; address < 0x6000; address += 4)
      one.ram.write32(MIB + address, Math.imul(address, 2_654_435_761))
    const store = ramAt(one, MIB, 0x6000)
    fc.assert(
      fc.property(fc.nat(0x7fff), fc.integer({ min: 1, max: 0x3000 }), (start, length) => {
        const into = filled(length, 0x5a)
        const result = one.port.read(0, start, into)
        let at = 0
        let refused = false
        while (at < length && !refused) {
          const to = pages[(start + at) >> 12]
          refused = to === undefined || to < 0
          if (refused) break
          const run = Math.min(length - at, 0x1000 - ((start + at) & 0xfff))
          const from = to! * 0x1000 + ((start + at) & 0xfff)
          if (!Buffer.from(into.subarray(at, at + run)).equals(store.subarray(from, from + run))) {
            expect(into.subarray(at, at + run)).toEqual(store.subarray(from, from + run))
          }
          at += run
        }
        expect(result).toBe(refused ? DMA_FAULT : DMA_OK)
        expect(into.subarray(at).every((byte) => byte === 0x5a)).toBe(true)
      }),
      { numRuns: RUNS },
    )
  })
})

describe('stray accesses', () => {
  it('are told with where they landed, and what a write changed in RAM', () => {
    const one = fabric()
    one.grant(2 * MIB, 0x1000, ACCESS_READ)
    one.ram.write32(2 * MIB, 0x4433_2211)
    one.port.write(0, 2 * MIB, bytes(0xaa, 0xbb))
    one.port.read(0, ROM, new Uint8Array(2))
    one.port.read(0, REGISTERS + 8, new Uint8Array(1))
    one.port.write(0, REGISTERS + 4, bytes(1, 0, 0, 0))
    one.port.read(0, HOLE, new Uint8Array(4))
    const common = { length: 2, count: 1 }
    expect(one.ledger.strays).toEqual([
      {
        ...common,
        kind: 'write',
        busAddress: '0x200000',
        physical: '0x200000',
        landed: 'ram',
        before: '11 22',
        after: 'aa bb',
      },
      { ...common, kind: 'read', busAddress: '0xfff00000', physical: '0xfff00000', landed: 'rom', after: 'ea ea' },
      {
        ...common,
        kind: 'read',
        busAddress: '0xfe000008',
        physical: '0xfe000008',
        landed: 'mmio',
        after: '08',
        length: 1,
      },
      {
        ...common,
        kind: 'write',
        busAddress: '0xfe000004',
        physical: '0xfe000004',
        landed: 'mmio',
        after: '01 00 00 00',
        length: 4,
      },
      { ...common, kind: 'read', busAddress: '0xd0000000', physical: '0xd0000000', landed: 'hole', length: 4 },
    ])
    expect(one.registers).toEqual(['write 4+4=1'])
  })

  it('show the first 16 bytes, and the bus address as the device issued it', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0x800_0000, 0, 2 * MIB)
    one.port.write(0x800_0000, 0, filled(64, 0xee))
    const pairs = (byte: string): string => Array.from({ length: 16 }, () => byte).join(' ')
    expect(one.ledger.strays).toMatchObject([
      { busAddress: '0x800000000000000', physical: '0x200000', length: 64, before: pairs('00'), after: pairs('ee') },
    ])
  })

  it('are not those within a grant of the right direction, nor any while firmware runs', () => {
    const one = fabric()
    one.ledger.phase = 'firmware'
    one.port.write(0, 2 * MIB, bytes(1))
    one.ledger.phase = 'probe'
    one.grant(2 * MIB, 16, ACCESS_WRITE)
    one.port.write(0, 2 * MIB + 8, bytes(1, 2, 3, 4))
    expect(one.ledger.strays).toEqual([])
    one.port.read(0, 2 * MIB + 8, new Uint8Array(4))
    one.port.write(0, 2 * MIB + 14, bytes(1, 2, 3, 4))
    expect(one.ledger.strays.map(({ kind }) => kind)).toEqual(['read', 'write'])
    expect(one.ledger.counts.firmware.writes).toBe(1)
    expect(one.ledger.counts.probe).toMatchObject({ reads: 1, writes: 2 })
  })

  it('are judged by where they land, not by the bus address', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 2 * MIB)
    one.iommu.map(0, 0x2000, 3 * MIB)
    one.grant(2 * MIB, 0x1000)
    one.port.read(0, 0x1000, new Uint8Array(8))
    one.port.read(0, 0x2000, new Uint8Array(8))
    expect(one.ledger.strays.map(({ physical }) => physical)).toEqual(['0x300000'])
  })
})

describe('messages', () => {
  it('are writes of four bytes to 0xfeexxxxx, whether the device calls them messages or not', () => {
    const one = fabric({ behindIommu: true })
    expect(one.port.msi(0, 0xfee0_1004, 0x4041)).toBe(DMA_OK)
    expect(one.port.write(0, 0xfeef_fffc, bytes(0x22, 0x33, 0, 0))).toBe(DMA_OK)
    expect(one.messages).toEqual([
      [0xfee0_1004, 0x4041],
      [0xfeef_fffc, 0x3322],
    ])
    expect(one.ledger.msi).toBe(2)
    expect(one.iommu.faults).toEqual([])
    expect(one.ledger.counts['self-test']).toMatchObject({ writes: 0, translated: 0, faulted: 0 })
  })

  it('fault where remapping refuses them', () => {
    const one = fabric()
    one.messageRoute = 'faulted'
    expect(one.port.msi(0, 0xfee0_0000, 0x41)).toBe(DMA_FAULT)
    expect(one.ledger.msi).toBe(1)
  })

  it('elsewhere are plain writes: translated, judged and counted', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 2 * MIB)
    expect(one.port.msi(0, 0x1000, 0x1234_5678)).toBe(DMA_OK)
    expect(one.ram.read32(2 * MIB)).toBe(0x1234_5678)
    expect(one.port.msi(1, 0xfee0_0000, 1)).toBe(DMA_FAULT)
    expect(one.messages).toEqual([])
    expect([one.ledger.msi, one.ledger.strayCount]).toEqual([0, 1])
  })

  it('leave the pin alone, which follows its own level', () => {
    const one = fabric()
    one.port.intx(true)
    one.port.intx(false)
    expect(one.pin).toEqual([true, false])
    expect(one.messages).toEqual([])
  })
})

describe('a trace', () => {
  it('has each access and message in order, a record a page where an IOMMU is in the way', () => {
    const one = fabric({ behindIommu: true, trace: true })
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.grant(8 * MIB, 0x1000)
    one.port.write(0, 0x1ffe, bytes(1, 2, 3, 4))
    one.messageRoute = 'translated'
    one.port.msi(0, 0xfee0_0000, 0x41)
    one.port.rewire(null)
    one.ledger.phase = 'probe'
    one.port.read(0, 8 * MIB, new Uint8Array(16))
    const common = { device: OWNER, phase: 'self-test' }
    const at = (address: string): string => `0x${address.padStart(16, '0')}`
    expect(one.books.trace).toEqual([
      {
        ...common,
        sequence: 0,
        kind: 'write',
        busAddress: at('1ffe'),
        physical: '0x800ffe',
        length: 2,
        route: 'translated',
      },
      { ...common, sequence: 1, kind: 'write', busAddress: at('2000'), physical: null, length: 2, route: 'faulted' },
      {
        ...common,
        sequence: 2,
        kind: 'msi',
        busAddress: at('fee00000'),
        physical: null,
        length: 4,
        route: 'translated',
      },
      {
        ...common,
        sequence: 3,
        kind: 'read',
        busAddress: at('800000'),
        physical: '0x800000',
        length: 16,
        route: 'untranslated',
        phase: 'probe',
      },
    ])
  })

  it('forbids views, which would hide accesses from it', () => {
    const one = fabric({ trace: true })
    one.grant(MIB, 0x1000)
    expect(one.port.view(0, MIB, 64, ACCESS_READ)).toBeNull()
  })
})

describe('a view', () => {
  it('is RAM itself, in both directions, and is accounted for by its user', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.grant(8 * MIB, 0x1000)
    const view = one.port.view(0, 0x1010, 64, ACCESS_READ_WRITE)!
    view.data.setUint32(0, 0xcafe_f00d, true)
    expect(one.ram.read32(8 * MIB + 0x10)).toBe(0xcafe_f00d)
    one.ram.write32(8 * MIB + 0x10, 0x1234_5678)
    expect(view.bytes[0]).toBe(0x78)
    expect([view.data.byteLength, view.bytes.length]).toEqual([64, 64])
    expect(one.port.isCurrent(view)).toBe(true)
    one.port.account(view, 2, 1, 12)
    expect(one.ledger.counts['self-test']).toMatchObject({ reads: 2, writes: 1, bytes: 12, translated: 3 })
  })

  it('shows what is written later to RAM that nobody had touched', () => {
    const one = fabric()
    one.grant(40 * MIB, 0x1000)
    const view = one.port.view(0, 40 * MIB, 16, ACCESS_READ)!
    one.ram.write32(40 * MIB, 7)
    expect(view.data.getUint32(0, true)).toBe(7)
  })

  it.each<[string, (one: FakeFabric) => [hi: number, lo: number, length: number, access: 1 | 2 | 3]]>([
    ['a hole', () => [0, HOLE, 16, ACCESS_READ]],
    ['registers', () => [0, REGISTERS, 16, ACCESS_READ]],
    ['ROM', () => [0, ROM, 16, ACCESS_READ]],
    ['what is beyond the end of RAM', () => [0, 64 * MIB - 8, 16, ACCESS_READ]],
    ['addresses above 2^53', () => [0x20_0000, 0, 16, ACCESS_READ]],
    ['no bytes', () => [0, 2 * MIB, 0, ACCESS_READ]],
    ['what was not granted', () => [0, 3 * MIB, 16, ACCESS_READ]],
    ['more than was granted', () => [0, 2 * MIB + 0xff8, 16, ACCESS_READ]],
    ['a direction that was not granted', () => [0, 2 * MIB, 16, ACCESS_READ_WRITE]],
  ])('is not given of %s', (_what, ask) => {
    const one = fabric()
    one.grant(2 * MIB, 0x1000, ACCESS_READ)
    one.grant(0, 64 * MIB, ACCESS_WRITE)
    expect(one.port.view(0, 2 * MIB, 16, ACCESS_READ)).not.toBeNull()
    expect(one.port.view(...ask(one))).toBeNull()
    expect(one.ledger.strayCount).toBe(0)
  })

  it('is given across pages only where they lie together', () => {
    const one = fabric({ behindIommu: true })
    one.grant(0, 64 * MIB)
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.iommu.map(0, 0x2000, 8 * MIB + 0x1000)
    one.iommu.map(0, 0x3000, 4 * MIB)
    expect(one.port.view(0, 0x1800, 0x1000, ACCESS_READ)).not.toBeNull()
    expect(one.port.view(0, 0x2800, 0x1000, ACCESS_READ)).toBeNull()
  })

  const current = (
    behindIommu = true,
  ): { one: FakeFabric; view: NonNullable<ReturnType<FakeFabric['port']['view']>>; grant: number } => {
    const one = fabric({ behindIommu })
    one.iommu.map(0, 0x80_0000, 8 * MIB)
    one.iommu.map(0, 0x80_1000, 8 * MIB + 0x1000)
    const grant = one.grant(8 * MIB, 0x2000)
    const view = one.port.view(0, 0x80_0800, 0x1000, ACCESS_READ_WRITE)!
    expect(one.port.isCurrent(view)).toBe(true)
    return { one, view, grant }
  }

  it.each([0x80_0000, 0x80_1000])('ends with an invalidation of a page of it, 0x%x', (page) => {
    const { one, view } = current()
    one.iommu.invalidate(0, page)
    expect(one.port.isCurrent(view)).toBe(false)
  })

  it('outlives the invalidation of another page, and new grants', () => {
    const { one, view } = current()
    one.iommu.map(0, 0x90_0000, 9 * MIB)
    one.iommu.invalidate(0, 0x90_0000)
    one.grant(1 * MIB, 16)
    expect(one.port.isCurrent(view)).toBe(true)
  })

  it('ends with a revocation', () => {
    const { one, view, grant } = current(false)
    one.books.revoke(grant)
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, 0x80_0800, 0x1000, ACCESS_READ_WRITE)).toBeNull()
  })

  it('ends when RAM’s store moves, and the next one is in the new store', () => {
    const { one, view } = current()
    view.data.setUint32(0, 5, true)
    const { generation } = one.ram
    for (let chunk = 0; chunk < 32; chunk++) one.ram.write32(chunk * 2 * MIB + 4, 1)
    expect(one.ram.generation).toBeGreaterThan(generation)
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, 0x80_0800, 0x1000, ACCESS_READ_WRITE)?.data.getUint32(0, true)).toBe(5)
  })

  it('ends when the port is wired elsewhere, or may no longer master the bus', () => {
    const { one, view } = current()
    one.busMaster = false
    expect(one.port.isCurrent(view)).toBe(false)
    one.busMaster = true
    expect(one.port.isCurrent(view)).toBe(true)
    one.port.rewire(null)
    expect(one.port.isCurrent(view)).toBe(false)
    one.port.rewire(one.tlb)
    expect(one.port.isCurrent(view)).toBe(false)
  })

  it('ends with firmware, whose DMA nobody judges', () => {
    const one = fabric()
    one.ledger.phase = 'firmware'
    const view = one.port.view(0, 5 * MIB, 16, ACCESS_READ)!
    expect(one.port.isCurrent(view)).toBe(true)
    one.ledger.phase = 'probe'
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, 5 * MIB, 16, ACCESS_READ)).toBeNull()
  })

  it('is current only for the port that gave it', () => {
    const { view } = current()
    const stranger = { data: view.data, bytes: view.bytes, epoch: view.epoch }
    expect(fabric().port.isCurrent(stranger)).toBe(false)
  })
})

describe('a view that the IOMMU refuses', () => {
  it('and the access that follows in the same turn are one fault', () => {
    const one = fabric({ behindIommu: true })
    expect(one.port.view(0, 0x1000, 64, ACCESS_READ)).toBeNull()
    expect(one.port.read(0, 0x1002, new Uint8Array(2))).toBe(DMA_FAULT)
    expect(one.iommu.faults).toHaveLength(1)
    expect(one.ledger.counts['self-test'].faulted).toBe(1)
    expect(one.port.read(0, 0x1002, new Uint8Array(2))).toBe(DMA_FAULT)
    expect(one.iommu.faults).toHaveLength(2)
  })

  it('as are those of the three parts of a ring, on three pages', () => {
    const one = fabric({ behindIommu: true })
    for (const page of [0x1000, 0x2000]) expect(one.port.view(0, page, 64, ACCESS_READ)).toBeNull()
    expect(one.port.view(0, 0x3000, 64, ACCESS_READ_WRITE)).toBeNull()
    for (const page of [0x2000, 0x1000, 0x3000]) {
      expect(one.port.read(0, page, new Uint8Array(2))).toBe(DMA_FAULT)
    }
    expect(one.iommu.faults).toHaveLength(3)
  })

  it('says nothing of later turns: by then the page may be mapped', () => {
    const one = fabric({ behindIommu: true })
    expect(one.port.view(0, 0x1000, 64, ACCESS_READ)).toBeNull()
    one.turn++
    one.iommu.map(0, 0x1000, 2 * MIB)
    one.grant(2 * MIB, 0x1000)
    expect(one.port.read(0, 0x1000, new Uint8Array(2))).toBe(DMA_OK)
    expect(one.ledger.counts['self-test']).toMatchObject({ faulted: 0, translated: 1 })
  })

  it('says nothing of the other direction: a page may be there for reading only', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 2 * MIB, ACCESS_READ)
    one.grant(2 * MIB, 0x1000)
    expect(one.port.view(0, 0x1000, 64, ACCESS_READ_WRITE)).toBeNull()
    expect(one.iommu.faults).toEqual([{ hi: 0, lo: 0x1000, access: ACCESS_WRITE }])
    expect(one.port.read(0, 0x1000, new Uint8Array(2))).toBe(DMA_OK)
    expect(one.port.write(0, 0x1000, bytes(1))).toBe(DMA_FAULT)
    expect(one.iommu.faults).toHaveLength(1)
  })
})
