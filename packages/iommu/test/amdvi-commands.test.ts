import { PortTlb } from '@dmascope/iommu'
import { describe, expect, it } from 'vitest'
import {
  AmdViGuest,
  CMD_BUF_EN,
  COM_WAIT_INT_EN,
  COMMANDS,
  DOMAIN,
  EVENT_LOG_EN,
  IOMMU_EN,
  IR,
  IW,
  REG,
} from './amdvi-guest.ts'

const DEVICE = 0x0018
const READ = 1

function guestWith(options: ConstructorParameters<typeof AmdViGuest>[0] = {}): AmdViGuest & { top: number } {
  const guest = new AmdViGuest(options)
  const top = guest.page()
  guest.paged(DEVICE, top)
  for (let page = 0; page < 16; page++) guest.map(top, page * 4096, 0x80_0000 + page * 4096, 3)
  guest.enable()
  return Object.assign(guest, { top })
}

/** Pages 0 to 15 that are still translated to their first frames after all of them were mapped elsewhere. */
function stale(guest: AmdViGuest & { top: number }, command: () => void): number[] {
  for (let page = 0; page < 16; page++) guest.dma(DEVICE, page * 4096, READ)
  for (let page = 0; page < 16; page++) guest.map(guest.top, page * 4096, 0x90_0000 + page * 4096, 3)
  command()
  return Array.from({ length: 16 }, (_, page) => page).filter((page) => {
    guest.dma(DEVICE, page * 4096, READ)
    return guest.output === 0x80_0000 + page * 4096
  })
}

const without = (first: number, count: number): number[] =>
  Array.from({ length: 16 }, (_, page) => page).filter((page) => page < first || page >= first + count)

describe('INVALIDATE_IOMMU_PAGES, §2.4', () => {
  it.each([
    ['one page', 5 * 4096, 0, without(5, 1)],
    ['S with bit 12 clear: two pages', 4 * 4096, 1, without(4, 2)],
    ['S with bit 13 clear: four pages', 5 * 4096, 1, without(4, 4)],
    ['S with bit 14 clear: eight pages', 11 * 4096, 1, without(8, 8)],
    ['S with all bits set: everything', 2 ** 63 - 2 ** 20, 1, without(8, 8)],
  ])('%s', (what, iova, flags, left) => {
    const guest = guestWith()
    const all = what.endsWith('everything')
    const command = all
      ? () => guest.submit([0, 0x3000_0000 | DOMAIN, 0xffff_f003, 0x7fff_ffff])
      : () => guest.invalidatePages(iova, flags)
    expect(stale(guest, command)).toEqual(all ? [] : left)
  })

  it('another domain’s pages stay, and so does everything without a command', () => {
    const guest = guestWith()
    expect(stale(guest, () => guest.invalidatePages(0, 1, DOMAIN + 1))).toEqual(without(0, 0))
  })

  it('a unit may drop more than it was told to', () => {
    const guest = guestWith({ invalidateWholeDomain: true })
    expect(stale(guest, () => guest.invalidatePages(5 * 4096))).toEqual([])
  })

  it('page directories stay without PDE, and go with it', () => {
    for (const pageDirectoryCache of [true, false]) {
      for (const pde of [0, 2]) {
        const guest = guestWith({ pageDirectoryCache })
        guest.dma(DEVICE, 0, READ)
        // The level 3 entry now leads to other tables.
        const other = guest.page()
        const third = (guest.ram.read32(guest.top) & -4096) >>> 0
        guest.entry(third, 0, IR | IW, other | (2 << 9) | 1)
        const leaf = guest.page()
        guest.entry(other, 0, IR | IW, leaf | (1 << 9) | 1)
        guest.entry(leaf, 0, IR | IW, 0xa0_0001)
        guest.invalidatePages(0, pde)
        guest.dma(DEVICE, 0, READ)
        expect(guest.output).toBe(pageDirectoryCache && pde === 0 ? 0x80_0000 : 0xa0_0000)
      }
    }
  })
})

