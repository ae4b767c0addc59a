import type { Access } from '@dmascope/memory'
import { AmdViGuest, IR, IW } from './amdvi-guest.ts'
import { A, allContexts, allIotlb, allPasids, D, P, RW, ScalableGuest, US } from './scalable-guest.ts'
import { PAGE_RO, PAGE_RW, REG, SmmuV3Guest } from './smmuv3-guest.ts'
import { LIOBN_32, TceGuest } from './tce-guest.ts'
import { attach, detach, map, unmap, ViommuGuest } from './viommu-guest.ts'
import { VtdGuest } from './vtd-guest.ts'

export const DEVICE = 0x0018
export const OTHER = 0x0020

/** What a fault is, whichever way a model numbers it. */
export type Outcome = 'ok' | 'not mapped' | 'no permission' | 'unknown requester' | 'beyond width' | 'unsupported'

/** What not every model has. */
export type Need = 'requesters' | 'pass-through' | 'invalidation' | 'interrupt range' | 'page sizes in one table'

/** One unit with a guest that programs it: what every model of an IOMMU can be asked to do. */
export interface Rig {
  readonly name: string
  /** What the model does not have, and why. */
  readonly lacks?: Readonly<Partial<Record<Need, string>>>
  /** Rights are read = 1 and write = 2; 0 unmaps. Tells the unit nothing. */
  map(iova: number, output: number, rights: number, log2Size?: number): void
  /** DEVICE's own entry from now on, without telling the unit. */
  passThrough(): void
  block(): void
  detach(): void
  /** The unit is told that everything may have changed. */
  invalidate(): void
  dma(requester: number, iova: number, access: Access): Outcome
  /** Where the last DMA that was `ok` went. */
  readonly output: number
  readonly route: 'bypass' | 'translated'
  readonly log2Size: number
  /** Faults that the hardware recorded for the guest to see; where none are, those that an observer was told of. */
  readonly recorded: number
}

export function vtdRig(): Rig {
  const guest = new VtdGuest({ faultRecords: 8 })
  const top = guest.page()
  guest.context(DEVICE, top | 1, 2 | (7 << 8))
  guest.enable()
  // An unmapped page grants nothing: VT-d tells it from a page without permission by no reason of its own.
  const outcomes: Readonly<Record<number, Outcome>> = {
    0: 'ok',
    2: 'unknown requester',
    4: 'beyond width',
    5: 'no permission',
    6: 'not mapped',
    256: 'unsupported',
  }
  return {
    name: 'VT-d',
    map: (iova, output, rights, log2Size) => guest.map(top, iova, output, rights, log2Size),
    passThrough: () => guest.context(DEVICE, 0x9, 2 | (7 << 8)),
    block: () => guest.context(DEVICE, guest.page() | 1, 2 | (7 << 8)),
    detach: () => guest.context(DEVICE, 0, 0),
    invalidate: () => guest.invalidateAll(),
    dma: (requester, iova, access) => outcomes[guest.dma(requester, iova, access)] ?? 'unsupported',
    get output() {
      return guest.output
    },
    get route() {
      return guest.out.route
    },
    get log2Size() {
      return guest.out.log2Size
    },
    get recorded() {
      return guest.unit.faultsSeen.filter(({ recorded }) => recorded).length
    },
  }
}

/** VT-d in scalable mode, with the tables of one stage or the other for PASID 0. */
export function scalableRig(stage: 'first' | 'second'): Rig {
  const guest = new ScalableGuest({ faultRecords: 8 })
  const table = guest.attach(DEVICE)
  const point = (top: number): void =>
    stage === 'first' ? guest.firstStage(table, 0, top) : guest.secondStage(table, 0, top)
  const top = guest.page()
  point(top)
  guest.enable()
  guest.enableQueue()
  const flags = (rights: number): number => (rights === 0 ? 0 : (rights & 2) === 0 ? P | US | A : P | RW | US | A | D)
  const outcomes: Readonly<Record<number, Outcome>> = {
    0: 'ok',
    57: 'unknown requester',
    65: 'unknown requester',
    113: 'not mapped',
    121: 'not mapped',
    128: 'beyond width',
    132: 'beyond width',
    133: 'no permission',
    256: 'unsupported',
  }
  return {
    name: `VT-d, scalable mode, ${stage} stage`,
    map(iova, output, rights, log2Size) {
      if (stage === 'first') guest.mapFirst(top, iova, output, flags(rights), log2Size)
      else guest.map(top, iova, output, rights, log2Size)
    },
    passThrough: () => guest.passThrough(table, 0),
    block: () => point(guest.page()),
    detach: () => guest.contextWords(DEVICE, 0),
    invalidate: () => guest.submitWide(allContexts, allPasids, allIotlb),
    dma: (requester, iova, access) => outcomes[guest.dma(requester, iova, access)] ?? 'unsupported',
    get output() {
      return guest.output
    },
    get route() {
      return guest.out.route
    },
    get log2Size() {
      return guest.out.log2Size
    },
    get recorded() {
      return guest.unit.faultsSeen.filter(({ recorded }) => recorded).length
    },
  }
}

