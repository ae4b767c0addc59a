import type { GuestProfile } from '@dmascope/guest'
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
