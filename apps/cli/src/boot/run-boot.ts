import { type BootOutcome, type BootRequest, bootMachine } from '@dmascope/scenarios'
import { VERSION } from '../version.ts'

export type { BootOutcome } from '@dmascope/scenarios'

/** A boot whose report bears this tool's version. */
export const runBoot = (request: Omit<BootRequest, 'version'>): BootOutcome =>
  bootMachine({ ...request, version: VERSION })
