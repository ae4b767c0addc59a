import { PortTlb } from '@dmascope/iommu'
import { describe, expect, it } from 'vitest'
import { BYPASS, COMMANDS, NESTED, PAGE_RW, REG, SmmuV3Guest, STAGE_1, STAGE_2 } from './smmuv3-guest.ts'

const DEVICE = 0x0018
const READ = 1
const OLD = 0x80_0000
const NEW = 0x90_0000
const GERROR_CMDQ_ERR = 1
const CERROR_ILL = 1
const CERROR_ABT = 2
const SYNC = [0x46] as const

/** A unit with `pages` at 0x1000 on that have been used, and that lead elsewhere since. */
function changed(options: ConstructorParameters<typeof SmmuV3Guest>[0] = {}, pages = 1, attributes = PAGE_RW) {
  const guest = new SmmuV3Guest(options)
  const top = guest.page()
  guest.attach(DEVICE, top)
  guest.enable()
  for (let page = 1; page <= pages; page++) {
    guest.map(top, page * 4096, OLD, attributes)
    expect(guest.dma(DEVICE, page * 4096, READ)).toBe(0)
    guest.map(top, page * 4096, NEW, attributes)
    expect(guest.dma(DEVICE, page * 4096, READ)).toBe(0)
    expect(guest.output).toBe(OLD)
  }
  const seen = (page: number): number => {
    expect(guest.dma(DEVICE, page * 4096, READ)).toBe(0)
    return guest.output
  }
  return { guest, top, seen }
}

describe('§4.4 TLB invalidation: what a command names, and nothing else', () => {
  const ASID = (asid: number): number => asid << 16

  it.each([
    ['CMD_TLBI_NSNH_ALL', [0x30]],
    ['CMD_TLBI_NH_ALL', [0x10]],
    ['CMD_TLBI_NH_ASID', [0x11, ASID(7)]],
    ['CMD_TLBI_NH_VA', [0x12, ASID(7), 0x1000]],
    ['CMD_TLBI_NH_VA with Leaf', [0x12, ASID(7), 0x1001]],
    ['CMD_TLBI_NH_VAA', [0x13, ASID(9), 0x1000]],
  ] as const)('%s takes effect', (_name, command) => {
    const { guest, seen } = changed()
    guest.submit(command as unknown as [number], SYNC)
    expect(seen(1)).toBe(NEW)
  })

  it.each([
    ['another ASID', [0x11, ASID(8)]],
    ['another page', [0x12, ASID(7), 0x2000]],
    ['the page of another ASID', [0x12, ASID(8), 0x1000]],
    ['a configuration alone', [0x04, 0, 31]],
  ] as const)('%s does not', (_name, command) => {
    const { guest, seen } = changed()
    guest.submit(command as unknown as [number], SYNC)
    expect(seen(1)).toBe(OLD)
  })

  it('a range: (NUM + 1) * 2^SCALE pages of TG, from the address on', () => {
    const { guest, seen } = changed({}, 12)
    // NUM 2, SCALE 1: six pages from 0x3000 on.
    guest.submit([0x12 | (2 << 12) | (1 << 20), 7 << 16, 0x3000 | (1 << 10)], SYNC)
    const pages = Array.from({ length: 12 }, (_, index) => index + 1)
    expect(pages.filter((page) => seen(page) === NEW)).toEqual([3, 4, 5, 6, 7, 8])
  })

  it('without IDR3.RIL the range is of no account', () => {
    const { guest, seen } = changed({ rangeInvalidation: false }, 4)
    guest.submit([0x12 | (2 << 12) | (1 << 20), 7 << 16, 0x1000 | (1 << 10)], SYNC)
    expect([seen(1), seen(2)]).toEqual([NEW, OLD])
  })

  it('a page without nG belongs to all ASIDs: only its address, or all of them, invalidates it', () => {
    const global = PAGE_RW & ~0x800
    const { guest, seen } = changed({}, 3, global)
    guest.submit([0x11, 7 << 16], SYNC)
    expect(seen(1)).toBe(OLD)
    guest.submit([0x12, 8 << 16, 0x1000], SYNC)
    expect([seen(1), seen(2)]).toEqual([NEW, OLD])
    const other = changed({ globalPages: false }, 1, global)
    other.guest.submit([0x11, 7 << 16], SYNC)
    expect(other.seen(1)).toBe(NEW)
  })

  it('upper tables are kept until an invalidation without Leaf', () => {
    const { guest, top, seen } = changed({}, 1)
    const third = (guest.word(top) & -4096) >>> 0
    const second = (guest.word(third) & -4096) >>> 0
    // The table of level 2 gives way to an empty one, but for a page at 2 MiB.
    const replaced = guest.page()
    const last = guest.page()
    guest.words(replaced + 8, last | 3, 0)
    guest.words(last, 0xa0_0000 | PAGE_RW | 3, 0)
    guest.words(third, replaced | 3, 0)
    guest.submit([0x12, 7 << 16, 0x1001], SYNC)
    expect(seen(1)).toBe(NEW)
    expect(guest.dma(DEVICE, 0x20_0000, READ)).toBe(0x10)
    guest.submit([0x12, 7 << 16, 0x1000], SYNC)
    expect(seen(0x200)).toBe(0xa0_0000)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0x10)
    expect(second).not.toBe(replaced)
  })

  it('stage 2: S2_IPA drops what it made alone, S12_VMALL all of the VMID, NH_ALL what stage 1 took part in', () => {
    const high = 0x0408_0000 | (5 << 16) | (1 << 6) | 25
    const guest = new SmmuV3Guest({ stage2: true, vmid16: true })
    const [first, second, third] = [guest.page(), guest.page(), guest.page()]
    guest.words(first, second | 3, 0)
    guest.words(second, third | 3, 0)
    const lead = (output: number): void => guest.words(third + 8, output | 0x4c3, 0)
    const seen = (): number => {
      expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
      return guest.output
    }
    guest.stream(DEVICE, STAGE_2, 0, [5, high, first, 0])
    guest.enable()
    lead(OLD)
    expect(seen()).toBe(OLD)
    lead(NEW)
    guest.submit([0x10, 5], [0x2a, 6, 0x1000], [0x28, 6], SYNC)
    expect(seen()).toBe(OLD)
    guest.submit([0x2a, 5, 0x1000], SYNC)
    expect(seen()).toBe(NEW)
    lead(OLD)
    guest.submit([0x28, 5], SYNC)
    expect(seen()).toBe(OLD)

    // The same page with a stage 1 before it, which is tagged by its ASID too.
    const top = guest.page()
    guest.map(top, 0x7000, 0x1000, PAGE_RW)
    for (let table = 0x40_0000; table < 0x48_0000; table += 4096) {
      const at = second + Math.floor(table / 2 ** 21) * 8
      if ((guest.word(at) & 1) === 0) guest.words(at, guest.page() | 3, 0)
      guest.words(((guest.word(at) & -4096) >>> 0) + ((table / 4096) % 512) * 8, table | 0x4c3, 0)
    }
    guest.stream(DEVICE, guest.context(top) | NESTED, 0, [5, high, first, 0])
    guest.submit([0x03, DEVICE], SYNC)
    const nested = (): number => {
      expect(guest.dma(DEVICE, 0x7000, READ)).toBe(0)
      return guest.output
    }
    expect(nested()).toBe(OLD)
    lead(NEW)
    guest.submit([0x2a, 5, 0x1000], SYNC)
    expect(nested()).toBe(OLD)
    guest.submit([0x10, 5], SYNC)
    expect(nested()).toBe(NEW)
  })
})

