import { describe, expect, it } from 'vitest'
import { A, AW_48, D, DTE, FIRST, NESTED, P, PASIDE, PASS, RW, ScalableGuest, SECOND, US } from './scalable-guest.ts'
import { REG, ROOT, SRTP, TE } from './vtd-guest.ts'

const DEVICE = 0x0018
const READ = 1
const WRITE = 2
const OUTSIDE = 0x800_0000

/** A device whose PASID 0 has first-stage tables, with 0x40000 mapped; and the unit translating. */
function firstStageGuest(flags = P | RW | US, options = {}) {
  const guest = new ScalableGuest({ faultRecords: 8, ...options })
  const table = guest.attach(DEVICE, PASIDE | DTE)
  const top = guest.page()
  guest.firstStage(table, 0, top)
  guest.mapFirst(top, 0x4_0000, 0x80_0000, flags)
  guest.enable()
  return { guest, table, top }
}

describe('§9.2 and §9.4, root and context entries of scalable mode', () => {
  it('functions from 10.0 on are found in the upper context table', () => {
    const guest = new ScalableGuest()
    guest.passThrough(guest.attach(0x007f), 0)
    guest.passThrough(guest.attach(0x0080), 0)
    expect(guest.ram.read32(ROOT)).not.toBe(guest.ram.read32(ROOT + 8))
    guest.enable()
    expect(guest.dma(0x007f, 0x1000, READ)).toBe(0)
    expect(guest.dma(0x0080, 0x1000, READ)).toBe(0)
    guest.entry(ROOT, 1, 0, 0)
    guest.invalidateAll()
    expect(guest.dma(0x007f, 0x1000, READ)).toBe(0)
    expect(guest.dma(0x0080, 0x1000, READ)).toBe(0x39)
  })

  it.each([
    ['root entry not present', 0, 0, 0x39],
    ['reserved bits in the root entry', 0, 0x10_0003, 0x3a],
    ['context table outside of memory', 0, OUTSIDE | 1, 0x40],
    ['root entry beyond the host address width', 0x1_0000, 0x10_0001, 0x3a],
  ])('%s', (_what, hi, lo, reason) => {
    const guest = new ScalableGuest()
    guest.entry(ROOT, 0, hi, lo)
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(reason)
  })

  it.each([
    ['not present', [0], 0x41],
    ['reserved bits 8:5', [0x10_0021], 0x42],
    ['a reserved upper word', [0x10_0001, 0, 0, 0, 1], 0x42],
    ['reserved bits above RID_PRIV', [0x10_0001, 0, 0x20_0000], 0x42],
    ['RID_PASID beyond a directory of 8192 PASIDs', [0x10_0001, 0, 0x2000], 0x48],
    ['directory outside of memory', [OUTSIDE | 1], 0x50],
  ])('context entry: %s', (_what, words, reason) => {
    const guest = new ScalableGuest()
    guest.contextWords(DEVICE, ...words)
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(reason)
  })

  it('RID_PASID names the PASID of requests that bear none; without ECAP.RPS it is 0', () => {
    for (const [ridPasid, reason] of [
      ['announced', 0],
      ['unannounced', 0],
      ['none', 0x59],
    ] as const) {
      const guest = new ScalableGuest({ ridPasid })
      guest.passThrough(guest.attach(DEVICE, 0, 5), 5)
      guest.enable()
      expect(guest.dma(DEVICE, 0x1000, READ)).toBe(reason)
      expect((guest.read(0x14) >>> 17) & 1).toBe(ridPasid === 'announced' ? 1 : 0)
    }
  })

  it('PDTS: the directory has 2^(PDTS + 7) entries of 64 PASIDs', () => {
    const guest = new ScalableGuest()
    const directory = guest.page()
    const table = guest.page()
    guest.entry(directory, 255, 0, table | 1)
    guest.passThrough(table, 63)
    guest.contextWords(DEVICE, directory | (1 << 9) | PASIDE | 1)
    guest.enable()
    expect(guest.dmaWithPasid(DEVICE, 0x3fff, 0x1000, READ)).toBe(0)
    expect(guest.dmaWithPasid(DEVICE, 0x4000, 0x1000, READ)).toBe(0x46)
  })
})