describe('other invalidations', () => {
  it('INVALIDATE_DEVTAB_ENTRY: the entry counts, and ports’ copies end', () => {
    const guest = guestWith()
    const port = new PortTlb(guest.unit, DEVICE)
    expect(port.lookup(0, 0, READ)).toBe(0)
    guest.device(DEVICE, 1)
    expect([port.lookup(0, 0, READ), port.lo]).toEqual([0, 0x80_0000])
    guest.invalidateDevice(DEVICE + 8)
    expect([port.lookup(0, 0, READ), port.lo]).toEqual([0, 0x80_0000])
    guest.invalidateDevice(DEVICE)
    expect(port.lookup(0, 0, READ)).toBe(0x52)
  })

  it('PREFETCH_IOMMU_PAGES with Inval drops the pages of the device’s domain first', () => {
    const guest = guestWith()
    expect(stale(guest, () => guest.submit([DEVICE, 0x6000_0000, 5 * 4096, 0]))).toEqual(without(0, 0))
    const other = guestWith()
    expect(stale(other, () => other.submit([DEVICE, 0x6000_0000, (5 * 4096) | 0x10, 0]))).toEqual(without(5, 1))
  })

  it('INVALIDATE_IOMMU_ALL drops it all', () => {
    const guest = guestWith()
    expect(stale(guest, () => guest.invalidateAll())).toEqual([])
  })

  it('what is not present is cached where the unit says so, until it is invalidated', () => {
    const guest = guestWith({ npCache: true, cachesNotPresent: true })
    expect(guest.dma(DEVICE, 0x10_0000, READ)).toBe(0x02)
    guest.map(guest.top, 0x10_0000, 0xa0_0000, 3)
    expect(guest.dma(DEVICE, 0x10_0000, READ)).toBe(0x02)
    guest.invalidatePages(0x10_0000)
    expect(guest.dma(DEVICE, 0x10_0000, READ)).toBe(0)
  })

  it('INVALIDATE_IOTLB_PAGES goes to the device, whose silence is an event', () => {
    const asked: number[][] = []
    const guest = guestWith({
      deviceIotlb: true,
      onDeviceTlbInvalidate(requester, hi, lo, log2Size) {
        asked.push([requester, hi, lo, log2Size])
        return requester === DEVICE ? 'done' : 'timeout'
      },
    })
    guest.submit([DEVICE, 0x4000_0000, 0x5000, 0], [0x20, 0x4000_0000, 0x7001, 2])
    expect(asked).toEqual([
      [DEVICE, 0, 0x5000, 12],
      [0x20, 2, 0x7000, 16],
    ])
    expect(guest.event(0)).toEqual([0x20, 0x7000_0000, COMMANDS + 0x10, 0])
    expect(guest.read(REG.COMMAND_HEAD)).toBe(0x20)
  })
})

describe('COMPLETION_WAIT, §2.4.1', () => {
  it('stores eight bytes, sets ComWaitInt, and interrupts where that is enabled', () => {
    const guest = guestWith()
    guest.submit([0x8008 | 3, 0x1000_0000, 0x1234_5678, 0x9abc_def0])
    expect([guest.ram.read32(0x8008), guest.ram.read32(0x800c)]).toEqual([0x1234_5678, 0x9abc_def0])
    expect([guest.read(REG.STATUS), guest.messages]).toEqual([0x1c, [0]])
    guest.write(REG.STATUS, 0x4)
    guest.write(REG.CONTROL, IOMMU_EN | EVENT_LOG_EN | CMD_BUF_EN)
    guest.submit([2, 0x1000_0000, 0, 0])
    expect([guest.read(REG.STATUS), guest.messages]).toEqual([0x1c, [0]])
    expect(COM_WAIT_INT_EN).toBe(0x10)
  })

  it('§2.5.7 a store outside of memory is COMMAND_HARDWARE_ERROR and stops the buffer', () => {
    const guest = guestWith()
    guest.submit([0xf000_0001, 0x1000_0001, 1, 0], [0, 0x8000_0000, 0, 0])
    expect(guest.event(0)).toEqual([0, 0x6200_0000, 0xf000_0000, 1])
    expect([guest.read(REG.COMMAND_HEAD), guest.read(REG.STATUS) & 0x10]).toEqual([0, 0])
  })
})

