import type { BootOptions } from '@dmascope/guest'
import type { Machine, XenDescription } from '@dmascope/machine'
import { startXen } from '@dmascope/xen'
import type { GuestSeams } from './guest-seams.ts'

/** Xen's first domain, ready for its kernel. */
export interface StartedDomain {
  readonly seams: GuestSeams
  readonly entry: NonNullable<BootOptions['entry']>
}

/**
 * Starts Xen on a machine whose firmware is done.
 *
 * @returns why it stops, where it does
 */
export function startDomain(machine: Machine, xen: XenDescription): StartedDomain | string {
  const started = startXen(machine.bus, xen)
  if (typeof started === 'string') return `Xen: ${started}`
  machine.setMemoryOwners(started.foreign)
  return {
    seams: { bus: started.bus, witness: started.witnessFor(machine.witness) },
    entry: { startInfo: started.startInfo },
  }
}
