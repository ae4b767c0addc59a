import { expect, test } from 'vitest'
import { SYSTEM_REGISTERS } from '../src/spec/index.ts'
import { createRig, DEVICES, EVENTS, INV, MAPC, MAPD, MAPTI, PENDING, PROPERTIES, QUEUE, SYNC } from './gic-v3-guest.ts'

test('Linux brings a GICv3 with an ITS up, and an MSI arrives', () => {
  const rig = createRig([0, 1])
  const { gic, its, space, command } = rig
  const { distributor, redistributors } = gic

  // 1. gic_validate_dist_version, gic_init_bases
  expect(distributor.read(0xffe8, 4) & 0xf0).toBe(0x30)
  const typer = distributor.read(4, 4)
  expect({ lines: (typer & 0x1f) + 1, lpis: (typer >>> 17) & 1, idBits: ((typer >>> 19) & 0x1f) + 1 }).toEqual({
    lines: 9,
    lpis: 1,
    idBits: 16,
  })
  // 2. gic_dist_init: all shared interrupts in group 1, at the default priority, off
  distributor.write(0, 4, 0)
  for (let intid = 32; intid < 288; intid += 32) {
    distributor.write(0x80 + intid / 8, 4, 0xffff_ffff)
    distributor.write(0x380 + intid / 8, 4, 0xffff_ffff)
    distributor.write(0x180 + intid / 8, 4, 0xffff_ffff)
  }
  for (let intid = 32; intid < 288; intid += 4) distributor.write(0x400 + intid, 4, 0xa0a0_a0a0)
  distributor.write(0, 4, 0x12)
  expect(distributor.read(0, 4)).toBe(0x52)
  distributor.write(0x6000 + 33 * 8, 4, 0)
  // 3. gic_populate_rdist: frames until the last, by affinity
  expect([redistributors.read(0xc, 4), redistributors.read(8, 4) & 0x10]).toEqual([0, 0])
  expect([redistributors.read(0x2_000c, 4), redistributors.read(0x2_0008, 4) & 0x10]).toEqual([1, 0x10])
  // 4. gic_enable_redist: its children wake up
  expect(redistributors.read(0x14, 4)).toBe(6)
  redistributors.write(0x14, 4, 4)
  expect(redistributors.read(0x14, 4)).toBe(0)
  // 5. gic_cpu_config, gic_cpu_sys_reg_init
  redistributors.write(0x1_0080, 4, 0xffff_ffff)
  expect(gic.readSystemRegister(SYSTEM_REGISTERS.ICC_SRE_EL1) & 1).toBe(1)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_PMR_EL1, 0xf0)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_IGRPEN1_EL1, 1)
  // 6. its_probe_one: quiescent, IDs of 16 bits, entries of 12 bytes
  expect(its.read(0, 4)).toBe(0x8000_0000)
  expect([its.read(8, 4), its.read(0xc, 4)]).toEqual([0x1 | (11 << 4) | (15 << 8) | (15 << 13), 0x1f])
  // 7. its_alloc_tables: devices behind two levels, collections behind one
  expect([(its.read(0x104, 4) >>> 24) & 7, (its.read(0x10c, 4) >>> 24) & 7, (its.read(0x114, 4) >>> 24) & 7]).toEqual([
    1, 4, 0,
  ])
  its.write(0x104, 4, 0xc000_0000)
  its.write(0x100, 4, DEVICES | (2 << 8))
  expect([its.read(0x104, 4), its.read(0x100, 4)]).toEqual([0xc107_0000, DEVICES | 0x200])
  its.write(0x10c, 4, 0x8000_0000)
  its.write(0x108, 4, (DEVICES + 0x2_0000) | (2 << 8))
  // 8. the command queue, and on
  its.write(0x84, 4, 0x8000_0000)
  its.write(0x80, 4, QUEUE | 15)
  its.write(0x88, 4, 0)
  its.write(0, 4, 1)
  // 9. its_cpu_init_lpis
  redistributors.write(0x70, 4, PROPERTIES | 15)
  redistributors.write(0x78, 4, PENDING)
  redistributors.write(0, 4, 1)
  expect(redistributors.read(0, 4)).toBe(1)
  // 10. its_cpu_init_collection
  command([MAPC, 0], [0, 0], [0, 0x8000_0000])
  command([SYNC, 0], [0, 0], [0, 0])
  command([0x0d, 0], [0, 0], [0, 0])
  expect(its.read(0x90, 4)).toBe(3 * 32)
  // 11. its_create_device for 00:02.0: a second-level page, and the device's own table
  space.write(DEVICES, 4, DEVICES + 0x1_0000)
  space.write(DEVICES + 4, 4, 0x8000_0000)
  command([MAPD, 0x10], [1, 0], [EVENTS, 0x8000_0000])
  // 12. its_irq_domain_activate, its_unmask_irq
  command([MAPTI, 0x10], [1, 8193], [0, 0])
  space.write(PROPERTIES + 1, 1, 0xa3)
  command([INV, 0x10], [1, 0], [0, 0])
  // 13. the device writes its event; the processor takes the LPI
  expect(its.translate(0x10, 1)).toBe('delivered')
  expect(gic.asserted).toBe(true)
  expect(rig.take()).toBe(8193)
  expect(rig.take()).toBe(1023)
  rig.end(8193)
  expect(gic.asserted).toBe(false)
  rig.ram.dispose()
})
