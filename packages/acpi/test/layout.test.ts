import type { Struct } from '@dmascope/layout'
import { expect, test } from 'vitest'
import * as dmar from '../src/spec/dmar.ts'
import { FACS, FADT } from '../src/spec/fadt.ts'
import * as gtdt from '../src/spec/gtdt.ts'
import { DESCRIPTION_HEADER, GENERIC_ADDRESS_STRUCTURE, RSDP, RSDP_1_0 } from '../src/spec/header.ts'
import * as iort from '../src/spec/iort.ts'
import * as ivrs from '../src/spec/ivrs.ts'
import * as loader from '../src/spec/loader.ts'
import * as madt from '../src/spec/madt.ts'
import * as pptt from '../src/spec/pptt.ts'
import * as ports from '../src/spec/serial-ports.ts'
import { HPET, MCFG, MCFG_ALLOCATION, WAET } from '../src/spec/small-tables.ts'
import * as viot from '../src/spec/viot.ts'

const offsets = (of: Struct<object>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(of.fields as Record<string, { offset: number }>).map(([name, { offset }]) => [name, offset]),
  )

test('the header of system description tables has 36 bytes', () => {
  expect(DESCRIPTION_HEADER.size).toBe(36)
  expect(offsets(DESCRIPTION_HEADER)).toEqual({
    signature: 0,
    length: 4,
    revision: 8,
    checksum: 9,
    oemId: 10,
    oemTableId: 16,
    oemRevision: 24,
    creatorId: 28,
    creatorRevision: 32,
  })
})

test('the RSDP has 20 bytes in ACPI 1.0 and 36 since 2.0', () => {
  expect([RSDP_1_0.size, RSDP.size]).toEqual([20, 36])
  expect(offsets(RSDP)).toMatchObject({
    revision: 15,
    rsdtAddress: 16,
    length: 20,
    xsdtAddress: 24,
    extendedChecksum: 32,
  })
})

test('the FADT, offsets from the start of the table', () => {
  const at = Object.fromEntries(Object.entries(offsets(FADT)).map(([name, offset]) => [name, offset + 36]))
  expect(at).toMatchObject({
    FIRMWARE_CTRL: 36,
    DSDT: 40,
    Preferred_PM_Profile: 45,
    SCI_INT: 46,
    SMI_CMD: 48,
    PM1a_EVT_BLK: 56,
    PM_TMR_BLK: 76,
    GPE0_BLK: 80,
    PM1_EVT_LEN: 88,
    P_LVL2_LAT: 96,
    CENTURY: 108,
    IAPC_BOOT_ARCH: 109,
    Flags: 112,
    RESET_REG: 116,
    RESET_VALUE: 128,
    ARM_BOOT_ARCH: 129,
    X_FIRMWARE_CTRL: 132,
    X_DSDT: 140,
    X_PM1a_EVT_BLK: 148,
    X_GPE1_BLK: 232,
    SLEEP_CONTROL_REG: 244,
    SLEEP_STATUS_REG: 256,
    Hypervisor_Vendor_Identity: 268,
  })
  expect(FADT.size + 36).toBe(276)
  expect(FACS.size).toBe(64)
  expect(GENERIC_ADDRESS_STRUCTURE.size).toBe(12)
})

test('interrupt controller structures have the lengths that ACPI 6.5 gives', () => {
  expect({
    localApic: madt.MADT_LOCAL_APIC.size,
    ioApic: madt.MADT_IO_APIC.size,
    override: madt.MADT_INTERRUPT_SOURCE_OVERRIDE.size,
    nmiSource: madt.MADT_NMI_SOURCE.size,
    localApicNmi: madt.MADT_LOCAL_APIC_NMI.size,
    addressOverride: madt.MADT_LOCAL_APIC_ADDRESS_OVERRIDE.size,
    x2apic: madt.MADT_LOCAL_X2APIC.size,
    x2apicNmi: madt.MADT_LOCAL_X2APIC_NMI.size,
    gicc: madt.MADT_GICC.size,
    gicd: madt.MADT_GICD.size,
    msiFrame: madt.MADT_GIC_MSI_FRAME.size,
    gicr: madt.MADT_GICR.size,
    its: madt.MADT_GIC_ITS.size,
  }).toEqual({
    localApic: 8,
    ioApic: 12,
    override: 10,
    nmiSource: 8,
    localApicNmi: 6,
    addressOverride: 12,
    x2apic: 16,
    x2apicNmi: 12,
    gicc: 82,
    gicd: 24,
    msiFrame: 24,
    gicr: 16,
    its: 20,
  })
})

