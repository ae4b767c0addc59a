import { describe, expect, it } from 'vitest'
import {
  amdviRig,
  DEVICE,
  type Need,
  OTHER,
  type Outcome,
  type Rig,
  scalableRig,
  smmuv3Rig,
  tceRig,
  viommuRig,
  vtdRig,
} from './iommu-rigs.ts'

const READ = 1
const WRITE = 2
const PAGE = 0x4_0000
const READ_ONLY = 0x4_1000

/** What one probe comes to, on every model alike. */
interface Row {
  readonly name: string
  readonly requester?: number
  readonly iova: number
  readonly access: 1 | 2
  /** What happened after the pages were mapped, and before the probe. */
  readonly before?: (rig: Rig) => void
  /** What a model must have for the row to mean something. */
  readonly needs?: Need
  readonly outcome: Outcome
  readonly output?: number
  readonly route?: 'bypass' | 'translated'
}

const warm = (rig: Rig): void => void rig.dma(DEVICE, PAGE, READ)
const told = (change: (rig: Rig) => void) => (rig: Rig) => {
  warm(rig)
  change(rig)
  rig.invalidate()
}
const untold = (change: (rig: Rig) => void) => (rig: Rig) => {
  warm(rig)
  change(rig)
}
const remap = (rig: Rig): void => rig.map(PAGE, 0xa0_0000, 3)
const unmap = (rig: Rig): void => rig.map(PAGE, 0, 0)

const ROWS: readonly Row[] = [
  { name: 'mapped, read', iova: PAGE + 0x123, access: READ, outcome: 'ok', output: 0x80_0123 },
  { name: 'mapped, write', iova: PAGE + 0xffc, access: WRITE, outcome: 'ok', output: 0x80_0ffc },
  { name: 'unmapped', iova: 0x5_0000, access: READ, outcome: 'not mapped' },
  { name: 'the page after the mapping', iova: 0x4_2000, access: READ, outcome: 'not mapped' },
  { name: 'read-only, read', iova: READ_ONLY + 4, access: READ, outcome: 'ok', output: 0x90_0004 },
  { name: 'read-only, write', iova: READ_ONLY + 4, access: WRITE, outcome: 'no permission' },
  {
    name: 'wrong requester',
    requester: OTHER,
    iova: PAGE,
    access: READ,
    needs: 'requesters',
    outcome: 'unknown requester',
  },
  { name: 'beyond what four levels translate', iova: 2 ** 48, access: READ, outcome: 'beyond width' },
  {
    name: 'pass-through',
    needs: 'pass-through',
    iova: 0x123_4567,
    access: WRITE,
    before: told((rig) => rig.passThrough()),
    outcome: 'ok',
    output: 0x123_4567,
    route: 'bypass',
  },
  {
    name: 'pass-through, invalidation missing: still translated',
    needs: 'invalidation',
    iova: PAGE + 8,
    access: READ,
    before: untold((rig) => rig.passThrough()),
    outcome: 'ok',
    output: 0x80_0008,
  },
  {
    name: 'blocked: an empty table',
    iova: PAGE,
    access: READ,
    before: told((rig) => rig.block()),
    outcome: 'not mapped',
  },
  {
    name: 'detached, invalidation missing: still translated',
    needs: 'invalidation',
    iova: PAGE,
    access: READ,
    before: untold((rig) => rig.detach()),
    outcome: 'ok',
    output: 0x80_0000,
  },
  {
    name: 'detached and invalidated',
    needs: 'requesters',
    iova: PAGE,
    access: READ,
    before: told((rig) => rig.detach()),
    outcome: 'unknown requester',
  },
  {
    name: 'remapped, invalidation missing: the old page',
    needs: 'invalidation',
    iova: PAGE + 0x10,
    access: READ,
    before: untold(remap),
    outcome: 'ok',
    output: 0x80_0010,
  },
  {
    name: 'remapped and invalidated: the new page',
    iova: PAGE + 0x10,
    access: READ,
    before: told(remap),
    outcome: 'ok',
    output: 0xa0_0010,
  },
  {
    name: 'unmapped, invalidation missing: still the page',
    needs: 'invalidation',
    iova: PAGE,
    access: WRITE,
    before: untold(unmap),
    outcome: 'ok',
    output: 0x80_0000,
  },
  {
    name: 'unmapped and invalidated',
    iova: PAGE,
    access: READ,
    before: told(unmap),
    outcome: 'not mapped',
  },
  {
    name: 'mapped after a fault, without any invalidation',
    iova: 0x6_0000,
    access: READ,
    before: (rig) => {
      rig.dma(DEVICE, 0x6_0000, READ)
      rig.map(0x6_0000, 0xb0_0000, 1)
    },
    outcome: 'ok',
    output: 0xb0_0000,
  },
  {
    name: 'a write to the interrupt range is a message, whatever the tables say',
    needs: 'interrupt range',
    iova: 0xfee0_1004,
    access: WRITE,
    before: (rig) => rig.map(0xfee0_1000, 0x80_0000, 3),
    outcome: 'ok',
    output: 0xfee0_1004,
    route: 'bypass',
  },
  {
    name: 'a read of the interrupt range is refused',
    needs: 'interrupt range',
    iova: 0xfee0_1004,
    access: READ,
    before: (rig) => rig.map(0xfee0_1000, 0x80_0000, 3),
    outcome: 'unsupported',
  },
]

