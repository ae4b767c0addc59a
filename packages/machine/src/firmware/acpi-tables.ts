import {
  buildFacs,
  buildFadt,
  buildHpet,
  buildMadt,
  buildMcfg,
  buildWaet,
  type Fadt,
  type GenericAddress,
  ioAddress,
  type MadtRecord,
  type RootFunction,
} from '@dmascope/acpi'
import type { PciBus } from '@dmascope/pci'
import type { PcName, ProcessorTopology, QemuVersion } from '../description.ts'
import { IOAPIC_BASE, IOAPIC_ID } from '../interrupts/ioapic.ts'
import type { SegmentPlace } from '../segments/segment-map.ts'
import { qemuHeader } from './qemu-header.ts'

/** What the tables of a PC machine say: plain data, drawn from the machine as it was built. */
export interface PlatformFacts {
  readonly machine: PcName
  readonly qemuVersion: QemuVersion
  readonly cpus: number
  /** Processors with all that may be plugged in later. */
  readonly maxCpus: number
  /** Numbers of processors at each level; null: cores of one socket. */
  readonly topology: ProcessorTopology | null
  readonly hpet: boolean
  /** The chipset can raise system management interrupts. */
  readonly smm: boolean
  /** The keyboard controller of old. */
  readonly i8042: boolean
  /** Base of the ECAM, where the machine has one. */
  readonly ecamBase: number | null
  /** Builds the table that tells of the IOMMU, as it is when called; null where there is none, or none is to be told. */
  readonly iommuTable: (() => Uint8Array) | null
  /** Root buses besides bus 0, in the order in which the DSDT names them. Live: tables tell of them as they are. */
  readonly expanders: readonly PciBus[]
  /** Host bridges of segments beside segment 0. */
  readonly segments: readonly SegmentPlace[]
  /** Root ports on bus 0 that firmware calls external-facing. */
  readonly externalPorts: readonly RootFunction[]
}

const NO_ADDRESS: GenericAddress = {
  addressSpaceId: 0,
  registerBitWidth: 0,
  registerBitOffset: 0,
  accessSize: 0,
  address: 0,
}

/** A table that says the same of every machine: made when it is first asked for, and written to by nobody. */
function sameForAll(make: () => Uint8Array): () => Uint8Array {
  let made: Uint8Array | null = null
  return () => {
    made ??= make()
    return made
  }
}

export const facs = sameForAll(() =>
  buildFacs({
    signature: 'FACS',
    hardwareSignature: 0,
    firmwareWakingVector: 0,
    globalLock: 0,
    flags: 0,
    xFirmwareWakingVector: 0,
    version: 0,
    ospmFlags: 0,
  }),
)

/** Local APICs' flat addressing reaches eight processors. */
const MOST_FLAT_CPUS = 8
const FORCE_APIC_CLUSTER_MODEL = 1 << 18

/** Pointers to FACS and DSDT are left 0 for the loader. */
export function fadt(facts: PlatformFacts): Uint8Array {
  const q35 = facts.machine === 'q35'
  // The PIIX4 machine keeps revision 1, which old guests want.
  const table: Fadt = {
    signature: 'FACP',
    header: qemuHeader(q35 ? 3 : 1),
    FIRMWARE_CTRL: 0,
    DSDT: 0,
    reserved_44: 1,
    Preferred_PM_Profile: 0,
    SCI_INT: 9,
    SMI_CMD: facts.smm ? 0xb2 : 0,
    ACPI_ENABLE: !facts.smm ? 0 : q35 ? 0x02 : 0xf1,
    ACPI_DISABLE: !facts.smm ? 0 : q35 ? 0x03 : 0xf0,
    S4BIOS_REQ: 0,
    PSTATE_CNT: 0,
    PM1a_EVT_BLK: 0x600,
    PM1b_EVT_BLK: 0,
    PM1a_CNT_BLK: 0x604,
    PM1b_CNT_BLK: 0,
    PM2_CNT_BLK: 0,
    PM_TMR_BLK: 0x608,
    GPE0_BLK: q35 ? 0x620 : 0xafe0,
    GPE1_BLK: 0,
    PM1_EVT_LEN: 4,
    PM1_CNT_LEN: 2,
    PM2_CNT_LEN: 0,
    PM_TMR_LEN: 4,
    GPE0_BLK_LEN: q35 ? 16 : 4,
    GPE1_BLK_LEN: 0,
    GPE1_BASE: 0,
    CST_CNT: 0,
    P_LVL2_LAT: 0xfff,
    P_LVL3_LAT: 0xfff,
    FLUSH_SIZE: 0,
    FLUSH_STRIDE: 0,
    DUTY_OFFSET: 0,
    DUTY_WIDTH: 0,
    DAY_ALRM: 0,
    MON_ALRM: 0,
    CENTURY: 0x32,
    IAPC_BOOT_ARCH: q35 && facts.i8042 ? 0x0002 : 0,
    Flags: (q35 ? 0x84a5 : 0x80a5) | (facts.maxCpus > MOST_FLAT_CPUS ? FORCE_APIC_CLUSTER_MODEL : 0),
  }
  if (!q35) return buildFadt(table)
  // Field by field: a literal around a spread makes a hidden class each time.
  table.RESET_REG = ioAddress(0xcf9, 8)
  table.RESET_VALUE = 0x0f
  table.ARM_BOOT_ARCH = 0
  table.FADT_Minor_Version = 0
  table.X_FIRMWARE_CTRL = 0
  table.X_DSDT = 0
  table.X_PM1a_EVT_BLK = ioAddress(table.PM1a_EVT_BLK, 32)
  table.X_PM1b_EVT_BLK = NO_ADDRESS
  table.X_PM1a_CNT_BLK = ioAddress(table.PM1a_CNT_BLK, 16)
  table.X_PM1b_CNT_BLK = NO_ADDRESS
  table.X_PM2_CNT_BLK = NO_ADDRESS
  table.X_PM_TMR_BLK = ioAddress(table.PM_TMR_BLK, 32)
  table.X_GPE0_BLK = ioAddress(table.GPE0_BLK, table.GPE0_BLK_LEN * 8)
  table.X_GPE1_BLK = NO_ADDRESS
  return buildFadt(table)
}