test('MCFG, HPET, WAET', () => {
  expect([MCFG.size, MCFG_ALLOCATION.size, HPET.size + 36, WAET.size + 36]).toEqual([8, 16, 56, 40])
  expect(offsets(MCFG_ALLOCATION)).toEqual({
    baseAddress: 0,
    pciSegmentGroupNumber: 8,
    startBusNumber: 10,
    endBusNumber: 11,
    reserved: 12,
  })
})

test('remapping structures have the fixed parts that VT-d 4.1 gives', () => {
  expect(dmar.DMAR.size + 36).toBe(48)
  expect([dmar.DRHD, dmar.RMRR, dmar.ATSR, dmar.RHSA, dmar.ANDD, dmar.SATC, dmar.SIDP].map(({ size }) => size)).toEqual(
    [16, 24, 8, 20, 8, 8, 8],
  )
  expect(offsets(dmar.DRHD)).toEqual({
    type: 0,
    length: 2,
    flags: 4,
    size: 5,
    segmentNumber: 6,
    registerBaseAddress: 8,
  })
  expect(offsets(dmar.RMRR)).toMatchObject({
    segmentNumber: 6,
    reservedMemoryRegionBaseAddress: 8,
    reservedMemoryRegionLimitAddress: 16,
  })
  expect(offsets(dmar.RHSA)).toMatchObject({ registerBaseAddress: 8, proximityDomain: 16 })
  expect(offsets(dmar.ANDD)).toMatchObject({ acpiDeviceNumber: 7 })
  expect(offsets(dmar.DEVICE_SCOPE)).toEqual({
    type: 0,
    length: 1,
    flags: 2,
    reserved: 3,
    enumerationId: 4,
    startBusNumber: 5,
  })
})

test('table loader commands, offsets in their 128 bytes', () => {
  expect(offsets(loader.LOADER_ALLOCATE)).toEqual({ command: 0, file: 4, align: 60, zone: 64 })
  expect(offsets(loader.LOADER_ADD_POINTER)).toEqual({ command: 0, dest_file: 4, src_file: 60, offset: 116, size: 120 })
  expect(offsets(loader.LOADER_ADD_CHECKSUM)).toEqual({ command: 0, file: 4, offset: 60, start: 64, length: 68 })
  expect(offsets(loader.LOADER_WRITE_POINTER)).toMatchObject({
    dest_file: 4,
    src_file: 60,
    dst_offset: 116,
    src_offset: 120,
    size: 124,
  })
})

test('IVRS blocks: an IVHD has 24 bytes before its entries in type 10h and 40 in 11h and 40h, an IVMD 32 in all', () => {
  expect(ivrs.IVRS.size + 36).toBe(48)
  expect([ivrs.IVHD_10H, ivrs.IVHD_11H, ivrs.IVHD_40H, ivrs.IVMD].map(({ size }) => size)).toEqual([24, 40, 40, 32])
  expect(offsets(ivrs.IVHD_10H)).toEqual({
    type: 0,
    flags: 1,
    length: 2,
    deviceId: 4,
    capabilityOffset: 6,
    iommuBaseAddress: 8,
    pciSegmentGroup: 16,
    iommuInfo: 18,
    iommuFeatureReporting: 20,
  })
  expect(offsets(ivrs.IVHD_11H)).toMatchObject({ iommuAttributes: 20, efrRegisterImage: 24, efr2RegisterImage: 32 })
  expect(offsets(ivrs.IVHD_40H)).toEqual(offsets(ivrs.IVHD_11H))
  expect(offsets(ivrs.IVMD)).toEqual({
    type: 0,
    flags: 1,
    length: 2,
    deviceId: 4,
    auxiliaryData: 6,
    pciSegmentGroup: 8,
    reserved: 10,
    startAddress: 16,
    memoryBlockLength: 24,
  })
})