describe('§9.5 and §9.6, PASID directory and table', () => {
  it.each([
    ['directory entry not present', 0, 0x51],
    ['reserved bits in the directory entry', 0x10_0005, 0x52],
    ['PASID table outside of memory', OUTSIDE | 1, 0x58],
  ])('%s', (_what, entry, reason) => {
    const guest = new ScalableGuest()
    const directory = guest.page()
    guest.entry(directory, 0, 0, entry)
    guest.contextWords(DEVICE, directory | 1)
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(reason)
  })

  it.each([
    ['not present', [PASS | AW_48], {}, 0x59],
    ['pass-through', [PASS | AW_48 | 1], {}, 0],
    ['pass-through without ECAP.PT', [PASS | AW_48 | 1], { passThrough: false }, 0x5b],
    ['nested translation, without ECAP.NEST', [NESTED | AW_48 | 1], {}, 0x5b],
    ['no type at all', [AW_48 | 1], {}, 0x5b],
    ['first stage without ECAP.FSTS', [FIRST | AW_48 | 1], { firstStage: false }, 0x5b],
    ['second stage without ECAP.SSTS', [0x10_0000 | SECOND | AW_48 | 1], { secondStage: false }, 0x5b],
    ['second stage of five levels, of which CAP.SAGAW knows nothing', [0x10_0000 | SECOND | (3 << 2) | 1], {}, 0x5b],
    ['first stage of five levels, without CAP.FS5LP', [FIRST | 1, 0, 7, 0, 0x10_0004], {}, 0x5b],
    ['a reserved bit of the lowest word', [PASS | AW_48 | 0x20 | 1], {}, 0x5a],
    ['SSADE, without ECAP.SSADS', [PASS | AW_48 | 0x200 | 1], {}, 0x5a],
    ['a reserved word', [PASS | AW_48 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], {}, 0x5a],
    ['a pointer beyond the host address width', [PASS | AW_48 | 1, 0x1_0000], {}, 0x5a],
    // SRE is for supervisor requests, of which there are none; Linux sets it in any case.
    ['SRE', [PASS | AW_48 | 1, 0, 1, 0, 1], {}, 0],
  ])('PASID table entry: %s', (_what, words, options, reason) => {
    const guest = new ScalableGuest(options)
    guest.pasid(guest.attach(DEVICE), 0, ...words)
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(reason)
  })

  it.each(['context', 'directory', 'PASID'] as const)('FPD of the %s entry: the fault is not recorded', (where) => {
    const guest = new ScalableGuest()
    const directory = guest.page()
    const table = guest.page()
    const fpd = (entry: string): number => (where === entry ? 2 : 0)
    guest.contextWords(DEVICE, directory | 1 | fpd('context'))
    guest.entry(directory, 0, 0, table | 1 | fpd('directory'))
    guest.pasid(table, 0, fpd('PASID'))
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0x59)
    expect(guest.read(REG.FSTS)).toBe(0)
    expect(guest.unit.faultsSeen.map(({ recorded }) => recorded)).toEqual([false])
  })
})

