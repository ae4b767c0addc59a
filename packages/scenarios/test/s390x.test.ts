import { describe, expect, it } from 'vitest'
import { type Cell, describeCell, runCell } from '../src/index.ts'

const cell = (
  guest: string,
  hypervisor: Cell['hypervisor'],
  platform: 's390x' | 's390x-pv',
  device: Cell['device'],
): Cell => ({ guest, hypervisor, platform, iommu: 'none', device })

/** Status, way to addresses and verdict; or why there is no such machine. */
function outcome(one: Cell): string {
  const result = runCell(one)
  return 'impossible' in result ? String(result.impossible) : `${result.status} ${result.dmaPath} ${result.verdict}`
}

describe('cells on s390x', () => {
  it.each([
    ['linux-6.12', 'qemu', 's390x', 'virtio-blk', 'passthrough physical works'],
    ['linux-6.12', 'qemu', 's390x', 'virtio-net+platform', 'passthrough direct works'],
    ['always-dma-api', 'qemu', 's390x', 'virtio-rng', 'passthrough direct works'],
    // QEMU 2.4 has the legacy revision alone.
    ['linux-6.12', 'qemu-2.4', 's390x', 'virtio-net', 'passthrough physical works'],
    // Older drivers decline the bit, and the device lets them not.
    ['linux-4.4', 'qemu', 's390x', 'virtio-blk+platform', 'passthrough null refused'],
    ['platform-dma-two-bits', 'both-bits', 's390x', 'virtio-blk', 'passthrough null refused'],
    // Protected: raw physical addresses lead to what the device cannot read, unless the kernel refuses first.
    ['linux-4.8', 'qemu', 's390x-pv', 'virtio-blk', 'passthrough physical hangs'],
    ['linux-5.10', 'qemu', 's390x-pv', 'virtio-blk', 'passthrough null refused'],
    ['linux-4.8', 'qemu', 's390x-pv', 'virtio-blk+platform', 'passthrough swiotlb works'],
    ['linux-6.12', 'qemu', 's390x-pv', 'virtio-net+platform', 'passthrough swiotlb works'],
    ['platform-dma-two-bits', 'platform-dma', 's390x-pv', 'virtio-blk', 'passthrough swiotlb works'],
  ] as const)('%s/%s/%s/%s: %s', (guest, hypervisor, platform, device, expected) => {
    expect(outcome(cell(guest, hypervisor, platform, device))).toBe(expected)
  })

  it('have channel devices alone, and hypervisors that have these', () => {
    const why = (hypervisor: Cell['hypervisor'], platform: 's390x' | 's390x-pv', device: Cell['device']) =>
      describeCell(cell('linux-6.12', hypervisor, platform, device)).impossible
    expect(why('qemu', 's390x', 'nvme')).toMatch(/on PCI/)
    expect(why('physical', 's390x', 'virtio-blk')).toMatch(/no physical machine/)
    expect(why('qemu-2.9', 's390x-pv', 'virtio-blk')).toMatch(/no confidential guests/)
  })
})
