import { type BootOptions, bootGuest, type GuestProfile, type GuestResult } from '@dmascope/guest'
import type { BuiltMachine } from '@dmascope/machine'
import type { GuestSeams } from './guest-seams.ts'
import { type FirmwareTables, runBootFirmware } from './run-boot-firmware.ts'
import { startDomain } from './start-domain.ts'

/** What firmware and guest came to. */
export interface StartedGuest {
  readonly result: GuestResult
  /** Why firmware never got to the kernel; null where it did. */
  readonly firmwareHung: string | null
  /** What firmware gives the kernel to read, where that was asked for. */
  readonly tables: FirmwareTables
}

export interface StartOptions {
  /** Read the tables back from memory after firmware has loaded them. */
  readonly tables?: boolean
  readonly selfTestBytes?: number
  /** What the guest gets in place of the machine's bus and witness, made from these: to listen in. */
  readonly listen?: (seams: GuestSeams) => GuestSeams
}

/** Runs what the machine runs before its kernel, then the guest. */
export function startGuest(
  built: BuiltMachine,
  guest: GuestProfile | string,
  { tables: wantsTables = false, selfTestBytes, listen = (seams) => seams }: StartOptions = {},
): StartedGuest {
  const { machine, xen } = built
  const handover = runBootFirmware(built)
  machine.endFirmwarePhase()
  const tables: FirmwareTables = wantsTables ? handover.tables() : new Map()
  const boot = (entry: NonNullable<BootOptions['entry']>, run: GuestSeams): GuestResult => {
    const { bus, witness } = listen(run)
    const bytes = selfTestBytes === undefined ? {} : { selfTestBytes }
    return bootGuest(bus, { profile: guest, witness, architecture: machine.architecture, entry, ...bytes })
  }
  const { entry, hung, reset } = handover
  const { bus, witness } = machine
  if (reset !== null) {
    const halted = `${reset}; the machine starts over`
    return { result: { ...boot(entry, { bus, witness }), halted }, firmwareHung: null, tables }
  }
  if (xen !== undefined && hung === null) {
    const domain = startDomain(machine, xen)
    if (typeof domain === 'string') return { result: boot(entry, { bus, witness }), firmwareHung: domain, tables }
    return { result: boot(domain.entry, domain.seams), firmwareHung: null, tables }
  }
  return { result: boot(entry, { bus, witness }), firmwareHung: hung, tables }
}
