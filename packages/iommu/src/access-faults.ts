import type { Access } from '@dmascope/memory'
import { SeenFaults } from './seen-faults.ts'
import type { RequesterId } from './translator.ts'

/** A fault, for an observer: the access that was refused, and why. */
export interface RefusedAccess {
  readonly requester: RequesterId
  readonly access: 'read' | 'write'
  readonly hi: number
  readonly lo: number
  /** The value of one of the unit's faults, or `UNSUPPORTED_REQUEST`. */
  readonly reason: number
  readonly text: string
}

/** Faults of a unit that tells devices apart by nothing but their requester IDs. */
export class AccessFaults extends SeenFaults<RefusedAccess> {
  tell(requester: RequesterId, hi: number, lo: number, access: Access, reason: number, text: string): void {
    if (!this.countFault()) return
    const kind = (access & 2) !== 0 ? 'write' : 'read'
    this.tellFault({ requester, access: kind, hi: hi >>> 0, lo: lo >>> 0, reason, text })
  }
}
