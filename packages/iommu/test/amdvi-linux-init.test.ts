import { amdviOptionsFor } from '@dmascope/iommu/amdvi'
import { expect, it } from 'vitest'
import {
  AmdViGuest,
  CMD_BUF_EN,
  COMMANDS,
  DEVICE_TABLE,
  EVENT_INT_EN,
  EVENT_LOG_EN,
  EVENTS,
  GA_EN,
  INTERRUPT_TABLE,
  IOMMU_EN,
  IR,
  IW,
  REG,
} from './amdvi-guest.ts'

const DISK = 0x0010
const NIC = 0x0018
const IOAPIC = 0x00a0
const READ = 1
const WRITE = 2
const SEMAPHORE = 0x8000

it('the order in which Linux brings a unit up, with interrupt remapping in the 128-bit format', () => {
  const guest = new AmdViGuest({ ...amdviOptionsFor('11.1', { 'dma-remap': 'on' }), haltOnCommandError: true })
  const wait = (value: number): readonly [number, number, number, number] => [SEMAPHORE | 1, 0x1000_0000, value, 0]
  let control = 0
  const set = (bits: number): void => {
    control |= bits
    guest.write(REG.CONTROL, control)
  }

  // 1. Map the registers; the extended features tell what there is.
  expect([guest.read(REG.EFR + 4), guest.read(REG.EFR)]).toEqual([0, 0x29d3])
  expect(guest.read(REG.CONTROL)).toBe(0)

  // 2. Every entry is valid and grants nothing, so that a device without a driver can do nothing.
  for (const requester of [DISK, NIC, IOAPIC]) guest.device(requester, 3)

  // 3. Control flags of the link, then the device table: all of 2 MiB.
  set(0x2 | (4 << 5) | (1 << 8) | (1 << 9) | (1 << 10))
  guest.write64(REG.DEVICE_TABLE, 0, DEVICE_TABLE | 0x1ff)

  // 4. Command buffer of 512 entries, event log of 512 entries; heads and tails 0. Neither runs while the unit is off.
  guest.write64(REG.COMMAND_BASE, 0x0900_0000, COMMANDS)
  guest.write(REG.COMMAND_HEAD, 0)
  guest.write(REG.COMMAND_TAIL, 0)
  set(CMD_BUF_EN)
  guest.write64(REG.EVENT_BASE, 0x0900_0000, EVENTS)
  guest.write(REG.EVENT_HEAD, 0)
  guest.write(REG.EVENT_TAIL, 0)
  set(EVENT_LOG_EN)
  expect(guest.read(REG.STATUS)).toBe(0)

  // 5. 128-bit interrupt entries, then the unit itself; both buffers run now.
  set(GA_EN)
  set(IOMMU_EN)
  expect(guest.read(REG.STATUS)).toBe(0x18)

  // 6. All caches go, and a completion is waited for.
  guest.submit([0, 0x8000_0000, 0, 0], wait(1))
  expect(guest.ram.read32(SEMAPHORE)).toBe(1)
  expect(guest.read(REG.COMMAND_HEAD)).toBe(0x20)

  // 7. The IOAPIC: an interrupt table of 512 entries, and pin 2 for the timer: fixed, logical, all CPUs, vector 0x30.
  guest.device(IOAPIC, 3, 0, 0, 0, INTERRUPT_TABLE | (9 << 1) | 1, 0x2000_0000)
  guest.invalidateDevice(IOAPIC)
  for (const [at, word] of [0xff41, 0, 0x30, 0].entries()) guest.ram.write32(INTERRUPT_TABLE + 2 * 16 + at * 4, word)
  guest.submit([IOAPIC, 0x5000_0000, 0, 0], wait(2))
  expect(guest.unit.remapInterrupt(IOAPIC, 0, 0xfee0_0000, 2, guest.msi)).toBe(0)
  expect(guest.msi).toEqual({ hi: 0, lo: 0xfeef_f004, data: 0x30, remapped: true })

  // 8. The event log's interrupt. A device whose driver is not up yet faults, and the handler is told.
  set(EVENT_INT_EN)
  expect(guest.dma(DISK, 0x1ffd_c000, READ)).not.toBe(0)
  expect(guest.messages).toEqual([0])
  expect(guest.read(REG.STATUS)).toBe(0x1a)

  // 9. The handler clears the interrupt, reads the event (present, no permission, read), and moves the head.
  guest.write(REG.STATUS, 0x2)
  expect(guest.event(0)).toEqual([DISK, 0x2050_0000, 0x1ffd_c000, 0])
  guest.write(REG.EVENT_HEAD, guest.read(REG.EVENT_TAIL))
  expect(guest.read(REG.STATUS)).toBe(0x18)

  // 10. Domains: tables of three levels, the entry, its invalidation, all pages of the domain, a completion.
  const disk = guest.page()
  const nic = guest.page()
  for (const [requester, top, domain] of [
    [DISK, disk, 1],
    [NIC, nic, 2],
  ] as const) {
    guest.device(requester, top | (3 << 9) | 3, IR | IW, domain)
    guest.invalidateDevice(requester)
    guest.submit([0, 0x3000_0000 | domain, 0xffff_f003, 0x7fff_ffff], wait(2 + domain))
    expect(guest.ram.read32(SEMAPHORE)).toBe(2 + domain)
  }

  // 11. IOVAs top-down from 4 GiB: a buffer for each device. NpCache asks for an invalidation here, too.
  guest.map(disk, 0xffff_f000, 0x80_0000, 3, 12, 3)
  guest.map(nic, 0xffff_f000, 0x90_0000, 2, 12, 3)
  guest.invalidatePages(0xffff_f000, 0, 1)
  expect(guest.dma(DISK, 0xffff_f800, READ)).toBe(0)
  expect(guest.output).toBe(0x80_0800)
  expect(guest.dma(NIC, 0xffff_f800, WRITE)).toBe(0)
  expect(guest.output).toBe(0x90_0800)
  expect(guest.dma(NIC, 0xffff_f800, READ)).toBe(0x12)

  // 12. Unmap: the entry is cleared and its page invalidated.
  guest.map(disk, 0xffff_f000, 0, 0, 12, 3)
  guest.invalidatePages(0xffff_f000, 0, 1)
  guest.submit(wait(5))
  expect(guest.ram.read32(SEMAPHORE)).toBe(5)
  expect(guest.dma(DISK, 0xffff_f800, READ)).toBe(0x02)
  expect(guest.dma(NIC, 0xffff_f000, WRITE)).toBe(0)
  expect(guest.unit.faultsSeen.every(({ recorded }) => recorded)).toBe(true)
})
