import { describe, expect, it } from 'vitest'
import {
  ABORT,
  BYPASS,
  CD_HIGH,
  CD_LOW,
  NESTED,
  PAGE_RO,
  PAGE_RW,
  REG,
  SmmuV3Guest,
  STAGE_1,
  STAGE_2,
  STREAMS,
} from './smmuv3-guest.ts'

const DEVICE = 0x0018
const READ = 1
const WRITE = 2
const C_BAD_STREAMID = 0x02
const F_STE_FETCH = 0x03
const C_BAD_STE = 0x04
const F_CD_FETCH = 0x09
const C_BAD_CD = 0x0a
const F_WALK_EABT = 0x0b
const F_TRANSLATION = 0x10
const F_ADDR_SIZE = 0x11
const F_ACCESS = 0x12
const F_PERMISSION = 0x13
const ABORTED = 0x80

/** One unit with a mapped stream: 0x1000 leads to 0x80_0000. */
function mapped(options: ConstructorParameters<typeof SmmuV3Guest>[0] = {}): { guest: SmmuV3Guest; top: number } {
  const guest = new SmmuV3Guest(options)
  const top = guest.page()
  guest.map(top, 0x1000, 0x80_0000, PAGE_RW)
  guest.attach(DEVICE, top)
  guest.enable()
  return { guest, top }
}

describe('§5.2 stream table entry', () => {
  it('V clear: C_BAD_STE, recorded', () => {
    const { guest } = mapped()
    expect(guest.dma(0x20, 0x1000, READ)).toBe(C_BAD_STE)
    expect(guest.event(0)).toEqual([C_BAD_STE, 0x20, 0, 0, 0, 0, 0, 0])
  })

  it('Config 0xx aborts without an event, 100 bypasses', () => {
    const { guest } = mapped()
    for (const low of [ABORT, 0x3, 0x5, 0x7]) {
      guest.stream(0x20, low)
      guest.invalidateAll()
      expect(guest.dma(0x20, 0x1000, READ)).toBe(ABORTED)
    }
    expect(guest.read(REG.EVENTQ_PROD)).toBe(0)
    guest.stream(0x20, BYPASS)
    guest.invalidateAll()
    expect(guest.dmaAt(0x20, 0xffff_0000, 0x8000_1000, WRITE)).toBe(0)
    expect(guest.out).toMatchObject({ hi: 0xffff_0000, lo: 0x8000_1000, log2Size: 64, rights: 3, route: 'bypass' })
  })

  it('a stage that the unit does not have is invalid', () => {
    const { guest, top } = mapped()
    guest.stream(0x20, STAGE_2, 0, [0, 0x0008_0018, top])
    expect(guest.dma(0x20, 0x1000, READ)).toBe(C_BAD_STE)
    const second = new SmmuV3Guest({ stage1: false, stage2: true })
    second.attach(DEVICE, second.page())
    second.enable()
    expect(second.dma(DEVICE, 0x1000, READ)).toBe(C_BAD_STE)
  })

  it('substreams and stalling are invalid, for the unit has neither', () => {
    const { guest, top } = mapped()
    const descriptor = guest.context(top)
    guest.stream(0x20, descriptor | STAGE_1, 1 << 27)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(C_BAD_STE)
    guest.words(STREAMS + 0x20 * 64, descriptor | STAGE_1, 0, 1 << 27, 0)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(C_BAD_STE)
    guest.words(STREAMS + 0x20 * 64, descriptor | STAGE_1, 0, 0, 0)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(0)
  })

  it('a faulty entry is not cached: once mended, it works', () => {
    const { guest, top } = mapped()
    expect(guest.dma(0x20, 0x1000, READ)).toBe(C_BAD_STE)
    guest.attach(0x20, top)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(0)
  })
})