test('IVHD device entries of types below 64 have 4 bytes, those below 128 have 8, ACPI devices 22 and their UID', () => {
  expect([ivrs.IVHD_DEVICE_ENTRY.size, ivrs.IVHD_PAD_4.size]).toEqual([4, 4])
  expect(
    [ivrs.IVHD_ALIAS_ENTRY, ivrs.IVHD_EXTENDED_ENTRY, ivrs.IVHD_SPECIAL_ENTRY, ivrs.IVHD_PAD_8].map(({ size }) => size),
  ).toEqual([8, 8, 8, 8])
  expect(ivrs.IVHD_ACPI_HID_ENTRY.size).toBe(22)
  expect(offsets(ivrs.IVHD_ALIAS_ENTRY)).toMatchObject({ deviceId: 1, dteSetting: 3, sourceDeviceId: 5 })
  expect(offsets(ivrs.IVHD_EXTENDED_ENTRY)).toMatchObject({ deviceId: 1, dteSetting: 3, extendedDteSetting: 4 })
  expect(offsets(ivrs.IVHD_SPECIAL_ENTRY)).toMatchObject({ dteSetting: 3, handle: 4, sourceDeviceId: 5, variety: 7 })
  expect(offsets(ivrs.IVHD_ACPI_HID_ENTRY)).toEqual({
    type: 0,
    deviceId: 1,
    dteSetting: 3,
    hardwareId: 4,
    compatibleId: 12,
    uidFormat: 20,
    uidLength: 21,
  })
})

test('IORT nodes start with 16 bytes in common', () => {
  expect(iort.IORT.size + 36).toBe(48)
  const nodes = {
    itsGroup: iort.IORT_ITS_GROUP,
    namedComponent: iort.IORT_NAMED_COMPONENT,
    rootComplex: iort.IORT_ROOT_COMPLEX,
    smmu: iort.IORT_SMMU,
    smmuv3: iort.IORT_SMMUV3,
    pmcg: iort.IORT_PMCG,
    rmr: iort.IORT_RMR,
    iwb: iort.IORT_IWB,
  }
  expect(Object.fromEntries(Object.entries(nodes).map(([name, { size }]) => [name, size]))).toEqual({
    itsGroup: 20,
    namedComponent: 29,
    rootComplex: 40,
    smmu: 60,
    smmuv3: 68,
    pmcg: 40,
    rmr: 28,
    iwb: 26,
  })
  for (const one of Object.values(nodes)) {
    expect(offsets(one), one.name).toMatchObject({
      type: 0,
      length: 1,
      revision: 3,
      identifier: 4,
      numberOfIdMappings: 8,
      referenceToIdArray: 12,
    })
  }
  expect(offsets(iort.IORT_NAMED_COMPONENT)).toMatchObject({ nodeFlags: 16, memoryAccessProperties: 20 })
  expect(offsets(iort.IORT_ROOT_COMPLEX)).toMatchObject({
    memoryAccessProperties: 16,
    atsAttribute: 24,
    pciSegmentNumber: 28,
    memoryAddressSizeLimit: 32,
    pasidCapabilities: 33,
    flags: 36,
  })
  expect(offsets(iort.IORT_SMMU)).toMatchObject({
    baseAddress: 16,
    span: 24,
    model: 32,
    flags: 36,
    referenceToGlobalInterruptArray: 40,
    numberOfContextInterrupts: 44,
    referenceToContextInterruptArray: 48,
    numberOfPmuInterrupts: 52,
    referenceToPmuInterruptArray: 56,
  })
  expect(offsets(iort.IORT_SMMUV3)).toMatchObject({
    baseAddress: 16,
    flags: 24,
    vatosAddress: 32,
    model: 40,
    eventGsiv: 44,
    syncGsiv: 56,
    proximityDomain: 60,
    deviceIdMappingIndex: 64,
  })
  expect(offsets(iort.IORT_PMCG)).toMatchObject({
    page0BaseAddress: 16,
    overflowInterruptGsiv: 24,
    nodeReference: 28,
    page1BaseAddress: 32,
  })
  expect(offsets(iort.IORT_RMR)).toMatchObject({
    flags: 16,
    numberOfMemoryRangeDescriptors: 20,
    referenceToMemoryRangeDescriptors: 24,
  })
  expect([iort.IORT_ID_MAPPING.size, iort.IORT_MEMORY_RANGE_DESCRIPTOR.size]).toEqual([20, 20])
  expect([iort.IORT_SMMU_GLOBAL_INTERRUPTS.size, iort.IORT_SMMU_INTERRUPT.size]).toEqual([16, 8])
  expect(offsets(iort.IORT_ID_MAPPING)).toEqual({
    inputBase: 0,
    numberOfIds: 4,
    outputBase: 8,
    outputReference: 12,
    flags: 16,
  })
})

