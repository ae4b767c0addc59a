import { runFirmware, runSlof } from '@dmascope/firmware'
import { bootGuest, type GuestProfile, type GuestResult } from '@dmascope/guest'
import type { BuiltMachine } from '@dmascope/machine'
import { readDeviceTree, readTables } from './read-tables.ts'

/** What firmware and guest came to. */
export interface StartedGuest {
  readonly result: GuestResult
  /** Why firmware never got to the kernel; null where it did. */
  readonly firmwareHung: string | null
  /** What firmware gives the kernel to read, by name: ACPI tables by signature, a device tree as `machine.dtb`. */
  readonly tables: ReadonlyMap<string, Uint8Array>
}

/** Runs the firmware of the machine's architecture, then the guest. */
export function startGuest(
  { machine, deviceTree }: BuiltMachine,
  guest: GuestProfile | string,
  wantsTables: boolean,
): StartedGuest {
  const { architecture, bus, witness } = machine
  if (architecture === 'ppc64') {
    const slof = runSlof(bus, { deviceTree: deviceTree ?? 0 })
    machine.endFirmwarePhase()
    const entry = slof.deviceTree === null ? {} : { deviceTree: slof.deviceTree }
    const tables = new Map(wantsTables && slof.blob !== null ? [['machine.dtb', slof.blob]] : [])
    return { result: bootGuest(bus, { profile: guest, witness, architecture, entry }), firmwareHung: null, tables }
  }
  if (architecture === 'aarch64') {
    // QEMU starts the kernel itself, and has put the device tree where the kernel is told to look.
    machine.endFirmwarePhase()
    const entry = deviceTree === null ? {} : { deviceTree }
    const result = bootGuest(bus, { profile: guest, witness, architecture, entry })
    const tables = wantsTables && deviceTree !== null ? readDeviceTree(bus, deviceTree) : new Map<string, Uint8Array>()
    return { result, firmwareHung: null, tables }
  }
  const firmware = runFirmware(bus)
  machine.endFirmwarePhase()
  const tables = wantsTables ? readTables(bus, firmware.rsdp) : new Map<string, Uint8Array>()
  return { result: bootGuest(bus, { profile: guest, witness }), firmwareHung: firmware.hung, tables }
}
