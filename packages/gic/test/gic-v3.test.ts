import { describe, expect, test } from 'vitest'
import { GicV3 } from '../src/index.ts'
import { SYSTEM_REGISTERS } from '../src/spec/index.ts'

const SPURIOUS = 1023

function ready(): GicV3 {
  const gic = new GicV3({ spis: 256, affinities: [0], readByte: null })
  gic.distributor.write(0, 4, 0x12)
  for (let intid = 32; intid < 288; intid += 32) gic.distributor.write(0x80 + intid / 8, 4, 0xffff_ffff)
  for (let intid = 32; intid < 288; intid += 4) gic.distributor.write(0x400 + intid, 4, 0xa0a0_a0a0)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_PMR_EL1, 0xf0)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_IGRPEN1_EL1, 1)
  return gic
}
const take = (gic: GicV3): number => gic.readSystemRegister(SYSTEM_REGISTERS.ICC_IAR1_EL1)
const end = (gic: GicV3, intid: number): void => gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_EOIR1_EL1, intid)

describe('without LPIs', () => {
  test('GICD_TYPER and GICR_TYPER say so, and GICR_CTLR.EnableLPIs stays 0', () => {
    const gic = ready()
    expect((gic.distributor.read(4, 4) >>> 17) & 1).toBe(0)
    expect(gic.redistributors.read(8, 4) & 1).toBe(0)
    gic.redistributors.write(0, 4, 1)
    expect(gic.redistributors.read(0, 4)).toBe(0)
  })
})

test('GICD_TYPER.ITLinesNumber may be told apart from what is wired', () => {
  const gic = new GicV3({ spis: 256, itLinesNumber: 7, affinities: [0], readByte: null })
  expect(gic.distributor.read(4, 4) & 0x1f).toBe(7)
})

test('the distributor’s registers of interrupts 0 to 31 read as zero: the redistributor has them', () => {
  const gic = ready()
  gic.distributor.write(0x100, 4, 0xffff_ffff)
  gic.distributor.write(0x400, 4, 0xffff_ffff)
  expect([gic.distributor.read(0x100, 4), gic.distributor.read(0x400, 4)]).toEqual([0, 0])
  gic.redistributors.write(0x1_0100, 4, 1 << 27)
  expect(gic.redistributors.read(0x1_0100, 4)).toBe((0xffff | (1 << 27)) >>> 0)
  gic.redistributors.write(0x1_0400 + 27, 1, 0xa4)
  // Five bits of priority.
  expect(gic.redistributors.read(0x1_0400 + 27, 1)).toBe(0xa0)
})

test('a level-triggered shared interrupt is taken, and again while its line is up', () => {
  const gic = ready()
  gic.distributor.write(0x104, 4, 1 << 3)
  gic.setSpi(3, true)
  expect(take(gic)).toBe(35)
  end(gic, 35)
  expect(take(gic)).toBe(35)
  gic.setSpi(3, false)
  end(gic, 35)
  expect(take(gic)).toBe(SPURIOUS)
})

test('ICC_IGRPEN1_EL1 and GICD_CTLR each hold all back', () => {
  const gic = ready()
  gic.distributor.write(0x104, 4, 1 << 3)
  gic.setSpi(3, true)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_IGRPEN1_EL1, 0)
  expect(gic.asserted).toBe(false)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_IGRPEN1_EL1, 1)
  gic.distributor.write(0, 4, 0)
  expect(gic.asserted).toBe(false)
  gic.distributor.write(0, 4, 2)
  expect(gic.asserted).toBe(true)
})

test('EOImode 1: an LPI-less interrupt stays active until ICC_DIR_EL1', () => {
  const gic = ready()
  gic.distributor.write(0x104, 4, 1 << 3)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_CTLR_EL1, 2)
  expect(gic.readSystemRegister(SYSTEM_REGISTERS.ICC_CTLR_EL1) & 2).toBe(2)
  gic.setSpi(3, true)
  expect(take(gic)).toBe(35)
  end(gic, 35)
  expect(take(gic)).toBe(SPURIOUS)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_DIR_EL1, 35)
  expect(take(gic)).toBe(35)
})

test('ICC_SGI1R_EL1 to oneself pends', () => {
  const gic = ready()
  gic.redistributors.write(0x1_0080, 4, 0xffff_ffff)
  gic.writeSystemRegister(SYSTEM_REGISTERS.ICC_SGI1R_EL1, (5 << 24) | 1)
  expect(take(gic)).toBe(5)
})

test('MPIDR_EL1 is the affinity, with bit 31', () => {
  expect(ready().readSystemRegister(SYSTEM_REGISTERS.MPIDR_EL1)).toBe(0x8000_0000)
})