test('timers, processors and serial ports have the lengths and places that ACPI 6.5 gives', () => {
  expect(gtdt.GTDT.size + 36).toBe(104)
  expect(offsets(gtdt.GTDT)).toMatchObject({
    cntControlBasePhysicalAddress: 0,
    secureEl1TimerGsiv: 12,
    nonSecureEl1TimerFlags: 24,
    el2TimerGsiv: 36,
    cntReadBasePhysicalAddress: 44,
    platformTimerCount: 52,
    virtualEl2TimerGsiv: 60,
  })
  expect([gtdt.GTDT_GT_BLOCK.size, gtdt.GTDT_GT_BLOCK_TIMER.size, gtdt.GTDT_ARM_GENERIC_WATCHDOG.size]).toEqual([
    20, 40, 28,
  ])
  expect([pptt.PPTT_PROCESSOR.size, pptt.PPTT_CACHE.size]).toEqual([20, 28])
  expect(offsets(pptt.PPTT_CACHE)).toMatchObject({ nextLevelOfCache: 8, associativity: 20, lineSize: 22, cacheId: 24 })
  expect(ports.SPCR.size + 36).toBe(88)
  expect(offsets(ports.SPCR)).toMatchObject({
    baseAddress: 4,
    globalSystemInterrupt: 18,
    pciDeviceId: 28,
    pciFlags: 35,
    pciSegment: 39,
    uartClockFrequency: 40,
    namespaceStringOffset: 50,
  })
  expect([ports.DBG2.size, ports.DBG2_DEVICE.size]).toEqual([8, 22])
  expect(offsets(ports.DBG2_DEVICE)).toMatchObject({ length: 1, portType: 12, baseAddressRegisterOffset: 18 })
})

test('VIOT nodes have the lengths that ACPI 6.5 gives', () => {
  expect(viot.VIOT.size + 36).toBe(48)
  expect(offsets(viot.VIOT)).toEqual({ nodeCount: 0, nodeOffset: 2, reserved: 4 })
  expect(
    [viot.VIOT_PCI_RANGE, viot.VIOT_MMIO, viot.VIOT_VIRTIO_IOMMU_PCI, viot.VIOT_VIRTIO_IOMMU_MMIO].map(
      ({ size }) => size,
    ),
  ).toEqual([24, 24, 16, 16])
  expect(offsets(viot.VIOT_PCI_RANGE)).toMatchObject({
    length: 2,
    endpointStart: 4,
    pciSegmentStart: 8,
    pciSegmentEnd: 10,
    pciBdfStart: 12,
    pciBdfEnd: 14,
    outputNode: 16,
  })
  expect(offsets(viot.VIOT_MMIO)).toMatchObject({ endpointId: 4, baseAddress: 8, outputNode: 16 })
  expect(offsets(viot.VIOT_VIRTIO_IOMMU_PCI)).toMatchObject({ pciSegment: 4, pciBdf: 6 })
  expect(offsets(viot.VIOT_VIRTIO_IOMMU_MMIO)).toMatchObject({ baseAddress: 8 })
})
