import type { GuestProfile } from '@dmascope/guest'
import { createMachine, type MachineDescription, type TracedAccess } from '@dmascope/machine'
import { joinReport, type Report } from '@dmascope/report'
import { startGuest } from './start-guest.ts'

export interface BootRequest {
  readonly description: MachineDescription
  readonly guest: GuestProfile | string
  /** Record each DMA. */
  readonly trace?: boolean
  /** Read the tables back from memory after firmware has loaded them. */
  readonly tables?: boolean
  /** Bytes that each I/O self-test moves; the guest's own choice unless given. */
  readonly selfTestBytes?: number
  /** The version that the report bears: of the tool that asked for it. */
  readonly version?: string
}

export interface BootOutcome {
  readonly report: Report
  readonly trace: { readonly accesses: readonly TracedAccess[]; readonly dropped: number }
  /** What firmware gave the kernel, ACPI tables by signature; empty unless asked for. */
  readonly tables: ReadonlyMap<string, Uint8Array>
}

/**
 * Builds the machine, runs firmware and guest on its CPU bus, and joins what they believed with what was seen.
 *
 * @throws DmascopeError where there is no such machine or guest
 */
export function bootMachine(request: BootRequest): BootOutcome {
  const { description, guest, trace = false, tables = false, selfTestBytes, version = '' } = request
  const built = createMachine(description, { trace })
  const { machine } = built
  try {
    const started = startGuest(built, guest, { tables, ...(selfTestBytes !== undefined && { selfTestBytes }) })
    const report = joinReport({
      description,
      guest: started.result,
      observations: machine.observe(),
      firmwareHung: started.firmwareHung,
      version,
    })
    return { report, trace: machine.trace, tables: started.tables }
  } finally {
    machine.dispose()
  }
}