describe('§3.6 and §9.7, first-stage tables', () => {
  it.each([
    ['present, for users, writable', P | RW | US, WRITE, 0],
    ['read-only, read', P | US, READ, 0],
    ['read-only, written', P | US, WRITE, 0x85],
    ['for supervisors only', P | RW, READ, 0x81],
    ['not present', RW | US, READ, 0x71],
  ] as const)('a page %s', (_what, flags, access, reason) => {
    const { guest } = firstStageGuest(flags)
    for (let round = 0; round < 2; round++) expect(guest.dma(DEVICE, 0x4_0010, access)).toBe(reason)
    if (reason === 0) expect(guest.output).toBe(0x80_0010)
  })

  it('rights narrow on the way down: an upper entry without R/W makes all below it read-only', () => {
    const { guest, top } = firstStageGuest()
    guest.ram.write32(top, guest.ram.read32(top) & ~RW)
    expect(guest.dma(DEVICE, 0x4_0000, READ)).toBe(0)
    expect(guest.dma(DEVICE, 0x4_0000, WRITE)).toBe(0x85)
  })

  it('A is set in each entry of the walk, and D by a write only; a page that was but read is walked again', () => {
    const { guest, top } = firstStageGuest()
    const entryAt = (): number[] => {
      const entries = []
      let table = top
      for (const index of [0, 0, 0, 0x40]) {
        entries.push(guest.ram.read32(table + index * 8) & (A | D))
        table = (guest.ram.read32(table + index * 8) & -4096) >>> 0
      }
      return entries
    }
    expect(entryAt()).toEqual([0, 0, 0, 0])
    expect(guest.dma(DEVICE, 0x4_0000, READ)).toBe(0)
    expect(entryAt()).toEqual([A, A, A, A])
    expect(guest.out.rights).toBe(READ)
    expect(guest.dma(DEVICE, 0x4_0000, WRITE)).toBe(0)
    expect(entryAt()).toEqual([A, A, A, A | D])
    expect(guest.out.rights).toBe(READ | WRITE)
    expect(guest.unit.iotlbUsed).toBe(1)
  })

  it('addresses are canonical: bits 63:47 alike with four levels', () => {
    const { guest, top } = firstStageGuest()
    const dma = (hi: number, lo: number): number =>
      guest.unit.translate(DEVICE, -1, 'untranslated', hi, lo, READ, guest.out)
    guest.entry(top, 511, guest.ram.read32(top + 4), guest.ram.read32(top))
    expect(dma(0xffff_ff80, 0x4_0000)).toBe(0)
    expect(dma(0x0000_8000, 0x4_0000)).toBe(0x80)
    expect(dma(0xffff_7fff, 0x4_0000)).toBe(0x80)
    expect(dma(0x0200_0000, 0x4_0000)).toBe(0x80)
    expect(dma(0, 0x4_0000)).toBe(0)
  })

  it('five levels, where CAP.FS5LP offers them', () => {
    const guest = new ScalableGuest({ firstStageFiveLevels: true })
    expect((guest.read(0x0c) >>> 28) & 1).toBe(1)
    const top = guest.page()
    guest.pasid(guest.attach(DEVICE), 0, FIRST | 1, 0, 7, 0, top | 4, 0)
    guest.mapFirst(top, 2 ** 50 + 0x4_0000, 0x80_0000, P | RW | US, 12, 5)
    guest.enable()
    expect(guest.dma(DEVICE, 2 ** 50 + 0x4_0008, WRITE)).toBe(0)
    expect(guest.output).toBe(0x80_0008)
    expect(guest.unit.translate(DEVICE, -1, 'untranslated', 0x0100_0000, 0, READ, guest.out)).toBe(0x80)
  })

  it('1 GiB pages need CAP.FS1GP; PS in a top entry is reserved', () => {
    for (const [firstStage1g, reason] of [
      [true, 0],
      [false, 0x72],
    ] as const) {
      const { guest, top } = firstStageGuest(P | RW | US, { firstStage1g })
      guest.mapFirst(top, 0x4000_0000, 0x8000_0000, P | RW | US, 30)
      expect(guest.dma(DEVICE, 0x4123_4567, READ)).toBe(reason)
      expect((guest.read(0x0c) >>> 24) & 1).toBe(firstStage1g ? 1 : 0)
      guest.entry(top, 1, 0, 0x10_0000 | 0x80 | P | RW | US)
      expect(guest.dma(DEVICE, 2 ** 39, READ)).toBe(0x72)
    }
  })

  it.each([
    ['the top table outside of memory', 0x73],
    ['a lower table outside of memory', 0x70],
  ])('%s', (what, reason) => {
    const { guest, table, top } = firstStageGuest()
    if (reason === 0x73) guest.firstStage(table, 0, OUTSIDE)
    else guest.entry(top, 0, 0, OUTSIDE | P | RW | US)
    expect([what, guest.dma(DEVICE, 0x4_0000, READ)]).toEqual([what, reason])
  })
})

describe('second-stage tables in scalable mode', () => {
  it.each([
    ['grants nothing', 0, READ, 0x79, 0x06],
    ['grants nothing', 0, WRITE, 0x79, 0x05],
    ['read-only', 1, WRITE, 0x85, 0x05],
    ['write-only', 2, READ, 0x86, 0x06],
  ] as const)(
    'a page that %s: reason by the specification, and as QEMU gives it',
    (_what, rights, access, own, qemu) => {
      for (const [legacyReasons, reason] of [
        [false, own],
        [true, qemu],
      ] as const) {
        const guest = new ScalableGuest({ legacyReasons })
        const top = guest.page()
        guest.secondStage(guest.attach(DEVICE), 0, top)
        guest.map(top, 0x4_0000, 0x80_0000, rights)
        guest.enable()
        expect(guest.dma(DEVICE, 0x4_0000, access)).toBe(reason)
        // Cached with what it grants, the page is refused likewise.
        if (rights !== 0) expect(guest.dma(DEVICE, 0x4_0000, rights)).toBe(0)
        expect(guest.dma(DEVICE, 0x4_0000, access)).toBe(reason)
      }
    },
  )

  it('beyond the width of the tables, and into the interrupt range', () => {
    const guest = new ScalableGuest()
    const top = guest.page()
    guest.secondStage(guest.attach(DEVICE), 0, top)
    guest.map(top, 0x4_0000, 0xfee0_0000, 3)
    guest.enable()
    expect(guest.dma(DEVICE, 2 ** 48, READ)).toBe(0x84)
    expect(guest.dma(DEVICE, 0x4_0000, WRITE)).toBe(0x87)
  })
})

