import {
  type FirmwareResult,
  runFirmware,
  runOpenBios,
  runQboot,
  runSkiboot,
  runSlof,
  runTboot,
  runUefi,
} from '@dmascope/firmware'
import type { BootOptions } from '@dmascope/guest'
import type { BuiltMachine } from '@dmascope/machine'
import { readDeviceTree, readTables } from './read-tables.ts'

/** What stands in memory for the kernel to read, by name: ACPI tables by signature, a device tree as `machine.dtb`. */
export type FirmwareTables = ReadonlyMap<string, Uint8Array>

/** What the machine's firmware hands to a kernel. */
export interface Handover {
  /** What it leaves in registers. */
  readonly entry: NonNullable<BootOptions['entry']>
  /** Why it never got to the kernel; null where it did. */
  readonly hung: string | null
  /** Why what came between firmware and kernel started the machine over; null where nothing did. */
  readonly reset: string | null
  /** Reads the tables back, before a kernel has had its way with memory. */
  readonly tables: () => FirmwareTables
}

type FirmwareName = NonNullable<BuiltMachine['firmware']>

const FIRMWARE: { readonly [Name in FirmwareName]: (built: BuiltMachine) => Handover } = {
  SeaBIOS: (built) => fromBios(built, runFirmware(built.machine.bus)),
  qboot: (built) => fromBios(built, runQboot(built.machine.bus)),
  UEFI: ({ machine: { bus }, deviceTree }) => {
    const uefi = runUefi(bus, { deviceTree: deviceTree ?? 0 })
    const withAcpi = (): FirmwareTables => readTables(bus, uefi.rsdp)
    const handover = fromTree(uefi.deviceTree, () => readDeviceTree(bus, uefi.deviceTree ?? 0))
    return uefi.rsdp === 0 ? handover : { ...handover, tables: withAcpi }
  },
  SLOF: ({ machine: { bus }, deviceTree }) => {
    const slof = runSlof(bus, { deviceTree: deviceTree ?? 0 })
    return { ...fromTree(slof.deviceTree, () => slof.blob), hung: slof.hung }
  },
  skiboot: ({ machine: { bus }, deviceTree }) => {
    const skiboot = runSkiboot(bus, { deviceTree: deviceTree ?? 0 })
    return fromTree(skiboot.deviceTree, () => skiboot.blob)
  },
  OpenBIOS: ({ machine: { bus } }) => {
    const openBios = runOpenBios(bus)
    return fromTree(openBios.deviceTree, () => openBios.blob)
  },
}

/**
 * Runs what the machine runs before its kernel. Without firmware QEMU starts the kernel itself, and has put the device
 * tree where the kernel is told to look.
 */
export function runBootFirmware(built: BuiltMachine): Handover {
  const { firmware, deviceTree, machine } = built
  if (firmware !== null) return FIRMWARE[firmware](built)
  return fromTree(deviceTree, () => readDeviceTree(machine.bus, deviceTree ?? 0))
}

const NO_TABLES: FirmwareTables = new Map()

function fromTree(deviceTree: number | null, blob: () => Uint8Array | null): Handover {
  const tables = (): FirmwareTables => {
    const bytes = deviceTree === null ? null : blob()
    return bytes === null ? NO_TABLES : new Map([['machine.dtb', bytes]])
  }
  return { entry: deviceTree === null ? {} : { deviceTree }, hung: null, reset: null, tables }
}

function fromBios({ machine: { bus }, launch }: BuiltMachine, firmware: FirmwareResult): Handover {
  const { hung, rsdp } = firmware
  const launched = launch === 'tboot' && hung === null ? runTboot(bus, firmware) : null
  return {
    entry: {},
    hung,
    reset: launched?.reset ?? null,
    // A microvm with ACPI off has none.
    tables: () => (rsdp === 0 ? NO_TABLES : readTables(bus, rsdp)),
  }
}
