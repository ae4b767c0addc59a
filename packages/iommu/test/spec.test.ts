import {
  CONTEXT_ENTRY,
  CONTEXT_ENTRY_HIGH,
  DEVICE_TLB_DESCRIPTOR,
  FAULT_REASONS,
  FIRST_STAGE_ENTRY_BITS,
  FRCD_HIGH,
  GCMD,
  GSTS,
  INTERRUPT_ENTRY_CACHE_DESCRIPTOR,
  INVALIDATION_DESCRIPTOR,
  IOTLB,
  IRTE,
  IRTE_HIGH,
  IRTE_LOW,
  isInterruptReason,
  PASID_CACHE_DESCRIPTOR,
  PASID_DEVICE_TLB_DESCRIPTOR,
  PASID_DIRECTORY_ENTRY,
  PASID_IOTLB_DESCRIPTOR,
  PASID_TABLE_ENTRY,
  PASID_TABLE_ENTRY_HIGH,
  PASID_TABLE_ENTRY_LOW,
  REMAPPABLE_ADDRESS,
  REMAPPABLE_RTE,
  ROOT_ENTRY,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_CONTEXT_ENTRY_HIGH,
  SCALABLE_CONTEXT_ENTRY_LOW,
  SCALABLE_FAULT_REASONS,
  SCALABLE_ROOT_ENTRY,
  VTD_REGISTERS,
  WIDE_INVALIDATION_DESCRIPTOR,
} from '@dmascope/iommu/vtd/spec'
import { describe, expect, it } from 'vitest'

describe('VT-d layouts, against the manual', () => {
  it('registers', () => {
    const offsets = Object.fromEntries(
      Object.values(VTD_REGISTERS.registers).map(({ name, offset, width }) => [name, [offset, width]]),
    )
    expect(offsets).toEqual({
      VER: [0x00, 32],
      CAP: [0x08, 64],
      ECAP: [0x10, 64],
      GCMD: [0x18, 32],
      GSTS: [0x1c, 32],
      RTADDR: [0x20, 64],
      CCMD: [0x28, 64],
      FSTS: [0x34, 32],
      FECTL: [0x38, 32],
      FEDATA: [0x3c, 32],
      FEADDR: [0x40, 32],
      FEUADDR: [0x44, 32],
      AFLOG: [0x58, 64],
      PMEN: [0x64, 32],
      PLMBASE: [0x68, 32],
      PLMLIMIT: [0x6c, 32],
      PHMBASE: [0x70, 64],
      PHMLIMIT: [0x78, 64],
      IQH: [0x80, 64],
      IQT: [0x88, 64],
      IQA: [0x90, 64],
      ICS: [0x9c, 32],
      IECTL: [0xa0, 32],
      IEDATA: [0xa4, 32],
      IEADDR: [0xa8, 32],
      IEUADDR: [0xac, 32],
      IQERCD: [0xb0, 64],
      IRTA: [0xb8, 64],
    })
  })

  it('command bits and their status stand in the same place', () => {
    const command = Object.values(GCMD.fields).map(({ low }) => low)
    const status = Object.values(GSTS.fields).map(({ low }) => low)
    expect(command).toEqual([31, 30, 29, 28, 27, 26, 25, 24, 23])
    expect(status).toEqual(command)
  })

  it('every entry and descriptor is 16 bytes', () => {
    const sizes = [ROOT_ENTRY, CONTEXT_ENTRY, IRTE, INVALIDATION_DESCRIPTOR].map(({ size }) => size)
    expect(sizes).toEqual([16, 16, 16, 16])
  })

  it('fields of some words, by value', () => {
    expect(CONTEXT_ENTRY_HIGH.fields.DID.get(0x0012_3402)).toBe(0x1234)
    expect(CONTEXT_ENTRY_HIGH.fields.AW.get(0x0012_3402)).toBe(2)
    expect(FRCD_HIGH.fields.FR.get(0, 0xc000_0006)).toBe(6)
    expect(FRCD_HIGH.fields.F.get(0, 0xc000_0006)).toBe(1)
    expect(FRCD_HIGH.fields.T1.get(0, 0xc000_0006)).toBe(1)
    expect(IOTLB.fields.IIRG.get(0, 0xb000_0007)).toBe(3)
    expect(IOTLB.fields.DID.get(0, 0xb000_0007)).toBe(7)
    expect(IRTE_LOW.fields.V.get(0x0031_0001, 0x100)).toBe(0x31)
    expect(IRTE_LOW.fields.DST.get(0x0031_0001, 0x100)).toBe(0x100)
    expect(IRTE_HIGH.fields.SVT.get(0x0004_0018)).toBe(1)
    expect(IRTE_HIGH.fields.SID.get(0x0004_0018)).toBe(0x18)
    expect(REMAPPABLE_ADDRESS.fields.HANDLE_14_0.get(0xfee0_00b8)).toBe(5)
    expect(REMAPPABLE_ADDRESS.fields.SHV.get(0xfee0_00b8)).toBe(1)
    expect(REMAPPABLE_RTE.fields.HANDLE_14_0.get(0x31, 0x000b_0000)).toBe(5)
    expect(REMAPPABLE_RTE.fields.FORMAT.get(0x31, 0x000b_0000)).toBe(1)
    expect(INTERRUPT_ENTRY_CACHE_DESCRIPTOR.fields.IIDX.get(0x14, 5)).toBe(5)
    expect(DEVICE_TLB_DESCRIPTOR.fields.SID.get(3, 0x18)).toBe(0x18)
  })

  it('fault reasons', () => {
    const values = Object.values(FAULT_REASONS).map(({ value }) => value)
    const dma = Array.from({ length: 14 }, (_, index) => index + 1)
    expect(values).toEqual([...dma, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26])
  })
})

