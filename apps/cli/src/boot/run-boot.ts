import { runFirmware } from '@dmascope/firmware'
import { bootGuest, type GuestProfile } from '@dmascope/guest'
import { createMachine, type MachineDescription, type TracedAccess } from '@dmascope/machine'
import { joinReport, type Report } from '@dmascope/report'
import { VERSION } from '../version.ts'
import { readTables } from './read-tables.ts'

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
  /** By signature; empty unless asked for. */
  readonly tables: ReadonlyMap<string, Uint8Array>
}

/** Builds the machine, runs firmware and guest on its CPU bus, and joins what they believed with what was seen. */
export function runBoot({ description, guest, trace, tables }: BootRequest): BootOutcome {
  const { machine } = createMachine(description, { trace: trace === true })
  try {
    const firmware = runFirmware(machine.bus)
    machine.endFirmwarePhase()
    const loaded = tables === true ? readTables(machine.bus, firmware.rsdp) : new Map<string, Uint8Array>()
    const result = bootGuest(machine.bus, { profile: guest, witness: machine.witness })
    const report = joinReport({
      description,
      guest: result,
      observations: machine.observe(),
      firmwareHung: firmware.hung,
      version: VERSION,
    })
    return { report, trace: machine.trace, tables: loaded }
  } finally {
    machine.dispose()
  }
}
