import type { GuestDevice, GuestResult } from '@dmascope/guest'
import type { DeviceObservation } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { type Finding, joinReport } from '../src/index.ts'
import { accounts, guestDevice, guestResult, observation, stray, tested, vtd, withIo } from './accounts.ts'

/** What differs from a device that works and is translated. */
export interface Case {
  readonly guest?: Partial<GuestResult>
  readonly device?: Partial<GuestDevice>
  readonly seen?: Partial<DeviceObservation>
  /** What firmware waited for. */
  readonly hung?: string
}

/** A rule’s ID, what trips it, what it says then, and the nearest that does not trip it. */
export type RuleCase = readonly [
  string,
  { readonly trips: Case; readonly says: RegExp; readonly fix: string | null; readonly not: Case },
]

/** Findings of a machine with one device, which works and is translated but for what the case says. */
export function findingsOf({ guest = {}, device = {}, seen = {}, hung }: Case): readonly Finding[] {
  const result = guestResult({ devices: [guestDevice(device)], ...guest })
  return joinReport({ ...accounts(result, [observation(seen)]), firmwareHung: hung ?? null }).findings
}

/** What a virtio device offers and its driver takes: without bit 33, and with it. */
export const NO_33 = { offered: [32], negotiated: [32], accessPlatform: false, status: 0x0f }
export const WITH_33 = { offered: [32, 33], negotiated: [32, 33], accessPlatform: true, status: 0x0f }
/** Wired past the IOMMU. */
export const PAST = { behindIommu: false, ...tested({ untranslated: 9 }) }

/** An AMD IOMMU in the place of the VT-d unit. */
export const amd = (more: Parameters<typeof vtd>[0] = {}) =>
  vtd({ id: 'ivhd0', kind: 'amdvi', base: 0xfed8_0000, ...more })
export const overwrite = stray({
  kind: 'write',
  landed: 'ram',
  length: 4,
  physical: '0x9000',
  before: '00',
  after: 'ff',
})
export const hung = withIo({ ok: false, hung: true })

/** Tries each case, and that there is one for each of these rules. */
export function describeRules(
  what: string,
  known: readonly { readonly id: string }[],
  cases: readonly RuleCase[],
): void {
  describe(what, () => {
    it('are all tried below', () => {
      const tried = new Set(cases.map(([id]) => id))
      expect([...tried].sort()).toEqual(known.map(({ id }) => id).sort())
    })

    it.each(cases)('%s applies where it should, and not next to it', (id, { trips, says, fix, not }) => {
      const found = findingsOf(trips).filter((one) => one.id === id)
      expect(found).toHaveLength(1)
      expect(found[0]?.message).toMatch(says)
      expect(found[0]?.fix).toBe(fix)
      expect(findingsOf(not).map((one) => one.id)).not.toContain(id)
    })
  })
}