describe('VT-d layouts of scalable mode, against the manual', () => {
  const placesOf = (layout: {
    readonly fields: Readonly<Record<string, { readonly low: number; readonly high: number }>>
  }): Record<string, readonly [number, number]> =>
    Object.fromEntries(Object.entries(layout.fields).map(([name, { high, low }]) => [name, [high, low]]))

  it('sizes of entries and descriptors', () => {
    expect(SCALABLE_ROOT_ENTRY.size).toBe(16)
    expect(SCALABLE_CONTEXT_ENTRY.size).toBe(32)
    expect(PASID_DIRECTORY_ENTRY.size).toBe(8)
    expect(PASID_TABLE_ENTRY.size).toBe(64)
    expect(WIDE_INVALIDATION_DESCRIPTOR.size).toBe(32)
  })

  it('context entry, PASID directory entry, PASID table entry', () => {
    expect(placesOf(SCALABLE_CONTEXT_ENTRY_LOW)).toEqual({
      PASIDDIRPTR: [63, 12],
      PDTS: [11, 9],
      PRE: [4, 4],
      PASIDE: [3, 3],
      DTE: [2, 2],
      FPD: [1, 1],
      P: [0, 0],
    })
    expect(placesOf(SCALABLE_CONTEXT_ENTRY_HIGH)).toEqual({ RID_PRIV: [20, 20], RID_PASID: [19, 0] })
    expect(placesOf(PASID_TABLE_ENTRY_LOW)).toEqual({
      SSPTPTR: [63, 12],
      SSADE: [9, 9],
      PGTT: [8, 6],
      AW: [4, 2],
      FPD: [1, 1],
      P: [0, 0],
    })
    expect(placesOf(PASID_TABLE_ENTRY_HIGH)).toMatchObject({
      FSPTPTR: [63, 12],
      FSPM: [3, 2],
      WPE: [4, 4],
      SRE: [0, 0],
    })
    expect(placesOf(FIRST_STAGE_ENTRY_BITS)).toMatchObject({
      P: [0, 0],
      R_W: [1, 1],
      U_S: [2, 2],
      A: [5, 5],
      D: [6, 6],
    })
  })

  it('descriptors', () => {
    expect(placesOf(PASID_CACHE_DESCRIPTOR)).toMatchObject({ PASID: [51, 32], DID: [31, 16], G: [5, 4] })
    expect(placesOf(PASID_IOTLB_DESCRIPTOR)).toMatchObject({ PASID: [51, 32], DID: [31, 16], G: [5, 4] })
    expect(placesOf(PASID_DEVICE_TLB_DESCRIPTOR)).toMatchObject({ PASID: [51, 32], SID: [31, 16], MIP: [8, 4] })
  })

  it('fault reasons of scalable mode are apart from those of legacy mode and of interrupts', () => {
    const values = Object.values(SCALABLE_FAULT_REASONS).map(({ value }) => value)
    expect(new Set(values).size).toBe(values.length)
    expect(Math.min(...values)).toBe(0x30)
    expect(values.filter(isInterruptReason)).toEqual([])
    expect([0x1f, 0x20, 0x26, 0x2f, 0x30].map(isInterruptReason)).toEqual([false, true, true, true, false])
  })
})