describe('§5.1 and STRTAB_BASE_CFG: where the entry stands', () => {
  it('a stream beyond LOG2SIZE: C_BAD_STREAMID, recorded with CR2.RECINVSID alone', () => {
    const { guest } = mapped()
    expect(guest.dma(0x200, 0x1000, READ)).toBe(C_BAD_STREAMID)
    expect(guest.event(0).slice(0, 2)).toEqual([C_BAD_STREAMID, 0x200])
    guest.write(REG.CR2, 0)
    expect(guest.dma(0x200, 0x1000, READ)).toBe(C_BAD_STREAMID)
    expect(guest.read(REG.EVENTQ_PROD)).toBe(1)
  })

  it('two levels: span, split and the base are those of the descriptor', () => {
    const { guest, top } = mapped()
    const first = guest.page()
    const second = guest.page(16384)
    guest.write64(REG.STRTAB_BASE, 0, first)
    guest.write(REG.STRTAB_BASE_CFG, (1 << 16) | (8 << 6) | 16)
    guest.invalidateAll()
    const descriptor = guest.context(top)
    guest.words(second + 0x18 * 64, descriptor | STAGE_1, 0)
    // Bus 3; no second level yet.
    expect(guest.dma(0x318, 0x1000, READ)).toBe(C_BAD_STREAMID)
    guest.words(first + 3 * 8, second | 9, 0)
    expect(guest.dma(0x318, 0x1000, READ)).toBe(0)
    // Span 5 covers 16 streams.
    guest.words(first + 3 * 8, second | 5, 0)
    guest.invalidateAll()
    expect(guest.dma(0x318, 0x1000, READ)).toBe(C_BAD_STREAMID)
    // A span beyond the split is reserved.
    guest.words(first + 3 * 8, second | 10, 0)
    expect(guest.dma(0x318, 0x1000, READ)).toBe(C_BAD_STREAMID)
  })

  it('tables outside of memory: F_STE_FETCH with the address', () => {
    const { guest } = mapped()
    guest.write64(REG.STRTAB_BASE, 0x1, 0)
    guest.invalidateAll()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(F_STE_FETCH)
    expect(guest.event(0)).toEqual([F_STE_FETCH, DEVICE, 0, 0, 0, 0, 0x600, 1])
    guest.write(REG.STRTAB_BASE_CFG, (1 << 16) | (8 << 6) | 16)
    expect(guest.dma(0x318, 0x1000, READ)).toBe(F_STE_FETCH)
    expect(guest.event(1).slice(6)).toEqual([0x18, 1])
  })
})

describe('§5.4 context descriptor', () => {
  it.each([
    ['V clear', 0x4000_0010, CD_HIGH],
    ['AA64 clear', CD_LOW, 0x6005],
    ['A clear, which IDR0.TERM_MODEL asks for', CD_LOW, 0x2205],
    ['S set, which IDR0.STALL_MODEL forbids', CD_LOW, 0x7205],
    ['T0SZ below 16', 0xc000_000f, CD_HIGH],
    ['T0SZ above 39', 0xc000_0028, CD_HIGH],
    ['TG0 reserved', 0xc000_00d0, CD_HIGH],
    ['big-endian tables', 0xc000_8010, CD_HIGH],
    ['T1SZ below 16 in a region that is on', 0x8080_0010, CD_HIGH],
  ])('%s: C_BAD_CD', (_name, low, high) => {
    const { guest, top } = mapped()
    guest.stream(0x20, guest.context(top, low, high) | STAGE_1)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(C_BAD_CD)
    expect(guest.event(0)).toEqual([C_BAD_CD, 0x20, 0, 0, 0, 0, 0, 0])
  })

  it('TTB0 beyond IPS: C_BAD_CD; outside of memory: F_WALK_EABT with the address of the descriptor', () => {
    const { guest } = mapped()
    const at = guest.context(0, CD_LOW, 0x6204)
    guest.words(at + 8, 0, 0x1000)
    guest.stream(0x20, at | STAGE_1)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(C_BAD_CD)
    guest.words(at + 8, 0x1000, 0x7ff)
    guest.invalidateAll()
    expect(guest.dma(0x20, 0x80_0000_1000, WRITE)).toBe(F_WALK_EABT)
    // CLASS TT, a write; the descriptor's address.
    expect(guest.event(1)).toEqual([F_WALK_EABT, 0x20, 0, 0x100, 0x1000, 0x80, 0x1008, 0x7ff])
  })

  it('outside of memory: F_CD_FETCH', () => {
    const { guest } = mapped()
    guest.stream(0x20, STAGE_1, 0x10)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(F_CD_FETCH)
    expect(guest.event(0)).toEqual([F_CD_FETCH, 0x20, 0, 0, 0, 0, 0, 0x10])
  })

  it('EPD0: no low address is mapped; a high one may be', () => {
    const { guest, top } = mapped()
    // V, T1SZ 16 with TG1 of 4 KiB, EPD0.
    const at = guest.context(0, 0x8090_4010, CD_HIGH, [top, 0])
    guest.stream(0x20, at | STAGE_1)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(F_TRANSLATION)
    expect(guest.dmaAt(0x20, 0xffff_0000, 0x1004, READ)).toBe(0)
    expect(guest.output).toBe(0x80_0004)
    expect(guest.dmaAt(0x20, 0xfffe_0000, 0x1004, READ)).toBe(F_TRANSLATION)
  })

  it('T0SZ: what lies above is F_TRANSLATION; TBI0 ignores the top byte', () => {
    const { guest, top } = mapped()
    expect(guest.dmaAt(DEVICE, 0x0001_0000, 0x1000, READ)).toBe(F_TRANSLATION)
    expect(guest.dmaAt(DEVICE, 0x5a00_0000, 0x1000, READ)).toBe(F_TRANSLATION)
    guest.stream(0x20, guest.context(top, CD_LOW, CD_HIGH | 0x40 | (9 << 16)) | STAGE_1)
    expect(guest.dmaAt(0x20, 0x5a00_0000, 0x1008, READ)).toBe(0)
    expect(guest.output).toBe(0x80_0008)
    expect(guest.dmaAt(0x20, 0x5a01_0000, 0x1008, READ)).toBe(F_TRANSLATION)
  })

  it('R clear: faults of translation are terminated without an event', () => {
    const { guest, top } = mapped()
    guest.stream(0x20, guest.context(top, CD_LOW, 0x4205) | STAGE_1)
    expect(guest.dma(0x20, 0x5000, READ)).toBe(F_TRANSLATION)
    expect(guest.read(REG.EVENTQ_PROD)).toBe(0)
    expect(guest.unit.faultsSeen.at(-1)).toMatchObject({ reason: F_TRANSLATION, recorded: false })
  })

  it('a small top table need not start a page: T0SZ 39 leaves 16 entries of it', () => {
    const { guest } = mapped()
    // 25 bits of input: level 2 on top.
    const table = guest.page() + 0x380
    const last = guest.page()
    guest.words(table + 3 * 8, last | 3, 0)
    guest.words(last + 5 * 8, 0x90_0000 | PAGE_RW | 3, 0)
    guest.stream(0x20, guest.context(table, 0xc000_0027, CD_HIGH) | STAGE_1)
    expect(guest.dma(0x20, 3 * 0x20_0000 + 5 * 4096 + 4, READ)).toBe(0)
    expect(guest.output).toBe(0x90_0004)
    expect(guest.dma(0x20, 2 ** 25, READ)).toBe(F_TRANSLATION)
  })
})