describe('§4.3 configuration invalidation', () => {
  it.each([
    ['CMD_CFGI_STE', [0x03, DEVICE, 1], true],
    ['CMD_CFGI_STE of another stream', [0x03, DEVICE + 1], false],
    ['CMD_CFGI_STE_RANGE', [0x04, 0x10, 3], true],
    ['CMD_CFGI_STE_RANGE beside it', [0x04, 0x20, 3], false],
    ['CMD_CFGI_ALL', [0x04, 0, 31], true],
    ['CMD_CFGI_CD', [0x05, DEVICE, 1], true],
    ['CMD_CFGI_CD_ALL', [0x06, DEVICE], true],
    ['CMD_TLBI_NSNH_ALL', [0x30], false],
  ] as const)('%s', (_name, command, takesEffect) => {
    const { guest } = changed()
    guest.stream(DEVICE, BYPASS)
    guest.submit(command as unknown as [number], SYNC)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    expect(guest.out.route).toBe(takesEffect ? 'bypass' : 'translated')
  })

  it('copies in ports end with the entry that they were made of, and with every configuration command', () => {
    const { guest, top } = changed()
    const port = new PortTlb(guest.unit, DEVICE)
    const look = (): number => (port.lookup(0, 0x1000, READ) === 0 ? port.lo : -1)
    expect(look()).toBe(OLD)
    guest.submit([0x12, 8 << 16, 0x1000], SYNC)
    expect(look()).toBe(OLD)
    guest.submit([0x12, 7 << 16, 0x1000], SYNC)
    expect(look()).toBe(NEW)
    guest.stream(DEVICE, BYPASS)
    expect(look()).toBe(NEW)
    guest.submit([0x03, DEVICE], SYNC)
    expect([look(), port.route]).toEqual([0x1000, 'bypass'])
    guest.attach(DEVICE, top)
    guest.submit([0x03, DEVICE], SYNC)
    expect([look(), port.route]).toEqual([NEW, 'translated'])
  })
})

