import { DmascopeError } from '@dmascope/layout'
import { HYPERVISORS } from '@dmascope/machine'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cell, cellKey, DEVICES, describeCell, IOMMU_STATES, PLATFORMS, parseCell, runCell } from '../src/index.ts'
import { cellsOf, DEFAULT_AXES } from '../src/matrix/axes.ts'
import { parseShard, shardOf } from '../src/matrix/shard.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

const anyCell: fc.Arbitrary<Cell> = fc.record({
  guest: fc.constantFrom('linux-4.4', 'linux-6.12', 'iommu-flag', 'linux-6.12,restricted=on'),
  hypervisor: fc.constantFrom(...HYPERVISORS.map(({ name }) => name)),
  platform: fc.constantFrom(...PLATFORMS.map(({ name }) => name)),
  iommu: fc.constantFrom(...IOMMU_STATES),
  device: fc.constantFrom(...DEVICES.map(({ name }) => name)),
})

const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof DmascopeError) return error.code
  }
  return 'none'
}

describe('a cell', () => {
  it('is named by its key, and read back from it', () => {
    fc.assert(
      fc.property(anyCell, (cell) => {
        expect(parseCell(cellKey(cell))).toEqual(cell)
      }),
      { numRuns },
    )
  })

  it('is a machine, or there is a reason why not', () => {
    fc.assert(
      fc.property(anyCell, (cell) => {
        const { description, impossible } = describeCell(cell)
        expect(description === null).toBe(typeof impossible === 'string' && impossible !== '')
      }),
      { numRuns },
    )
  })

  it.each([
    ['linux-6.12/qemu/x86-vtd/on', 'SCENARIO_CELL', /GUEST\/HYPERVISOR\/PLATFORM\/IOMMU\/DEVICE/],
    ['linux-6.12/qemu/x86-vtx/on/virtio-blk', 'SCENARIO_CELL', /did you mean x86-vtd/],
    ['linux-6.12/qemu/x86-vtd/onn/virtio-blk', 'SCENARIO_CELL', /unknown IOMMU state "onn"; did you mean on\?/],
    ['linux-6.12/qemu/x86-vtd/on/virtio-blq', 'SCENARIO_CELL', /did you mean virtio-blk/],
    ['linux-6.12/quemu/x86-vtd/on/virtio-blk', 'MACHINE_HYPERVISOR', /did you mean qemu/],
    ['linux-6/qemu/x86-vtd/on/virtio-blk', 'GUEST_PROFILE', /unknown profile/],
  ])('%s is refused', (text, code, message) => {
    expect(codeOf(() => parseCell(text))).toBe(code)
    expect(() => parseCell(text)).toThrow(message)
  })

  it.each([
    ['linux-6.12/qemu-2.4/arm64-smmuv3/on/virtio-blk', /2\.12/],
    ['linux-6.12/qemu-2.4/x86-vtd/on/virtio-blk+platform', /no iommu_platform/],
    ['linux-6.12/qemu-2.4/x86-vtd/uncovered/virtio-blk', /no bus that bypasses/],
    ['linux-6.12/physical/x86-virtio-iommu/on/virtio-blk', /no physical machine/],
    ['linux-6.12/bypass-property/x86-vtd/on/virtio-blk', /no device tree/],
    ['linux-6.12/qemu/pseries/off/virtio-blk', /no state off/],
  ])('%s cannot be', (text, reason) => {
    expect(runCell(parseCell(text)).impossible).toMatch(reason)
  })
})

describe('cells that were booted', () => {
  it.each([
    ['linux-6.12/qemu/x86/none/virtio-blk', { status: 'passthrough', passthrough: 'no-iommu', verdict: 'works' }],
    ['linux-6.12/qemu/x86-vtd/on/virtio-blk', { passthrough: 'device-bypass', firmwareTruth: 'claims-covered' }],
    ['linux-6.12/qemu/x86-vtd/on/virtio-blk+platform', { status: 'translated', verdict: 'works', dmaPath: 'iommu' }],
    ['linux-4.4/qemu/x86-vtd/on/virtio-blk+platform', { status: 'none', verdict: 'refused' }],
    ['linux-4.4/physical/x86-vtd/on/virtio-blk', { status: 'blocked', verdict: 'faults' }],
    ['always-dma-api/qemu-2.4/x86-vtd/on/virtio-blk', { verdict: 'hangs', dmaPath: 'iommu' }],
    ['iommu-flag/physical/pseries/on/virtio-blk', { verdict: 'refused' }],
    ['linux-6.12/qemu/arm64-smmuv3/on/virtio-net+platform', { status: 'translated', verdict: 'works' }],
  ])('%s', (text, expected) => {
    expect(runCell(parseCell(text))).toMatchObject({ cell: text, ...expected })
  })

  it('come out the same each time, whatever ran before', () => {
    const one = parseCell('linux-4.4/physical/x86-vtd/on/virtio-blk')
    const first = runCell(one)
    runCell(parseCell('always-dma-api/qemu-2.4/x86-vtd/on/virtio-blk'))
    expect(runCell(one)).toEqual(first)
  })
})

describe('parts of a matrix', () => {
  const all = [...cellsOf(DEFAULT_AXES)].map(cellKey)

  it('name every cell once', () => {
    expect(new Set(all).size).toBe(all.length)
  })

  it('together are the whole, and no cell is in two', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), (count) => {
        const parts = Array.from({ length: count }, (_, index) =>
          [...shardOf(cellsOf(DEFAULT_AXES), { index: index + 1, count })].map(cellKey),
        )
        expect(parts.flat().sort()).toEqual([...all].sort())
      }),
      { numRuns: Math.min(numRuns, 100) },
    )
  })

  it.each(['0/4', '5/4', '1', '1/0', 'a/b', '-1/4', '1/4/2'])('%s is no part', (text) => {
    expect(codeOf(() => parseShard(text))).toBe('SCENARIO_SHARD')
  })
})