describe('stage 1 descriptors', () => {
  it('AF clear: F_ACCESS, before any look at permissions; CD.AFFD turns it off', () => {
    const { guest, top } = mapped()
    guest.map(top, 0x2000, 0x90_0000, PAGE_RO & ~0x400)
    expect(guest.dma(DEVICE, 0x2000, WRITE)).toBe(F_ACCESS)
    guest.stream(0x20, guest.context(top, CD_LOW, CD_HIGH | 8) | STAGE_1)
    expect(guest.dma(0x20, 0x2000, READ)).toBe(0)
    expect(guest.dma(0x20, 0x2000, WRITE)).toBe(F_PERMISSION)
  })

  it('AP[2] is read-only; AP[1] clear is for privileged transactions alone, as PRIVCFG makes them', () => {
    const { guest, top } = mapped()
    guest.map(top, 0x2000, 0x90_0000, PAGE_RO)
    guest.map(top, 0x3000, 0xa0_0000, PAGE_RW & ~0x40)
    expect(guest.dma(DEVICE, 0x2000, READ)).toBe(0)
    expect(guest.out.rights).toBe(1)
    expect(guest.dma(DEVICE, 0x2000, WRITE)).toBe(F_PERMISSION)
    expect(guest.dma(DEVICE, 0x3000, READ)).toBe(F_PERMISSION)
    const descriptor = guest.context(top)
    guest.stream(0x20, descriptor | STAGE_1)
    guest.words(STREAMS + 0x20 * 64 + 12, 3 << 16)
    expect(guest.dma(0x20, 0x3000, WRITE)).toBe(0)
  })

  it('APTable takes rights away from all below, unless HAD0 is set', () => {
    const { guest, top } = mapped()
    const first = guest.word(top + 0)
    guest.words(top, first, 0x4000_0000)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    expect(guest.out.rights).toBe(1)
    expect(guest.dma(DEVICE, 0x1000, WRITE)).toBe(F_PERMISSION)
    guest.words(top, first, 0x2000_0000)
    guest.invalidateAll()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(F_PERMISSION)
    guest.stream(0x20, guest.context(top | 2, CD_LOW, CD_HIGH) | STAGE_1)
    expect(guest.dma(0x20, 0x1000, WRITE)).toBe(0)
  })

  it('blocks of 2 MiB and 1 GiB; none at level 0, and no block at level 3', () => {
    const { guest, top } = mapped()
    guest.map(top, 0x4000_0000, 0x4000_0000, PAGE_RW, 30)
    guest.map(top, 0x20_0000, 0x60_0000, PAGE_RW, 21)
    expect(guest.dma(DEVICE, 0x7fff_fff0, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size]).toEqual([0x7fff_fff0, 30])
    expect(guest.dma(DEVICE, 0x21_0000, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size]).toEqual([0x61_0000, 21])
    guest.entry(top, 1, 0, 0x8000_0000 | PAGE_RW | 1)
    expect(guest.dma(DEVICE, 0x80_0000_0000, READ)).toBe(F_TRANSLATION)
    guest.map(top, 0x9000, 0x90_0000, PAGE_RW)
    const last = (guest.word(((guest.word((guest.word(top) & -4096) >>> 0) & -4096) >>> 0) + 0) & -4096) >>> 0
    guest.words(last + 9 * 8, 0x90_0000 | PAGE_RW | 1, 0)
    expect(guest.dma(DEVICE, 0x9000, READ)).toBe(F_TRANSLATION)
  })

  it('an output beyond the effective IPS: F_ADDR_SIZE', () => {
    const { guest, top } = mapped({ outputSize: 40 })
    guest.map(top, 0x2000, 2 ** 40, PAGE_RW)
    expect(guest.dma(DEVICE, 0x2000, READ)).toBe(F_ADDR_SIZE)
    // A read; CLASS IN.
    expect(guest.event(0)).toEqual([F_ADDR_SIZE, DEVICE, 0, 0x208, 0x2000, 0, 0, 0])
  })

  it('32 bits out: what a walk cache keeps is no address', () => {
    const { guest, top } = mapped({ outputSize: 32 })
    guest.map(top, 0x2000, 0x90_0000, PAGE_RW)
    guest.stream(DEVICE, guest.context(top, CD_LOW, 0x6200) | STAGE_1)
    guest.invalidateAll()
    expect([guest.dma(DEVICE, 0x1000, READ), guest.dma(DEVICE, 0x2000, READ)]).toEqual([0, 0])
    expect(guest.output).toBe(0x90_0000)
  })

  it.each([
    ['64 KiB', 1, 16, [42, 29, 16]],
    ['16 KiB', 2, 14, [47, 36, 25, 14]],
  ] as const)('the granule of %s', (_name, tg, log2, shifts) => {
    const { guest } = mapped()
    const iova = 0x1234_5678_0000
    const output = 0x280_0000
    const tables = shifts.map(() => guest.page(2 ** log2))
    for (const [level, shift] of shifts.entries()) {
      const index = Math.floor(iova / 2 ** shift) % 2 ** (log2 - 3)
      const next = level === shifts.length - 1 ? output | PAGE_RW : tables[level + 1]!
      guest.entry(tables[level]!, index, 0, next | 3)
    }
    guest.stream(0x20, guest.context(tables[0]!, CD_LOW | (tg << 6), CD_HIGH | (5 << 16)) | STAGE_1)
    for (let round = 0; round < 2; round++) {
      expect(guest.dma(0x20, iova + 0x2468, WRITE)).toBe(0)
      expect([guest.output, guest.out.log2Size]).toEqual([output + 0x2468, log2])
    }
    expect(guest.dma(0x20, iova + 2 ** log2, READ)).toBe(F_TRANSLATION)
  })
})

