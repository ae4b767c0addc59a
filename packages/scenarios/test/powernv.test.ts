import { describe, expect, it } from 'vitest'
import { type Cell, describeCell, runCell } from '../src/index.ts'

const cell = (guest: string, hypervisor: Cell['hypervisor'], iommu: Cell['iommu'], device: Cell['device']): Cell => ({
  guest,
  hypervisor,
  platform: 'powernv',
  iommu,
  device,
})

/** Status and verdict; or why there is no such machine. */
function outcome(one: Cell): string {
  const result = runCell(one)
  return 'impossible' in result ? String(result.impossible) : `${result.status} ${result.verdict}`
}

describe('cells on powernv', () => {
  it.each([
    ['linux-6.12', 'qemu', 'on', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'qemu', 'on', 'virtio-blk+platform', 'translated works'],
    ['linux-6.12', 'qemu', 'pt', 'virtio-blk+platform', 'passthrough works'],
    ['linux-6.12', 'qemu', 'on', 'nvme', 'translated works'],
    ['linux-6.12', 'qemu', 'pt', 'nvme', 'passthrough works'],
    // Without a hypervisor’s emulation, physical addresses are in no window: the endpoint freezes.
    ['linux-6.12', 'physical-no-flag', 'on', 'virtio-blk', 'blocked faults'],
    ['linux-6.12', 'physical-no-flag', 'pt', 'virtio-blk', 'blocked faults'],
    ['always-dma-api', 'physical-no-flag', 'on', 'virtio-blk', 'translated works'],
  ] as const)('%s/%s/%s/%s: %5$s', (guest, hypervisor, iommu, device, expected) => {
    expect(outcome(cell(guest, hypervisor, iommu, device))).toBe(expected)
  })

  it('are not those of releases without its host bridges, nor of firmware that writes the property', () => {
    expect(describeCell(cell('linux-6.12', 'qemu-2.4', 'on', 'virtio-blk')).impossible).toMatch(/in 5\.0/)
    expect(describeCell(cell('linux-6.12', 'bypass-property', 'on', 'virtio-blk')).impossible).toMatch(/skiboot/)
  })
})
