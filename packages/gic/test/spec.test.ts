import { expect, test } from 'vitest'
import {
  GICC,
  GICD,
  GICD_ARRAYS,
  GICR,
  GITS,
  GITS_TRANSLATER_OFFSET,
  ITS_COMMAND,
  ITS_COMMAND_CODE,
  SYSTEM_REGISTERS,
  V2M,
} from '../src/spec/index.ts'

const offsets = (file: { registers: Record<string, { offset: number }> }): Record<string, number> =>
  Object.fromEntries(Object.entries(file.registers).map(([name, { offset }]) => [name, offset]))

test('IHI 0048B, IHI 0069: registers stand where the manuals have them', () => {
  expect(offsets(GICD)).toEqual({ CTLR: 0, TYPER: 4, IIDR: 8, SGIR: 0xf00 })
  expect(Object.fromEntries(Object.entries(GICD_ARRAYS).map(([name, { offset }]) => [name, offset]))).toEqual({
    IGROUPR: 0x80,
    ISENABLER: 0x100,
    ICENABLER: 0x180,
    ISPENDR: 0x200,
    ICPENDR: 0x280,
    ISACTIVER: 0x300,
    ICACTIVER: 0x380,
    IPRIORITYR: 0x400,
    ITARGETSR: 0x800,
    ICFGR: 0xc00,
  })
  expect(offsets(GICC)).toEqual({
    CTLR: 0,
    PMR: 4,
    BPR: 8,
    IAR: 0xc,
    EOIR: 0x10,
    RPR: 0x14,
    HPPIR: 0x18,
    IIDR: 0xfc,
    DIR: 0x1000,
  })
  expect(offsets(V2M)).toEqual({ MSI_TYPER: 8, MSI_SETSPI_NS: 0x40, MSI_IIDR: 0xfcc })
  expect(offsets(GICR)).toEqual({ CTLR: 0, IIDR: 4, TYPER: 8, WAKER: 0x14, PROPBASER: 0x70, PENDBASER: 0x78 })
  const its = offsets(GITS)
  expect([its.CTLR, its.TYPER, its.CBASER, its.CWRITER, its.CREADR, its.BASER0, its.BASER7]).toEqual([
    0, 8, 0x80, 0x88, 0x90, 0x100, 0x138,
  ])
  expect(GITS_TRANSLATER_OFFSET).toBe(0x1_0040)
})

test('IHI 0069: commands are 32 bytes, and their codes are the manual’s', () => {
  expect(ITS_COMMAND.size).toBe(32)
  expect(ITS_COMMAND_CODE).toEqual({
    MOVI: 1,
    INT: 3,
    CLEAR: 4,
    SYNC: 5,
    MAPD: 8,
    MAPC: 9,
    MAPTI: 10,
    MAPI: 11,
    INV: 12,
    INVALL: 13,
    MOVALL: 14,
    DISCARD: 15,
  })
})

test('system registers are encoded as MRS has them', () => {
  // op0 3, op1 0, CRn 12, CRm 12, op2 0, as in `mrs x0, S3_0_C12_C12_0`.
  expect(SYSTEM_REGISTERS.ICC_IAR1_EL1).toBe(0b11_000_1100_1100_000)
  expect(SYSTEM_REGISTERS.ICC_PMR_EL1).toBe(0b11_000_0100_0110_000)
  expect(SYSTEM_REGISTERS.MPIDR_EL1).toBe(0b11_000_0000_0000_101)
})
