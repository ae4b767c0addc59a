import {
  buildFacs,
  buildFadt,
  buildGtdt,
  buildHpet,
  buildMadt,
  buildMcfg,
  buildPptt,
  buildRsdt,
  buildViot,
  buildWaet,
  buildXsdt,
  type Fadt,
  type GenericAddress,
  parseTable,
  sdtHeader,
} from '../src/index.ts'
import { goldenTable } from './golden-table.ts'

export const header = sdtHeader(1)
const register = (address: number): GenericAddress => ({
  addressSpaceId: 1,
  registerBitWidth: 32,
  registerBitOffset: 0,
  accessSize: 3,
  address,
})

/** Every register at an address of its own. */
function fullFadt(): Uint8Array {
  const { problems: _, ...table } = parseTable(goldenTable('qemu-11.1-q35.facp.txt')) as Fadt
  const registers = 'PM1a_EVT_BLK PM1b_EVT_BLK PM1a_CNT_BLK PM1b_CNT_BLK PM2_CNT_BLK PM_TMR_BLK GPE0_BLK GPE1_BLK'
  const full: Record<string, unknown> = { ...table, header: sdtHeader(6) }
  for (const [index, name] of registers.split(' ').entries()) full[`X_${name}`] = register(0x600 + index * 0x10)
  return buildFadt({
    ...(full as unknown as Fadt),
    ARM_BOOT_ARCH: 3,
    FADT_Minor_Version: 5,
    SLEEP_CONTROL_REG: register(0x700),
    SLEEP_STATUS_REG: register(0x710),
    Hypervisor_Vendor_Identity: '4b564d4b564d4b56',
  })
}

/** A processor’s interface as ACPI 5.1 has it, of 76 bytes. */
export const GICC = {
  kind: 'gicc',
  cpuInterfaceNumber: 1,
  acpiProcessorUid: 2,
  flags: 1,
  parkingProtocolVersion: 0,
  performanceInterruptGsiv: 23,
  parkedAddress: 0,
  physicalBaseAddress: 0x8010000,
  gicv: 0x8040000,
  gich: 0x8030000,
  vgicMaintenanceInterrupt: 25,
  gicrBaseAddress: 0x80a0000,
  mpidr: 0x100,
} as const

/** Of which the second names the first. */
export const viotNodes = [
  { kind: 'virtio-iommu-pci', pciSegment: 0, pciBdf: 8 },
  {
    kind: 'pci-range',
    endpointStart: 0,
    pciSegmentStart: 0,
    pciSegmentEnd: 0,
    pciBdfStart: 0,
    pciBdfEnd: 0xff,
    outputNode: 0x30,
  },
] as const

