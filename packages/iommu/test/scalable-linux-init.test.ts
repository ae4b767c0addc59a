import { vtdOptionsFor } from '@dmascope/iommu/vtd'
import { expect, it } from 'vitest'
import { A, allContexts, allIotlb, allPasids, D, P, pasidIotlbPage, RW, ScalableGuest, US } from './scalable-guest.ts'
import { QIE, REG, ROOT, SRTP, TE } from './vtd-guest.ts'

const DISK = 0x0010
/** 1f.2: in the upper context table of its bus. */
const AHCI = 0x00fa
const READ = 1
const WRITE = 2
const STATUS = 0x8000
const wait = (value: number): readonly number[] => [0x25, value, STATUS, 0]

it('the order in which Linux brings a unit up in scalable mode, with first-stage domains', () => {
  const guest = new ScalableGuest(vtdOptionsFor('11.1', { 'scalable-mode': 'on', fsts: 'on', intremap: 'off' }))

  // 1. CAP.FS1GP, and ECAP.SMTS and .FSTS: scalable mode with the first stage, and without the second.
  expect([guest.read(0x0c), guest.read(0x08)]).toEqual([0x81d2_008c, 0x222f_0606])
  expect([guest.read(0x14), guest.read(0x10)]).toEqual([0x0000_8800, 0x0000_0f42])

  // 2. Queued invalidation with descriptors of 256 bits: IQT 0, IQA with DW, GCMD.QIE.
  guest.write(REG.FSTS, guest.read(REG.FSTS))
  guest.enableQueue()
  expect(guest.read(REG.GSTS)).toBe(QIE)
  expect(guest.read(REG.IQA) & 0x800).toBe(0x800)

  // 3. The root table with TTM 01, SRTP; contexts, PASIDs and IOTLB invalidated globally.
  guest.write64(REG.RTADDR, 0, ROOT | (1 << 10))
  guest.command(SRTP)
  guest.submitWide(allContexts, allPasids, allIotlb, wait(1))
  expect(guest.ram.read32(STATUS)).toBe(1)
  expect(guest.read(REG.IQH)).toBe(4 * 32)

  // 4. The fault event, unmasked; translation on.
  guest.write(REG.FEDATA, 0x22)
  guest.write(REG.FEADDR, 0xfee0_1004)
  guest.write(REG.FECTL, 0)
  guest.command(TE)
  expect(guest.read(REG.GSTS)).toBe((TE | SRTP | QIE) >>> 0)

  // 5. A device without a context faults: here with the reason that QEMU gives, legacy mode's.
  expect(guest.dma(DISK, 0x1ffd_c000, READ)).toBe(0x01)
  expect(guest.messages).toEqual([{ hi: 0, lo: 0xfee0_1004, data: 0x22 }])
  expect([guest.read(0x22c), guest.read(0x228), guest.read(0x220)]).toEqual([0xc000_0001, DISK, 0x1ffd_c000])
  guest.write(0x22c, 0x8000_0000)

  // 6. A PASID directory of 512 entries (PDTS 2), a PASID table, and a context entry with RID_PASID 0, per device.
  const tables = [DISK, AHCI].map((requester) => {
    const directory = guest.page()
    const table = guest.page()
    guest.entry(directory, 0, 0, table | 1)
    guest.contextWords(requester, directory | (2 << 9) | 1)
    return table
  })
  expect(guest.ram.read32(ROOT) & 1).toBe(1)
  expect(guest.ram.read32(ROOT + 8) & 1).toBe(1)

  // 7. PASID 0: first-stage tables for the disk, pass-through with domain 1 for the controller.
  const disk = guest.page()
  guest.firstStage(tables[0]!, 0, disk, 2)
  guest.passThrough(tables[1]!, 0)
  expect(guest.dma(AHCI, 0x1ffd_c000, WRITE)).toBe(0)
  expect([guest.output, guest.out.route]).toEqual([0x1ffd_c000, 'bypass'])

  // 8. IOVAs top-down from 4 GiB. Linux sets A, and D of writable pages, itself.
  guest.mapFirst(disk, 0xffff_f000, 0x80_0000, P | RW | US | A | D)
  guest.mapFirst(disk, 0xffff_e000, 0x90_0000, P | US | A)
  expect(guest.dma(DISK, 0xffff_f800, WRITE)).toBe(0)
  expect([guest.output, guest.out.route]).toEqual([0x80_0800, 'translated'])
  expect(guest.dma(DISK, 0xffff_e800, READ)).toBe(0)
  expect(guest.dma(DISK, 0xffff_e800, WRITE)).toBe(0x85)

  // 9. Unmap: the entry is cleared, and its page in PASID 0 of the domain invalidated.
  guest.mapFirst(disk, 0xffff_f000, 0, 0)
  guest.submitWide(pasidIotlbPage(2, 0, 0xffff_f000), wait(2))
  expect(guest.ram.read32(STATUS)).toBe(2)
  expect(guest.dma(DISK, 0xffff_f800, READ)).toBe(0x71)
  expect(guest.dma(DISK, 0xffff_e000, READ)).toBe(0)
})