describe('errors', () => {
  it.each([
    ['an unknown opcode', [0, 0xf000_0000, 0, 0]],
    ['opcode 0', [0, 0, 0, 0]],
    ['reserved bits of INVALIDATE_DEVTAB_ENTRY', [0x1_0018, 0x2000_0000, 0, 0]],
    ['reserved bits of the second half', [0x18, 0x2000_0000, 0, 1]],
    ['reserved bits of COMPLETION_WAIT', [0, 0x1010_0000, 0, 0]],
    ['INVALIDATE_IOTLB_PAGES without IotlbSup', [0x18, 0x4000_0000, 0, 0]],
    ['COMPLETE_PPR_REQUEST without PPRSup', [0x18, 0x7000_0000, 0, 0]],
  ] as const)('ILLEGAL_COMMAND_ERROR: %s; it stops the buffer until that is enabled anew', (_what, command) => {
    const guest = guestWith()
    guest.submit([0, 0x8000_0000, 0, 0], command, [0x8001, 0x1000_0000, 9, 0])
    expect(guest.event(0)).toEqual([0, 0x5000_0000, COMMANDS + 0x10, 0])
    expect([guest.read(REG.COMMAND_HEAD), guest.read(REG.STATUS) & 0x10]).toEqual([0x10, 0])
    expect(guest.ram.read32(0x8000)).toBe(0)
    // Software replaces the command and starts again.
    for (const [at, word] of [0, 0x8000_0000, 0, 0].entries()) guest.ram.write32(COMMANDS + 0x10 + at * 4, word)
    guest.write(REG.CONTROL, IOMMU_EN | EVENT_LOG_EN)
    guest.write(REG.CONTROL, IOMMU_EN | EVENT_LOG_EN | CMD_BUF_EN)
    expect([guest.read(REG.COMMAND_HEAD), guest.ram.read32(0x8000)]).toEqual([0x30, 9])
  })

  it('a unit that does not stop logs the command and goes on', () => {
    const guest = guestWith({ haltOnCommandError: false })
    guest.submit([0, 0, 0, 0], [0x8001, 0x1000_0000, 9, 0])
    expect([guest.event(0)[1], guest.read(REG.COMMAND_HEAD), guest.ram.read32(0x8000)]).toEqual([0x5000_0000, 0x20, 9])
  })

  it('a buffer outside of memory is COMMAND_HARDWARE_ERROR; a tail beyond it wraps', () => {
    const guest = guestWith()
    guest.write64(REG.COMMAND_BASE, 0x0800_0000, 0xf000_0000)
    guest.write(REG.COMMAND_TAIL, 0x1010)
    expect(guest.event(0)).toEqual([0, 0x6200_0000, 0xf000_0000, 0])
    expect(guest.read(REG.COMMAND_HEAD)).toBe(0)
  })
})

describe('device-TLBs', () => {
  it('requests and translated requests need IotlbSup and the entry’s I', () => {
    const guest = guestWith({ deviceIotlb: true })
    expect(guest.dma(DEVICE, 0, READ, 'translated')).toBe(0x18)
    expect(guest.dma(DEVICE, 0, READ, 'translation-request')).toBe(0x18)
    guest.device(DEVICE, guest.top | (4 << 9) | 3, IR | IW, DOMAIN, 1)
    guest.invalidateDevice(DEVICE)
    expect(guest.dma(DEVICE, 0x77_0000, READ, 'translated')).toBe(0)
    expect(guest.output).toBe(0x77_0000)
    expect(guest.dma(DEVICE, 0x1000, READ, 'translation-request')).toBe(0)
    expect([guest.output, guest.out.rights, guest.out.tag]).toEqual([0x80_1000, 3, -1])
    const logged = guest.logged
    expect(guest.dma(DEVICE, 0x77_0000, READ, 'translation-request')).toBe(0)
    expect([guest.out.rights, guest.logged]).toEqual([0, logged])
  })

  it('requests with a PASID are unsupported', () => {
    const guest = guestWith()
    expect(guest.unit.translate(DEVICE, 5, 'untranslated', 0, 0, 1, guest.out)).toBe(0x100)
  })
})