/** Tables as they are built here, by signature. */
export const MADE: Readonly<Record<string, Uint8Array>> = {
  MCFG: buildMcfg({
    signature: 'MCFG',
    header,
    allocations: [
      { baseAddress: 0xb0000000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255 },
      { baseAddress: '0x8000000010000000', pciSegmentGroupNumber: 1, startBusNumber: 16, endBusNumber: 31 },
    ],
  }),
  HPET: buildHpet({
    signature: 'HPET',
    header,
    eventTimerBlockId: 0x8086a201,
    baseAddress: register(0xfed00000),
    hpetNumber: 1,
    mainCounterMinimumClockTick: 0x37ee,
    pageProtection: 1,
  }),
  WAET: buildWaet({ signature: 'WAET', header, emulatedDeviceFlags: 2 }),
  FACS: buildFacs({
    ...(parseTable(goldenTable('qemu-11.1-q35.facs.txt')) as Parameters<typeof buildFacs>[0]),
    flags: 3,
  }),
  RSDT: buildRsdt({ signature: 'RSDT', header, entries: [0x1000, 0x2000] }),
  XSDT: buildXsdt({ signature: 'XSDT', header, entries: [0x1000, '0xffffffff00001000'] }),
  FACP: fullFadt(),
  APIC: buildMadt({
    signature: 'APIC',
    header: sdtHeader(5),
    localInterruptControllerAddress: 0xfee00000,
    flags: 1,
    records: [
      { kind: 'local-apic', acpiProcessorUid: 1, apicId: 2, flags: 1 },
      { kind: 'io-apic', ioApicId: 3, ioApicAddress: 0xfec00000, globalSystemInterruptBase: 24 },
      { kind: 'interrupt-source-override', bus: 0, source: 9, globalSystemInterrupt: 10, flags: 0xd },
      { kind: 'nmi-source', flags: 5, globalSystemInterrupt: 1 },
      { kind: 'local-apic-nmi', acpiProcessorUid: 255, flags: 5, localApicLint: 1 },
      { kind: 'local-apic-address-override', localApicAddress: '0xfffffffffee00000' },
      { kind: 'local-x2apic', x2apicId: 256, flags: 1, acpiProcessorUid: 257 },
      { kind: 'local-x2apic-nmi', flags: 5, acpiProcessorUid: 0xffffffff, localX2apicLint: 1 },
      { ...GICC, processorPowerEfficiencyClass: 7, speOverflowInterrupt: 21 },
      { ...GICC },
      { kind: 'gicd', gicId: 0, physicalBaseAddress: 0x8000000, systemVectorBase: 0, gicVersion: 3 },
      { kind: 'gic-msi-frame', gicMsiFrameId: 1, physicalBaseAddress: 0x8020000, flags: 1, spiCount: 64, spiBase: 80 },
      { kind: 'gicr', discoveryRangeBaseAddress: 0x80a0000, discoveryRangeLength: 0xf60000 },
      { kind: 'gic-its', gicItsId: 1, physicalBaseAddress: 0x8080000 },
    ],
  }),
  GTDT: buildGtdt({
    signature: 'GTDT',
    header: sdtHeader(3),
    cntControlBasePhysicalAddress: 0x2a43_0000,
    secureEl1TimerGsiv: 29,
    secureEl1TimerFlags: 2,
    nonSecureEl1TimerGsiv: 30,
    nonSecureEl1TimerFlags: 7,
    virtualEl1TimerGsiv: 27,
    virtualEl1TimerFlags: 1,
    el2TimerGsiv: 26,
    el2TimerFlags: 4,
    cntReadBasePhysicalAddress: 0x2a80_0000,
    platformTimerCount: 2,
    platformTimerOffset: 104,
    virtualEl2TimerGsiv: 28,
    virtualEl2TimerFlags: 2,
    platformTimers: [
      {
        kind: 'gt-block',
        gtBlockPhysicalAddress: 0x2a81_0000,
        gtBlockTimerCount: 1,
        gtBlockTimerOffset: 20,
        timers: [
          {
            gtFrameNumber: 1,
            gtxPhysicalAddress: 0x2a83_0000,
            gtxEl0PhysicalAddress: '0xffffffffffffffff',
            gtxPhysicalTimerGsiv: 92,
            gtxPhysicalTimerFlags: 2,
            gtxVirtualTimerGsiv: 93,
            gtxVirtualTimerFlags: 1,
            gtxCommonFlags: 2,
          },
        ],
      },
      {
        kind: 'watchdog',
        refreshFramePhysicalAddress: 0x2a45_0000,
        watchdogControlFramePhysicalAddress: 0x2a44_0000,
        watchdogTimerGsiv: 91,
        watchdogTimerFlags: 1,
      },
    ],
  }),
  PPTT: buildPptt({
    signature: 'PPTT',
    header: sdtHeader(2),
    records: [
      { kind: 'processor', flags: 1, parent: 0, acpiProcessorId: 0, privateResources: [] },
      {
        kind: 'cache',
        flags: 0xff,
        nextLevelOfCache: 0,
        size: 0x8000,
        numberOfSets: 256,
        associativity: 2,
        attributes: 0xa,
        lineSize: 64,
      },
      { kind: 'processor', flags: 10, parent: 36, acpiProcessorId: 1, privateResources: [56] },
    ],
  }),
  VIOT: buildViot({ signature: 'VIOT', header, nodes: viotNodes.map((node) => ({ ...node })) }),
}
