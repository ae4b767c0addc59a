import { runFirmware, runQboot, runSkiboot, runSlof, runTboot, runUefi } from '@dmascope/firmware'
import { type BootOptions, bootGuest, type GuestProfile, type GuestResult } from '@dmascope/guest'
import type { BuiltMachine } from '@dmascope/machine'
import type { GuestSeams } from './guest-seams.ts'
import { readDeviceTree, readTables } from './read-tables.ts'
import { startDomain } from './start-domain.ts'

/** What firmware and guest came to. */
export interface StartedGuest {
  readonly result: GuestResult
  /** Why firmware never got to the kernel; null where it did. */
  readonly firmwareHung: string | null
  /** What firmware gives the kernel to read, by name: ACPI tables by signature, a device tree as `machine.dtb`. */
  readonly tables: ReadonlyMap<string, Uint8Array>
}

export interface StartOptions {
  /** Read the tables back from memory after firmware has loaded them. */
  readonly tables?: boolean
  readonly selfTestBytes?: number
  /** What the guest gets in place of the machine's bus and witness, made from these: to listen in. */
  readonly listen?: (seams: GuestSeams) => GuestSeams
}

/** Runs the firmware of the machine's architecture, then the guest. */
export function startGuest(
  { machine, deviceTree, firmware: kind, launch, xen }: BuiltMachine,
  guest: GuestProfile | string,
  { tables: wantsTables = false, selfTestBytes, listen = (seams) => seams }: StartOptions = {},
): StartedGuest {
  const { architecture, bus } = machine
  const boot = (
    options: Pick<BootOptions, 'architecture' | 'entry'>,
    run: GuestSeams = { bus, witness: machine.witness },
  ): GuestResult => {
    const seams = listen(run)
    const bytes = selfTestBytes === undefined ? {} : { selfTestBytes }
    return bootGuest(seams.bus, { profile: guest, witness: seams.witness, ...options, ...bytes })
  }
  if (kind === 'skiboot') {
    const skiboot = runSkiboot(bus, { deviceTree: deviceTree ?? 0 })
    machine.endFirmwarePhase()
    const entry = skiboot.deviceTree === null ? {} : { deviceTree: skiboot.deviceTree }
    const tables = new Map(wantsTables && skiboot.blob !== null ? [['machine.dtb', skiboot.blob]] : [])
    return { result: boot({ architecture, entry }), firmwareHung: null, tables }
  }
  if (architecture === 'ppc64') {
    const slof = runSlof(bus, { deviceTree: deviceTree ?? 0 })
    machine.endFirmwarePhase()
    const entry = slof.deviceTree === null ? {} : { deviceTree: slof.deviceTree }
    const tables = new Map(wantsTables && slof.blob !== null ? [['machine.dtb', slof.blob]] : [])
    return {
      result: boot({ architecture, entry }),
      firmwareHung: slof.hung,
      tables,
    }
  }
  if (architecture === 'aarch64') {
    // Without firmware QEMU starts the kernel itself, and has put the device tree where the kernel is told to look.
    const uefi = kind === 'UEFI' ? runUefi(bus, { deviceTree: deviceTree ?? 0 }) : { deviceTree, rsdp: 0 }
    machine.endFirmwarePhase()
    const tables = new Map<string, Uint8Array>()
    if (wantsTables && uefi.rsdp !== 0) for (const [name, bytes] of readTables(bus, uefi.rsdp)) tables.set(name, bytes)
    else if (wantsTables && uefi.deviceTree !== null) tables.set('machine.dtb', readDeviceTree(bus, uefi.deviceTree))
    const entry = uefi.deviceTree === null ? {} : { deviceTree: uefi.deviceTree }
    return {
      result: boot({ architecture, entry }),
      firmwareHung: null,
      tables,
    }
  }
  const firmware = kind === 'qboot' ? runQboot(bus) : runFirmware(bus)
  const launched = launch === 'tboot' && firmware.hung === null ? runTboot(bus, firmware) : null
  machine.endFirmwarePhase()
  // A microvm with ACPI off has none.
  const tables = wantsTables && firmware.rsdp !== 0 ? readTables(bus, firmware.rsdp) : new Map<string, Uint8Array>()
  if (launched != null && launched.reset !== null) {
    const halted = `${launched.reset}; the machine starts over`
    return { result: { ...boot({}), halted }, firmwareHung: null, tables }
  }
  const { hung } = firmware
  if (xen !== undefined && hung === null) {
    const domain = startDomain(machine, xen)
    if (typeof domain === 'string') return { result: boot({}), firmwareHung: domain, tables }
    return { result: boot({ entry: domain.entry }, domain.seams), firmwareHung: null, tables }
  }
  return { result: boot({}), firmwareHung: hung, tables }
}
