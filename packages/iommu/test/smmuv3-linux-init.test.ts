import { smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import { expect, it } from 'vitest'
import { PAGE_RW, REG, SmmuV3Guest } from './smmuv3-guest.ts'

const DISK = 0x0010
const BRIDGED = 0x0300
const READ = 1
const WRITE = 2
const DOORBELL = 0x809_0040

it('the order in which Linux 6.12 brings the SMMUv3 of QEMU 11.1 up', () => {
  const guest = new SmmuV3Guest(smmuv3OptionsFor('11.1'))
  const commands = guest.page(1 << 20)
  const events = guest.page(1 << 20)
  const streams = guest.page()
  let prod = 0
  const issue = (...list: readonly (readonly [number, number?, number?, number?])[]): void => {
    for (const [a, b = 0, c = 0, d = 0] of list) guest.words(commands + prod++ * 16, a, b, c, d)
    // CMD_SYNC with SIG_SEV, inner shareable, write-back.
    guest.words(commands + prod++ * 16, 0x0fc0_2046, 0, 0, 0)
    guest.write(REG.CMDQ_PROD, prod)
    expect(guest.read(REG.CMDQ_CONS)).toBe(prod)
  }

  // 1. IDR0, IDR1, IDR3, IDR5: two stages, two levels, ranges; 16 bits of StreamID; 44 bits out; all granules.
  expect([guest.read(REG.IDR0), guest.read(REG.IDR1)]).toEqual([0x0d44_101b, 0x0273_0010])
  expect([guest.read(REG.IDR3), guest.read(REG.IDR5)]).toEqual([0x1414, 0x74])

  // 2. CR0 is clear, and is cleared; CR1: inner shareable, write-back; CR2: PTM, RECINVSID.
  expect(guest.read(REG.CR0)).toBe(0)
  guest.write(REG.CR0, 0)
  expect(guest.read(REG.CR0ACK)).toBe(0)
  guest.write(REG.CR1, 0xd75)
  guest.write(REG.CR2, 6)

  // 3. The stream table: two levels, split at 8, 16 bits; no second level yet.
  guest.write64(REG.STRTAB_BASE, 0x4000_0000, streams)
  guest.write(REG.STRTAB_BASE_CFG, (1 << 16) | (8 << 6) | 16)

  // 4. The command queue: 65536 entries; on. CFGI_ALL and TLBI_NSNH_ALL, each with a sync.
  guest.write64(REG.CMDQ_BASE, 0x4000_0000, commands | 16)
  guest.write(REG.CMDQ_PROD, 0)
  guest.write(REG.CMDQ_CONS, 0)
  guest.write(REG.CR0, 8)
  expect(guest.read(REG.CR0ACK)).toBe(8)
  issue([0x04, 0, 31])
  issue([0x30])

  // 5. The event queue: 32768 entries; on.
  guest.write64(REG.EVENTQ_BASE, 0x4000_0000, events | 15)
  guest.write(REG.EVENTQ_PROD, 0)
  guest.write(REG.EVENTQ_CONS, 0)
  guest.write(REG.CR0, 0xc)
  expect(guest.read(REG.CR0ACK)).toBe(0xc)

  // 6. Interrupts off, then the event queue's and the global errors'.
  guest.write(REG.IRQ_CTRL, 0)
  expect(guest.read(REG.IRQ_CTRLACK)).toBe(0)
  guest.write(REG.IRQ_CTRL, 5)
  expect(guest.read(REG.IRQ_CTRLACK)).toBe(5)

  // 7. Firmware's DMA passes to the last; then SMMUEN. Streams that nobody has announced are out of range.
  expect(guest.dma(DISK, 0x4000_0000, READ)).toBe(0)
  guest.write(REG.CR0, 0xd)
  expect(guest.read(REG.CR0ACK)).toBe(0xd)
  expect(guest.dma(DISK, 0x4000_0000, READ)).toBe(0x02)
  expect(guest.interrupts).toEqual(['eventq'])
  expect([guest.word(events), guest.word(events + 4)]).toEqual([0x02, DISK])
  guest.write(REG.EVENTQ_CONS, 1)

  // 8. A device is announced: its bus gets a second level of 256 entries that abort.
  const entries = guest.page(16384)
  for (let entry = 0; entry < 256; entry++) guest.words(entries + entry * 64, 1, 0, 0, 0x1000, 0, 0)
  guest.words(streams, entries | 9, 0)
  expect(guest.dma(DISK, 0x4000_0000, READ)).toBe(0x80)

  // 9. Attach: the context descriptor (ASID 1, 48 bits in, 44 out), then the entry but for its first words, CFGI_STE,
  //    these words, CFGI_STE, and a prefetch hint.
  const top = guest.page()
  const descriptor = guest.page()
  guest.words(descriptor, 0xc000_3510, 0xe204 | (1 << 16), top, 0, 0, 0, 0x00ff_4404 | 0, 0)
  guest.words(entries + DISK * 64 + 8, 0xed | 1, 0, 0, 0)
  issue([0x03, DISK, 1])
  guest.words(entries + DISK * 64, descriptor | 0xb, 0)
  issue([0x03, DISK, 1])
  guest.words(commands + prod++ * 16, 0x01, DISK, 0, 0)
  guest.write(REG.CMDQ_PROD, prod)

  // 10. IOVAs top-down from 4 GiB: first the page of the MSI doorbell, then a buffer.
  guest.map(top, 0xffff_f000, DOORBELL & -4096, PAGE_RW)
  guest.map(top, 0xffff_e000, 0x80_0000, PAGE_RW)
  const message = { hi: 0, lo: 0, data: 0, remapped: false }
  expect(guest.unit.remapInterrupt(DISK, 0, 0xffff_f040, 0, message)).toBe(0)
  expect(message.lo).toBe(DOORBELL)
  expect(guest.dma(DISK, 0xffff_e800, WRITE)).toBe(0)
  expect(guest.output).toBe(0x80_0800)

  // 11. Unmap, strict: a range of one page, Leaf, level 3, and a sync.
  guest.map(top, 0xffff_e000, 0, 0)
  issue([0x12, 1 << 16, 0xffff_e000 | (1 << 10) | (3 << 8) | 1])
  expect(guest.dma(DISK, 0xffff_e800, WRITE)).toBe(0x10)
  expect(guest.dma(DISK, 0xffff_fff0, WRITE)).toBe(0)

  // 12. A function whose stream belongs to another has no entry of its own: the doorbell is unmapped for it.
  guest.words(streams + 3 * 8, entries | 9, 0)
  guest.words(entries, descriptor | 0xb, 0)
  issue([0x03, BRIDGED, 1])
  expect(guest.unit.remapInterrupt(BRIDGED, 0, DOORBELL, 1, message)).toBe(0x10)
  expect([guest.word(events + 2 * 32), guest.word(events + 2 * 32 + 16)]).toEqual([0x10, DOORBELL])
})
