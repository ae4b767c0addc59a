import { vtdOptionsFor } from '@dmascope/iommu/vtd'
import { expect, it } from 'vitest'
import { IRE, IRT, QIE, REG, ROOT, SIRTP, SRTP, TE, VtdGuest } from './vtd-guest.ts'

const DISK = 0x0010
const NIC = 0x0018
const READ = 1
const WRITE = 2

it('the order in which Linux brings a unit up, with interrupt remapping', () => {
  const guest = new VtdGuest(vtdOptionsFor('11.1', { intremap: 'on' }))
  const status = 0x8000

  // 1. Map the registers; version, CAP and ECAP tell what there is.
  expect(guest.read(0x00)).toBe(0x10)
  expect([guest.read(0x0c), guest.read(0x08)]).toEqual([0x80d2_008c, 0x222f_0606])
  expect([guest.read(0x14), guest.read(0x10)]).toEqual([0, 0x00f0_0f4a])

  // 2. Clear stale faults, then queued invalidation: IQT 0, IQA, GCMD.QIE, wait for QIES.
  guest.write(REG.FSTS, guest.read(REG.FSTS))
  guest.enableQueue()
  expect(guest.read(REG.GSTS)).toBe(QIE)

  // 3. Interrupt remapping: IRTA, SIRTP, global invalidation of the interrupt entry cache, then IRE.
  guest.write64(REG.IRTA, 0, IRT | 0xf)
  guest.command(SIRTP)
  expect(guest.read(REG.GSTS) & SIRTP).toBe(SIRTP)
  guest.submit([0x4, 0, 0, 0], [0x25, 1, status, 0])
  expect(guest.ram.read32(status)).toBe(1)
  guest.command(IRE)
  expect(guest.read(REG.GSTS)).toBe(QIE | IRE | SIRTP)

  // 4. The IOAPIC's pin 2, for the timer, by an entry that only the IOAPIC may use.
  for (const [at, word] of [0x0030_000d, 0x0100, 0x0004_ff00, 0].entries()) guest.ram.write32(IRT + at * 4, word)
  guest.submit([0x14, 0, 0, 0], [0x25, 2, status, 0])
  expect(guest.unit.remapInterrupt(0xff00, 0, 0xfee0_0010, 0x30, guest.msi)).toBe(0)
  expect(guest.msi).toEqual({ hi: 0, lo: 0xfee0_100c, data: 0x30, remapped: true })

  // 5. DMA remapping: the root table, SRTP, contexts and IOTLB invalidated globally.
  guest.write64(REG.RTADDR, 0, ROOT)
  guest.command(SRTP)
  guest.submit([0x11, 0, 0, 0], [0x12 | 0xc0, 0, 0, 0], [0x25, 3, status, 0])
  expect(guest.ram.read32(status)).toBe(3)

  // 6. The fault event: data and address, then unmasked.
  guest.write(REG.FEDATA, 0x22)
  guest.write(REG.FEADDR, 0xfee0_1004)
  guest.write(REG.FECTL, 0)

  // 7. Translation on. A device whose driver is not up yet faults, and the handler is told.
  guest.command(TE)
  expect(guest.read(REG.GSTS)).toBe((TE | SRTP | QIE | IRE | SIRTP) >>> 0)
  expect(guest.dma(DISK, 0x1ffd_c000, READ)).toBe(0x01)
  expect(guest.messages).toEqual([{ hi: 0, lo: 0xfee0_1004, data: 0x22 }])

  // 8. The handler reads FSTS and the record, clears F, then FSTS.
  expect(guest.read(REG.FSTS)).toBe(0x2)
  expect([guest.read(0x22c), guest.read(0x228), guest.read(0x220)]).toEqual([0xc000_0001, DISK, 0x1ffd_c000])
  guest.write(0x22c, 0x8000_0000)
  guest.write(REG.FSTS, 0x7d)
  expect(guest.read(REG.FSTS)).toBe(0)

  // 9. Domains: context entries are written; without caching mode no invalidation is needed.
  const disk = guest.page()
  const nic = guest.page()
  guest.context(DISK, disk | 1, 2 | (1 << 8))
  guest.context(NIC, nic | 1, 2 | (2 << 8))

  // 10. IOVAs top-down from 4 GiB: a buffer for each device.
  guest.map(disk, 0xffff_f000, 0x80_0000, 3)
  guest.map(nic, 0xffff_f000, 0x90_0000, 2)
  expect(guest.dma(DISK, 0xffff_f800, READ)).toBe(0)
  expect(guest.output).toBe(0x80_0800)
  expect(guest.dma(NIC, 0xffff_f800, WRITE)).toBe(0)
  expect(guest.output).toBe(0x90_0800)
  expect(guest.dma(NIC, 0xffff_f800, READ)).toBe(0x06)

  // 11. Unmap: the entry is cleared and its page invalidated, with the hint that only a leaf changed.
  guest.map(disk, 0xffff_f000, 0, 0)
  guest.submit([0x32 | (1 << 16), 0, 0xffff_f040, 0], [0x25, 4, status, 0])
  expect(guest.ram.read32(status)).toBe(4)
  expect(guest.dma(DISK, 0xffff_f800, READ)).toBe(0x06)
  expect(guest.dma(NIC, 0xffff_f000, WRITE)).toBe(0)
})
