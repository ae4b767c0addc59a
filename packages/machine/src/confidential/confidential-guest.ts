import type { CpuBusExtras } from '../cpu-bus.ts'
import type { Privacy, PrivateMemory } from './private-memory.ts'
import { protectedProcessor } from './protected-guest.ts'
import { sevProcessor } from './sev.ts'
import { ultravisor } from './ultracalls.ts'

/**
 * Kinds of guests whose memory their hypervisor cannot read: AMD SEV, POWER's protected execution facility, and IBM
 * Secure Execution, the protected virtualization of s390x.
 */
export type ConfidentialKind = 'sev' | 'pef' | 'pv'

/** What such a guest's machine is made of beside its board. */
interface ConfidentialGuest {
  readonly privacy: Privacy
  /** What its processor has beside the board's ways into the machine. */
  processor(memory: PrivateMemory): Omit<CpuBusExtras, 'ports'>
}

export const CONFIDENTIAL_GUESTS: Readonly<Record<ConfidentialKind, ConfidentialGuest>> = {
  sev: { privacy: { kind: 'cipher', from: 'kernel' }, processor: sevProcessor },
  pef: { privacy: { kind: 'withheld', from: 'request' }, processor: ultravisor },
  pv: { privacy: { kind: 'exported', from: 'kernel' }, processor: protectedProcessor },
}
