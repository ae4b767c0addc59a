import { describe, expect, it } from 'vitest'
import { type Cell, describeCell, runCell } from '../src/index.ts'

const cell = (
  guest: string,
  hypervisor: Cell['hypervisor'],
  platform: 'mac99' | 'mac99-dart',
  iommu: Cell['iommu'],
  device: Cell['device'],
): Cell => ({ guest, hypervisor, platform, iommu, device })

describe('cells on mac99', () => {
  it.each([
    ['linux-6.12', 'qemu', 'mac99', 'none', 'virtio-blk', 'passthrough works'],
    ['always-dma-api', 'qemu-2.4', 'mac99', 'none', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'physical', 'mac99-dart', 'on', 'virtio-blk', 'translated works'],
    ['linux-6.12', 'physical', 'mac99-dart', 'on', 'nvme', 'translated works'],
    ['linux-6.12', 'physical', 'mac99-dart', 'off', 'nvme', 'passthrough works'],
    ['always-dma-api', 'physical-no-flag', 'mac99-dart', 'on', 'virtio-blk', 'translated works'],
    // No entry of the table is invalid: the device's writes land on the page of all that nobody mapped.
    ['linux-6.12', 'physical-no-flag', 'mac99-dart', 'on', 'virtio-blk', 'translated corrupts'],
    ['iommu-flag', 'physical', 'mac99-dart', 'on', 'virtio-blk', 'none refused'],
  ] as const)('%s/%s/%s/%s/%s: %6$s', (guest, hypervisor, platform, iommu, device, expected) => {
    const result = runCell(cell(guest, hypervisor, platform, iommu, device))
    expect('impossible' in result ? result.impossible : `${result.status} ${result.verdict}`).toBe(expected)
  })

  it('have the DART on real machines alone', () => {
    expect(describeCell(cell('linux-6.12', 'qemu', 'mac99-dart', 'on', 'nvme')).impossible).toMatch(/no DART/)
    expect(describeCell(cell('linux-6.12', 'physical', 'mac99', 'none', 'nvme')).impossible).toMatch(/mac99-dart/)
  })
})