describe('§4.1 and §4.7 the queue', () => {
  it('CMD_SYNC: SIG_IRQ pulses its line, SIG_NONE and SIG_SEV do not', () => {
    const { guest } = changed()
    guest.submit([0x46 | (0 << 12)], [0x46 | (2 << 12)])
    expect(guest.interrupts).toEqual([])
    guest.submit([0x46 | (1 << 12)])
    expect(guest.interrupts).toEqual(['cmd-sync'])
    expect(guest.read(REG.CMDQ_CONS)).toBe(guest.read(REG.CMDQ_PROD))
  })

  it.each([
    ['an opcode that there is not', [0x7f]],
    ['CMD_SYNC with CS 3', [0x3046]],
    ['a command for the Secure state', [0x403, DEVICE]],
    ['CMD_TLBI_S12_VMALL without stage 2', [0x28]],
    ['CMD_TLBI_S2_IPA without stage 2', [0x2a]],
    ['CMD_ATC_INV without ATS', [0x40, DEVICE]],
    ['CMD_RESUME without stalls', [0x44, DEVICE]],
    ['CMD_TLBI_EL2_ALL without EL2', [0x20]],
  ] as const)('%s: CERROR_ILL, and nothing more until it is acknowledged', (_name, command) => {
    const { guest } = changed()
    guest.submit(SYNC, command as unknown as [number], [0x30], SYNC)
    expect(guest.read(REG.GERROR)).toBe(GERROR_CMDQ_ERR)
    expect(guest.read(REG.CMDQ_CONS)).toBe((CERROR_ILL << 24) | 1)
    expect(guest.interrupts).toEqual(['gerror'])
    expect(guest.unit.tlbUsed).toBe(1)
    // As Linux does: a CMD_SYNC in its place, then GERRORN.
    guest.words(COMMANDS + 16, 0x46, 0)
    guest.write(REG.GERRORN, GERROR_CMDQ_ERR)
    expect(guest.read(REG.CMDQ_CONS)).toBe(4)
    expect(guest.unit.tlbUsed).toBe(0)
    expect(guest.interrupts).toEqual(['gerror'])
  })

  it('QEMU takes foreign commands for nothing', () => {
    const { guest } = changed({ acceptsForeignCommands: true })
    guest.submit([0x18], [0x1a], [0x20], [0x21], [0x22], [0x23], [0x40], [0x41], [0x44], [0x45], SYNC)
    expect([guest.read(REG.GERROR), guest.read(REG.CMDQ_CONS)]).toEqual([0, 11])
  })

  it('NH commands without stage 1 are illegal', () => {
    const guest = new SmmuV3Guest({ stage1: false, stage2: true })
    guest.enable()
    guest.submit([0x12, 0, 0x1000])
    expect(guest.read(REG.CMDQ_CONS)).toBe(CERROR_ILL << 24)
  })

  it('a queue outside of memory: CERROR_ABT', () => {
    const { guest } = changed()
    guest.write64(REG.CMDQ_BASE, 0x10, 8)
    guest.write(REG.CMDQ_PROD, 1)
    expect(guest.read(REG.CMDQ_CONS)).toBe(CERROR_ABT << 24)
  })

  it('indices wrap with the flag above them; a full queue is told from an empty one by it', () => {
    const { guest } = changed()
    guest.write64(REG.CMDQ_BASE, 0, COMMANDS | 2)
    for (let at = 0; at < 4; at++) guest.words(COMMANDS + at * 16, 0x46, 0, 0, 0)
    guest.write(REG.CMDQ_PROD, 4)
    expect(guest.read(REG.CMDQ_CONS)).toBe(4)
    guest.words(COMMANDS + 16, 0x7f)
    guest.write(REG.CMDQ_PROD, 6)
    expect(guest.read(REG.CMDQ_CONS)).toBe((CERROR_ILL << 24) | 5)
  })

  it('nothing is fetched while CR0.CMDQEN is clear, and all when it is set', () => {
    const guest = new SmmuV3Guest()
    guest.write64(REG.CMDQ_BASE, 0, COMMANDS | 8)
    guest.words(COMMANDS, 0x46)
    guest.write(REG.CMDQ_PROD, 1)
    expect(guest.read(REG.CMDQ_CONS)).toBe(0)
    guest.write(REG.CR0, 8)
    expect(guest.read(REG.CMDQ_CONS)).toBe(1)
  })

  it('a queue of half a million commands is worked off in turns of 65536, as CMDQ_CONS is read', () => {
    const guest = new SmmuV3Guest({ log2Commands: 19 })
    guest.write64(REG.CMDQ_BASE, 0, 0x80_0000 | 19)
    guest.write(REG.CR0, 8)
    for (let at = 0; at < 0x3_0000; at++) guest.ram.write32(0x80_0000 + at * 16, 0x46)
    guest.write(REG.CMDQ_PROD, 0x3_0000)
    expect(guest.read(REG.CMDQ_CONS)).toBe(0x2_0000)
    expect(guest.read(REG.CMDQ_CONS)).toBe(0x3_0000)
  })

  it('an entry names what stage 1 finds by its ASID: eight bits without IDR0.ASID16', () => {
    const { guest, top } = changed({ asid16: false })
    guest.stream(DEVICE, guest.context(top, 0xc000_0010, 0x6205 | (0x107 << 16)) | STAGE_1)
    guest.submit([0x03, DEVICE], [0x11, 7 << 16], SYNC)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    expect(guest.output).toBe(NEW)
  })
})
