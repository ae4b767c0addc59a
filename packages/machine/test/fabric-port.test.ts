import { ACCESS_READ, ACCESS_WRITE, DMA_DECODE_ERROR, DMA_DISABLED, DMA_FAULT, DMA_OK } from '@dmascope/memory'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DOORBELL, fabric, filled, HOLE, MIB, REGISTERS, ramAt } from './fake-fabric.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

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
