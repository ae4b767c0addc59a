import { describe, expect, it } from 'vitest'
import { type Cell, runCell } from '../src/index.ts'

/** Status and verdict; or why there is no such machine. */
function outcome(
  guest: string,
  hypervisor: Cell['hypervisor'],
  platform: 'e500' | 'e500-high',
  device: Cell['device'],
): string {
  const result = runCell({ guest, hypervisor, platform, iommu: 'none', device })
  return 'impossible' in result ? String(result.impossible) : `${result.status} ${result.verdict}`
}

describe('cells on e500', () => {
  it.each([
    ['linux-6.12', 'qemu', 'e500', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'qemu', 'e500-high', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'qemu', 'e500-high', 'virtio-blk+platform', 'passthrough works'],
    ['linux-6.12', 'qemu', 'e500-high', 'nvme', 'passthrough works'],
    ['always-dma-api', 'qemu-2.4', 'e500-high', 'virtio-blk', 'passthrough works'],
    // Windows of a card that has none of a hypervisor’s shortcuts: physical addresses above them lead nowhere.
    ['linux-6.12', 'physical-no-flag', 'e500', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'physical-no-flag', 'e500-high', 'virtio-blk', 'passthrough hangs'],
    ['always-dma-api', 'physical-no-flag', 'e500-high', 'virtio-blk', 'passthrough works'],
    ['dma-api-but-on-power', 'physical-no-flag', 'e500-high', 'virtio-blk', 'passthrough hangs'],
    ['iommu-flag', 'physical', 'e500', 'virtio-blk', 'none refused'],
  ] as const)('%s/%s/%s/%s: %5$s', (guest, hypervisor, platform, device, expected) => {
    expect(outcome(guest, hypervisor, platform, device)).toBe(expected)
  })
})