describe.each([
  ['VT-d', vtdRig],
  ['VT-d, scalable mode, first stage', () => scalableRig('first')],
  ['VT-d, scalable mode, second stage', () => scalableRig('second')],
  ['AMD-Vi', amdviRig],
  ['SMMUv3', smmuv3Rig],
  ['sPAPR TCE', tceRig],
  ['virtio-iommu', viommuRig],
] as const)('DMA probe matrix, on %s', (_name, makeRig) => {
  it.for(ROWS)('$name', ({ requester = DEVICE, iova, access, before, needs, outcome, output, route }, context) => {
    const rig = makeRig()
    const lack = needs && rig.lacks?.[needs]
    context.skip(lack !== undefined, lack)
    rig.map(PAGE, 0x80_0000, 3)
    rig.map(READ_ONLY, 0x90_0000, 1)
    before?.(rig)
    const recorded = rig.recorded
    expect(rig.dma(requester, iova, access)).toBe(outcome)
    if (outcome === 'ok') {
      expect(rig.output).toBe(output)
      expect(rig.route).toBe(route ?? 'translated')
      expect(rig.recorded).toBe(recorded)
    } else if (outcome !== 'unsupported') {
      expect(rig.recorded).toBe(recorded + 1)
    }
  })

  it('a buffer that crosses pages needs both: the second may fault after the first went through', () => {
    const rig = makeRig()
    rig.map(0x7000, 0x80_0000, 3)
    rig.map(0x8000, 0x70_0000, 3)
    expect(rig.dma(DEVICE, 0x7ff8, WRITE)).toBe('ok')
    expect([rig.output, rig.log2Size]).toEqual([0x80_0ff8, 12])
    expect(rig.dma(DEVICE, 0x8000, WRITE)).toBe('ok')
    expect(rig.output).toBe(0x70_0000)
    expect(rig.dma(DEVICE, 0x9000, READ)).toBe('not mapped')
  })

  it('large pages stay large: 2 MiB and 1 GiB', (context) => {
    const rig = makeRig()
    const lack = rig.lacks?.['page sizes in one table']
    context.skip(lack !== undefined, lack)
    rig.map(0x4000_0000, 0x20_0000, 3, 21)
    rig.map(0x8000_0000, 0x1_4000_0000, 1, 30)
    for (let round = 0; round < 2; round++) {
      expect(rig.dma(DEVICE, 0x401f_fffc, WRITE)).toBe('ok')
      expect([rig.output, rig.log2Size]).toEqual([0x3f_fffc, 21])
      expect(rig.dma(DEVICE, 0xbfff_fff0, READ)).toBe('ok')
      expect([rig.output, rig.log2Size]).toEqual([0x1_7fff_fff0, 30])
      expect(rig.dma(DEVICE, 0xbfff_fff0, WRITE)).toBe('no permission')
    }
  })
})