/** Local APICs from this identifier on are told of in records of their own kind: 255 addresses all. */
const FIRST_X2APIC_ID = 255

/** Processors of a machine, for its MADT. */
type Processors = Pick<PlatformFacts, 'cpus' | 'maxCpus' | 'topology'>

/**
 * The local APIC's identifier of each processor that there may be: a field of bits for each level of the topology, as
 * wide as its numbers need, so that there are gaps where a number is no power of two.
 */
function localApicIds({ maxCpus, topology }: Processors): number[] {
  const { dies = 1, modules = 1, cores, threads } = topology ?? { cores: maxCpus, threads: 1 }
  const inner = [threads, cores, modules, dies]
  const ids: number[] = []
  for (let cpu = 0; cpu < maxCpus; cpu++) {
    let id = 0
    let shift = 0
    let rest = cpu
    for (const count of inner) {
      id |= (rest % count) << shift
      shift += Math.ceil(Math.log2(count))
      rest = Math.floor(rest / count)
    }
    ids.push(id | (rest << shift))
  }
  return ids
}

/**
 * A record for each processor, of which only those are enabled that are there at boot, and one for the NMI that reaches
 * them all.
 */
export function localApicRecords(facts: Processors): { readonly processors: MadtRecord[]; readonly nmi: MadtRecord } {
  const ids = localApicIds(facts)
  return {
    processors: ids.map((id, cpu) => {
      const flags = cpu < facts.cpus ? 1 : 0
      return id < FIRST_X2APIC_ID
        ? { kind: 'local-apic', acpiProcessorUid: cpu, apicId: id, flags }
        : { kind: 'local-x2apic', x2apicId: id, flags, acpiProcessorUid: cpu }
    }),
    // One byte does for the identifiers below 255.
    nmi:
      ids.at(-1)! >= FIRST_X2APIC_ID
        ? { kind: 'local-x2apic-nmi', flags: 0, acpiProcessorUid: 0xffff_ffff, localX2apicLint: 1 }
        : { kind: 'local-apic-nmi', acpiProcessorUid: 0xff, flags: 0, localApicLint: 1 },
  }
}

export function madt(facts: PlatformFacts): Uint8Array {
  const ACTIVE_HIGH_LEVEL = 0x0d
  const { processors, nmi } = localApicRecords(facts)
  return buildMadt({
    signature: 'APIC',
    header: qemuHeader(facts.qemuVersion === '7.2' ? 1 : 3),
    localInterruptControllerAddress: 0xfee0_0000,
    flags: 1,
    records: [
      ...processors,
      { kind: 'io-apic', ioApicId: IOAPIC_ID, ioApicAddress: IOAPIC_BASE, globalSystemInterruptBase: 0 },
      // The timer's interrupt 0 arrives at pin 2; those that PCI may share are level-triggered.
      { kind: 'interrupt-source-override', bus: 0, source: 0, globalSystemInterrupt: 2, flags: 0 },
      ...[5, 9, 10, 11].map((source) => ({
        kind: 'interrupt-source-override' as const,
        bus: 0,
        source,
        globalSystemInterrupt: source,
        flags: ACTIVE_HIGH_LEVEL,
      })),
      nmi,
    ],
  })
}

export const hpet = sameForAll(() =>
  buildHpet({
    signature: 'HPET',
    header: qemuHeader(1),
    eventTimerBlockId: 0x8086_a201,
    baseAddress: { ...NO_ADDRESS, address: 0xfed0_0000 },
    hpetNumber: 0,
    mainCounterMinimumClockTick: 0,
    pageProtection: 0,
  }),
)

export function mcfg(base: number, segments: readonly SegmentPlace[] = []): Uint8Array {
  return buildMcfg({
    signature: 'MCFG',
    header: qemuHeader(1),
    allocations: [{ segment: 0, ecam: { base } }, ...segments].map(({ segment, ecam }) => ({
      baseAddress: ecam.base,
      pciSegmentGroupNumber: segment,
      startBusNumber: 0,
      endBusNumber: 0xff,
    })),
  })
}

export const waet = sameForAll(() => buildWaet({ signature: 'WAET', header: qemuHeader(1), emulatedDeviceFlags: 2 }))