export function amdviRig(): Rig {
  const guest = new AmdViGuest()
  const top = guest.page()
  guest.paged(DEVICE, top)
  // Whom nobody attached is blocked: V and TV clear would let it pass.
  for (const requester of [OTHER, 0x0118]) guest.device(requester, 1)
  guest.enable()
  const outcomes: Readonly<Record<number, Outcome>> = {
    0: 'ok',
    2: 'not mapped',
    18: 'no permission',
    66: 'beyond width',
    82: 'unknown requester',
    8: 'unsupported',
  }
  return {
    name: 'AMD-Vi',
    map: (iova, output, rights, log2Size) => guest.map(top, iova, output, rights, log2Size),
    passThrough: () => guest.device(DEVICE, 3, IR | IW, 7),
    block: () => guest.device(DEVICE, guest.page() | (4 << 9) | 3, IR | IW, 7),
    detach: () => guest.device(DEVICE, 1),
    invalidate: () => guest.invalidateAll(),
    dma: (requester, iova, access) => outcomes[guest.dma(requester, iova, access)] ?? 'unsupported',
    get output() {
      return guest.output
    },
    get route() {
      return guest.out.route
    },
    get log2Size() {
      return guest.out.log2Size
    },
    get recorded() {
      return guest.unit.faultsSeen.filter(({ recorded }) => recorded).length
    },
  }
}

export function smmuv3Rig(): Rig {
  const guest = new SmmuV3Guest()
  const top = guest.page()
  guest.attach(DEVICE, top)
  guest.enable()
  const outcomes: Readonly<Record<number, Outcome>> = {
    0: 'ok',
    2: 'unknown requester',
    4: 'unknown requester',
    16: 'not mapped',
    19: 'no permission',
  }
  // An address above all that T0SZ leaves is F_TRANSLATION like any other: the event's address alone tells.
  const isBeyond = (event: readonly number[]): boolean => event[0] === 16 && event[5]! >= 0x1_0000
  return {
    name: 'SMMUv3',
    lacks: { 'interrupt range': 'messages are writes like any other, and are translated' },
    map(iova, output, rights, log2Size) {
      guest.map(top, iova, output, rights === 0 ? 0 : rights === 1 ? PAGE_RO : PAGE_RW, log2Size)
    },
    passThrough: () => guest.stream(DEVICE, 0x9),
    block: () => guest.attach(DEVICE, guest.page()),
    detach: () => guest.stream(DEVICE, 0),
    invalidate: () => guest.invalidateAll(),
    dma(requester, iova, access) {
      const outcome = outcomes[guest.dma(requester, iova, access)] ?? 'unsupported'
      return outcome === 'not mapped' && isBeyond(guest.event(guest.read(REG.EVENTQ_PROD) - 1))
        ? 'beyond width'
        : outcome
    },
    get output() {
      return guest.output
    },
    get route() {
      return guest.out.route
    },
    get log2Size() {
      return guest.out.log2Size
    },
    get recorded() {
      return guest.unit.faultsSeen.filter(({ recorded }) => recorded).length
    },
  }
}

export function tceRig(): Rig {
  const guest = new TceGuest()
  const outcomes: Readonly<Record<number, Outcome>> = {
    0: 'ok',
    1: 'beyond width',
    2: 'not mapped',
    3: 'no permission',
    4: 'no permission',
    256: 'unsupported',
  }
  return {
    name: 'sPAPR TCE',
    lacks: {
      requesters: 'a bridge has one pair of windows for all that is below it',
      'pass-through': 'every DMA goes through a TCE',
      invalidation: 'a hypervisor call is in force when it returns',
      'interrupt range': 'messages have a window of their own, beside the TCE windows',
      'page sizes in one table': 'a window has pages of one size',
    },
    map: (iova, output, rights) => guest.put(LIOBN_32, BigInt(iova), BigInt(output + rights)),
    passThrough: () => undefined,
    block: () => guest.unit.reset(),
    detach: () => undefined,
    invalidate: () => undefined,
    dma: (_requester, iova, access) => outcomes[guest.dma(BigInt(iova), access)] ?? 'unsupported',
    get output() {
      return Number(guest.output)
    },
    get route() {
      return guest.out.route
    },
    get log2Size() {
      return guest.out.log2Size
    },
    get recorded() {
      return guest.unit.faultCount
    },
  }
}

/**
 * A guest tells this unit of each change by a request. What it has not notified the device of, which is how Linux puts
 * off the UNMAP of a lazy domain, is the invalidation that is missing.
 */
export function viommuRig(): Rig {
  const guest = new ViommuGuest({
    inputBits: 48,
    reservedRegions: [{ kind: 'msi', start: 0xfee0_0000, end: 0xfeef_ffff }],
  })
  for (let left = 0; left < 64; left++) guest.offerEvent()
  guest.send(attach(1, DEVICE))
  /** Ends of what is mapped, by start. */
  const mapped = new Map<number, number>()
  const outcomes: Readonly<Record<number, Outcome>> = {
    0: 'ok',
    1: 'unknown requester',
    2: 'unknown requester',
    3: 'not mapped',
    4: 'no permission',
    6: 'beyond width',
    256: 'unsupported',
  }
  return {
    name: 'virtio-iommu',
    map(iova, output, rights, log2Size = 12) {
      const end = mapped.get(iova)
      const last = iova + 2 ** log2Size - 1
      // A domain that loses an address tells so later; a new one must be told before it is used.
      if (end !== undefined) guest.queue(unmap(1, iova, end))
      mapped.delete(iova)
      if (rights === 0) return
      mapped.set(iova, last)
      guest.queue(map(1, iova, last, output, rights))
      if (end === undefined) guest.kick()
    },
    passThrough: () => void guest.queue(attach(2, DEVICE, 1)),
    block: () => void guest.queue(attach(3, DEVICE)),
    detach: () => void guest.queue(detach(1, DEVICE)),
    invalidate: () => void guest.kick(),
    dma: (requester, iova, access) => outcomes[guest.dma(requester, iova, access)] ?? 'unsupported',
    get output() {
      return guest.output
    },
    get route() {
      return guest.out.route
    },
    get log2Size() {
      return guest.out.log2Size
    },
    get recorded() {
      guest.unit.work(0)
      return guest.unit.faultsSeen.filter(({ recorded }) => recorded).length
    },
  }
}
