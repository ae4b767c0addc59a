import type { GuestDevice, GuestResult } from '@dmascope/guest'
import type { DeviceObservation } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { firmwareTruthOf, passthroughReason, statusOf, verdictOf } from '../src/judge.ts'
import {
  counts,
  fault,
  guestDevice,
  guestResult,
  observation,
  stray,
  tested,
  vtd,
  withIo,
  withStrays,
} from './accounts.ts'

const NOT_COVERED = { firmware: { covered: false, by: null } }

describe('status is what the DMA did', () => {
  it.each<[string, Partial<DeviceObservation>, string]>([
    ['all accesses translated', tested({ translated: 5 }), 'translated'],
    ['one of many untranslated', tested({ translated: 5, untranslated: 1 }), 'passthrough'],
    ['untranslated and refused', tested({ untranslated: 1, faulted: 9 }), 'passthrough'],
    ['translated, then refused', tested({ translated: 1, faulted: 9 }), 'translated'],
    ['all refused', tested({ faulted: 2 }), 'blocked'],
    ['none', tested({}), 'none'],
    [
      'firmware’s alone, which does not count',
      { dma: { firmware: counts({ untranslated: 9 }), probe: counts(), 'self-test': counts() } },
      'none',
    ],
    [
      'of the probe, where no self-test came',
      { dma: { firmware: counts(), probe: counts({ untranslated: 1 }), 'self-test': counts() } },
      'passthrough',
    ],
    [
      'of the self-test, whatever the probe did',
      { dma: { firmware: counts(), probe: counts({ untranslated: 9 }), 'self-test': counts({ translated: 1 }) } },
      'translated',
    ],
  ])('%s', (_what, seen, status) => {
    expect(statusOf(observation(seen))).toBe(status)
  })
})

describe('passthrough names the first condition of translation that does not hold', () => {
  it.each<[string, Partial<GuestResult>, Partial<GuestDevice>, Partial<DeviceObservation>, string]>([
    ['no IOMMU in the tables, none in the machine', { iommus: [] }, {}, { behindIommu: false }, 'no-iommu'],
    ['no IOMMU in the tables, one in the machine', { iommus: [] }, {}, { behindIommu: true }, 'iommu-disabled'],
    ['one that the kernel leaves off', { iommus: [vtd({ enabled: false })] }, {}, {}, 'iommu-disabled'],
    ['the second of two is on', { iommus: [vtd({ enabled: false }), vtd()] }, {}, {}, 'iommu-inert'],
    ['on, device not in the tables', {}, NOT_COVERED, {}, 'not-covered'],
    ['not in the tables and wired past it', {}, NOT_COVERED, { behindIommu: false }, 'not-covered'],
    ['in the tables, wired past it', {}, {}, { behindIommu: false }, 'device-bypass'],
    ['wired past it, identity too', {}, { domain: 'identity' }, { behindIommu: false }, 'device-bypass'],
    ['behind it, in an identity domain', {}, { domain: 'identity' }, {}, 'identity'],
    [
      'behind it, by direct DMA in a group without a known domain',
      {},
      { domain: 'unknown', dmaPath: 'direct' },
      {},
      'identity',
    ],
    ['behind it, by tables in such a group', {}, { domain: 'unknown', dmaPath: 'iommu' }, {}, 'iommu-inert'],
    ['behind it, in a translated domain', {}, { domain: 'dma' }, {}, 'iommu-inert'],
    ['behind it, in no domain', {}, { domain: 'none' }, {}, 'unattached'],
  ])('%s', (_what, guest, device, seen, reason) => {
    expect(passthroughReason({ guest: guestResult(guest), device: guestDevice(device), seen: observation(seen) })).toBe(
      reason,
    )
  })
})

describe('verdict tells the gravest first', () => {
  const overwrite = stray({ kind: 'write', landed: 'ram' })
  it.each<[string, Partial<GuestDevice>, Partial<DeviceObservation>, string]>([
    ['the test passes', {}, {}, 'works'],
    ['the test passes, a stray write landed in RAM', {}, withStrays(stray(), overwrite), 'corrupts'],
    ['the test passes, a stray write landed in a hole', {}, withStrays({ ...overwrite, landed: 'hole' }), 'works'],
    ['the test passes, a stray write landed in registers', {}, withStrays({ ...overwrite, landed: 'mmio' }), 'works'],
    ['the test passes, a stray read of RAM', {}, withStrays(stray({ landed: 'ram' })), 'works'],
    ['wrong data', withIo({ ok: false, wrongData: true }), {}, 'corrupts'],
    ['refused, yet overwrote memory', { refusal: 'no' }, withStrays(overwrite), 'corrupts'],
    ['refused', { refusal: 'FEATURES_OK did not stay', ...withIo({ attempted: false, ok: false }) }, {}, 'refused'],
    ['nobody tested it', withIo({ attempted: false, ok: false }), {}, 'untested'],
    ['failed with a fault', withIo({ ok: false, hung: true }), { faults: [fault('self-test')] }, 'faults'],
    ['failed with a fault of the probe', withIo({ ok: false }), { faults: [fault('probe')] }, 'faults'],
    [
      'hung, with a fault of the firmware’s ring',
      withIo({ ok: false, hung: true }),
      { faults: [fault('firmware')] },
      'hangs',
    ],
    ['hung, and no fault', withIo({ ok: false, hung: true }), {}, 'hangs'],
    ['the test passes in spite of a fault', {}, { faults: [fault('probe')] }, 'works'],
    ['failed at once', withIo({ ok: false, detail: 'status 1' }), {}, 'refused'],
  ])('%s', (_what, device, seen, verdict) => {
    const made = guestDevice(device)
    expect(verdictOf({ guest: guestResult({ devices: [made] }), device: made, seen: observation(seen) })).toBe(verdict)
  })
})

describe('firmware tells the truth where tables and wiring agree', () => {
  it.each<[string, Partial<GuestResult>, Partial<GuestDevice>, boolean, string]>([
    ['covered, behind', {}, {}, true, 'honest'],
    ['not covered, past', {}, NOT_COVERED, false, 'honest'],
    ['covered, past', {}, {}, false, 'claims-covered'],
    ['not covered, behind', {}, NOT_COVERED, true, 'claims-bypass'],
    ['no table, none in the way', { iommus: [] }, NOT_COVERED, false, 'silent'],
    ['no table, one in the way', { iommus: [] }, NOT_COVERED, true, 'claims-bypass'],
    ['an IOMMU that the kernel leaves off does not matter', { iommus: [vtd({ enabled: false })] }, {}, true, 'honest'],
  ])('%s', (_what, guest, device, behindIommu, truth) => {
    expect(
      firmwareTruthOf({ guest: guestResult(guest), device: guestDevice(device), seen: observation({ behindIommu }) }),
    ).toBe(truth)
  })
})