describe('stage 2', () => {
  /** S2AA64, S2R, S2PS 48 bits; T0SZ 24 (40 bits), SL0 1 (level 1): two tables side by side. */
  const S2_HIGH = 0x0408_0000 | (5 << 16) | (1 << 6) | 24
  const S2_RW = 0x4c0

  function stageTwo(guest: SmmuV3Guest): number {
    return guest.page(8192)
  }
  function mapStageTwo(guest: SmmuV3Guest, top: number, ipa: number, output: number, attributes: number): void {
    let table = top
    for (const shift of [30, 21]) {
      const at = table + (Math.floor(ipa / 2 ** shift) % (shift === 30 ? 1024 : 512)) * 8
      if ((guest.word(at) & 1) === 0) guest.words(at, guest.page() | 3, 0)
      table = (guest.word(at) & -4096) >>> 0
    }
    guest.words(table + (Math.floor(ipa / 4096) % 512) * 8, output | attributes | 3, 0)
  }

  it('alone: concatenated tables, S2AP, and events with S2 and the intermediate address', () => {
    const guest = new SmmuV3Guest({ stage2: true })
    const top = stageTwo(guest)
    mapStageTwo(guest, top, 0x80_0000_5000, 0x90_0000, S2_RW)
    mapStageTwo(guest, top, 0x6000, 0xa0_0000, 0x440)
    guest.stream(DEVICE, STAGE_2, 0, [3, S2_HIGH, top, 0])
    guest.enable()
    for (let round = 0; round < 2; round++) {
      expect(guest.dma(DEVICE, 0x80_0000_5008, WRITE)).toBe(0)
      expect(guest.output).toBe(0x90_0008)
    }
    expect(guest.dma(DEVICE, 0x6000, READ)).toBe(0)
    expect(guest.dma(DEVICE, 0x7123, READ)).toBe(F_TRANSLATION)
    // A read, S2, CLASS IN; the intermediate address is that of the page.
    expect(guest.event(0)).toEqual([F_TRANSLATION, DEVICE, 0, 0x288, 0x7123, 0, 0x7000, 0])
    expect(guest.dma(DEVICE, 2 ** 40, READ)).toBe(F_TRANSLATION)
    expect(guest.dma(DEVICE, 2 ** 48, READ)).toBe(F_ADDR_SIZE)
  })

  it.each([
    ['AArch32 tables', S2_HIGH & ~0x0008_0000],
    ['S2SL0 3', S2_HIGH | 0xc0],
    ['more than 16 tables side by side', (S2_HIGH & ~0xff) | 24],
    ['an input wider than the output', (S2_HIGH & ~0x7_003f) | 16 | (2 << 16)],
    ['S2S, which nothing can do', S2_HIGH | 0x0200_0000],
    ['big-endian tables', S2_HIGH | 0x0010_0000],
  ])('%s: C_BAD_STE', (_name, high) => {
    const guest = new SmmuV3Guest({ stage2: true })
    guest.stream(DEVICE, STAGE_2, 0, [3, high, stageTwo(guest), 0])
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(C_BAD_STE)
  })

  it('nested: tables, descriptors and pages of stage 1 are intermediate addresses', () => {
    const guest = new SmmuV3Guest({ stage2: true })
    const second = stageTwo(guest)
    const top = guest.page()
    guest.map(top, 0x1000, 0xb000, PAGE_RW)
    guest.map(top, 0x2000, 0xc000, PAGE_RW)
    const descriptor = guest.context(top)
    guest.stream(DEVICE, descriptor | NESTED, 0, [3, S2_HIGH, second, 0])
    guest.enable()
    // Nothing is mapped in stage 2: not even the context descriptor. CLASS CD, S2.
    expect(guest.dma(DEVICE, 0x1234, READ)).toBe(F_TRANSLATION)
    expect(guest.event(0)).toEqual([F_TRANSLATION, DEVICE, 0, 0x88, 0x1234, 0, descriptor & -4096, 0])
    mapStageTwo(guest, second, descriptor & -4096, descriptor & -4096, S2_RW)
    expect(guest.dma(DEVICE, 0x1234, READ)).toBe(F_TRANSLATION)
    // The top table: CLASS TT.
    expect(guest.event(1)).toEqual([F_TRANSLATION, DEVICE, 0, 0x188, 0x1234, 0, top, 0])
    for (let table = 0x40_0000; table < 0x42_0000; table += 4096) mapStageTwo(guest, second, table, table, S2_RW)
    expect(guest.dma(DEVICE, 0x1234, WRITE)).toBe(F_TRANSLATION)
    expect(guest.event(2)).toEqual([F_TRANSLATION, DEVICE, 0, 0x280, 0x1234, 0, 0xb000, 0])
    mapStageTwo(guest, second, 0xb000, 0x90_0000, S2_RW)
    mapStageTwo(guest, second, 0xc000, 0xa0_0000, 0x440)
    for (let round = 0; round < 2; round++) {
      expect(guest.dma(DEVICE, 0x1234, WRITE)).toBe(0)
      expect(guest.output).toBe(0x90_0234)
      // Stage 1 would grant it.
      expect(guest.dma(DEVICE, 0x2000, READ)).toBe(0)
      expect(guest.dma(DEVICE, 0x2000, WRITE)).toBe(F_PERMISSION)
      expect(guest.event(3 + round)[3]).toBe(0x280)
    }
  })
})