describe('requests with a PASID', () => {
  it('have tables of their own, and a record that names the PASID', () => {
    const guest = new ScalableGuest({ faultRecords: 8 })
    const table = guest.attach(DEVICE, PASIDE)
    const tops = [guest.page(), guest.page()]
    guest.firstStage(table, 1, tops[0]!)
    guest.firstStage(table, 2, tops[1]!)
    guest.mapFirst(tops[0]!, 0x4_0000, 0x80_0000, P | RW | US)
    guest.mapFirst(tops[1]!, 0x4_0000, 0x90_0000, P | RW | US)
    guest.enable()
    for (let round = 0; round < 2; round++) {
      expect(guest.dmaWithPasid(DEVICE, 1, 0x4_0000, READ)).toBe(0)
      expect(guest.output).toBe(0x80_0000)
      expect(guest.dmaWithPasid(DEVICE, 2, 0x4_0000, READ)).toBe(0)
      expect(guest.output).toBe(0x90_0000)
    }
    expect(guest.dmaWithPasid(DEVICE, 2, 0x5_0000, READ)).toBe(0x71)
    // F, T1, PV in bits 59:40 and FR; PP beside the source.
    expect(guest.read(0x22c)).toBe(0xc000_0271)
    expect(guest.read(0x228)).toBe(0x8000_0000 + DEVICE)
    expect(guest.unit.faultsSeen.at(-1)).toMatchObject({ requester: DEVICE, pasid: 2, reason: 0x71 })
  })

  it.each([
    ['PASIDE is clear', 0, 20, 1, 0x45],
    ['more bits than ECAP.PSS says', PASIDE, 8, 256, 0x100],
  ])('are refused where %s', (_what, flags, pasidBits, pasid, reason) => {
    const guest = new ScalableGuest({ pasidBits })
    guest.passThrough(guest.attach(DEVICE, flags), 0)
    guest.enable()
    expect(guest.dmaWithPasid(DEVICE, pasid, 0x1000, READ)).toBe(reason)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
  })
})

describe('device-TLBs', () => {
  it('DTE allows translated and translation requests; without it they are denied', () => {
    for (const [flags, reason] of [
      [DTE, 0],
      [0, 0x44],
    ] as const) {
      const guest = new ScalableGuest({ deviceIotlb: true })
      const top = guest.page()
      guest.firstStage(guest.attach(DEVICE, flags), 0, top)
      guest.mapFirst(top, 0x4_0000, 0x80_0000, P | RW | US)
      guest.enable()
      expect(guest.dma(DEVICE, 0x80_0000, READ, 'translated')).toBe(reason)
      expect(guest.dma(DEVICE, 0x4_0000, READ, 'translation-request')).toBe(reason)
      if (reason !== 0) continue
      // A request that asks for reading alone leaves D clear, and is not given the right to write.
      expect([guest.output, guest.out.rights]).toEqual([0x80_0000, READ])
      expect(guest.dma(DEVICE, 0x4_0000, WRITE, 'translation-request')).toBe(0)
      expect(guest.out.rights).toBe(READ | WRITE)
      expect(guest.dma(DEVICE, 0x5_0000, READ, 'translation-request')).toBe(0)
      expect(guest.out.rights).toBe(0)
    }
  })
})

describe('RTADDR.TTM', () => {
  it('is latched by SRTP; a mode that is not offered faults every request', () => {
    const guest = new ScalableGuest()
    guest.passThrough(guest.attach(DEVICE), 0)
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    guest.write64(REG.RTADDR, 0, ROOT | (3 << 10))
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    guest.command(SRTP)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0x30)
  })

  it('legacy tables work on, and faults there name a PASID as misplaced', () => {
    const guest = new ScalableGuest()
    guest.context(DEVICE, 0x9, 2 | (7 << 8))
    guest.write64(REG.RTADDR, 0, ROOT)
    guest.command(SRTP)
    guest.command(TE)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    expect(guest.dmaWithPasid(DEVICE, 1, 0x1000, READ)).toBe(0x31)
  })

  it('is not there without ECAP.SMTS', () => {
    const guest = new ScalableGuest({ scalableMode: false })
    guest.context(DEVICE, 0x9, 2 | (7 << 8))
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    expect(guest.dmaWithPasid(DEVICE, 1, 0x1000, READ)).toBe(0x100)
  })
})
