import type { GuestProfile } from '@dmascope/guest'
import { DmascopeError } from '@dmascope/layout'
import { createMachine, type MachineDescription, type TracedAccess } from '@dmascope/machine'
import { joinReport, type Report } from '@dmascope/report'
import { VERSION } from '../version.ts'
import { startGuest } from './start-guest.ts'

export interface BootRequest {
  readonly description: MachineDescription
  readonly guest: GuestProfile | string
  /** Record each DMA. */
  readonly trace?: boolean
  /** Read the tables back from memory after firmware has loaded them. */
  readonly tables?: boolean
}

export interface BootOutcome {
  readonly report: Report
  readonly trace: { readonly accesses: readonly TracedAccess[]; readonly dropped: number }
  /** What firmware gave the kernel, ACPI tables by signature; empty unless asked for. */
  readonly tables: ReadonlyMap<string, Uint8Array>
}

/** Builds the machine, runs firmware and guest on its CPU bus, and joins what they believed with what was seen. */
export function runBoot({ description, guest, trace, tables }: BootRequest): BootOutcome {
  refuseArmAcpi(description)
  const built = createMachine(description, { trace: trace === true })
  const { machine } = built
  try {
    const started = startGuest(built, guest, tables === true)
    const report = joinReport({
      description,
      guest: started.result,
      observations: machine.observe(),
      firmwareHung: started.firmwareHung,
      version: VERSION,
    })
    return { report, trace: machine.trace, tables: started.tables }
  } finally {
    machine.dispose()
  }
}

function refuseArmAcpi({ machine, machineProperties: { firmware, acpi } }: MachineDescription): void {
  if (machine !== 'virt' || firmware === undefined || firmware === '' || acpi === 'off' || acpi === false) return
  throw new DmascopeError(
    'BOOT_NOT_MODELLED',
    `firmware ${firmware}: UEFI with ACPI on an Arm machine is not modelled; leave it out, and QEMU starts the kernel with a device tree, or write acpi=off`,
    { firmware },
  )
}
