import { describe, expect, it } from 'vitest'
import { bootCell, type Cell, describeCell, runCell } from '../src/index.ts'

const cell = (guest: string, hypervisor: Cell['hypervisor'], device: Cell['device']): Cell => ({
  guest,
  hypervisor,
  platform: 'sparc64',
  iommu: 'on',
  device,
})

/** Status and verdict; or why there is no such machine. */
function outcome(one: Cell): string {
  const result = runCell(one)
  return 'impossible' in result ? String(result.impossible) : `${result.status} ${result.verdict}`
}

describe('cells on sparc64', () => {
  it.each([
    ['linux-6.12', 'qemu', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'qemu', 'virtio-blk+platform', 'translated works'],
    ['linux-6.12', 'qemu', 'virtio-net+platform', 'translated works'],
    ['linux-6.12', 'qemu', 'nvme', 'translated works'],
    ['linux-6.12', 'qemu', 'rtl8139', 'translated works'],
    ['linux-4.4', 'qemu-2.4', 'virtio-blk', 'passthrough works'],
    ['linux-4.4', 'iommu-flag', 'virtio-blk', 'none refused'],
    // Bus addresses from 0xc0000000 on are no memory.
    ['always-dma-api', 'qemu', 'virtio-blk', 'passthrough hangs'],
    // The series of 2015 leaves SPARC out; the proposal that followed it leaves out PowerPC alone.
    ['dma-api-but-on-power', 'qemu-2.4', 'virtio-blk', 'passthrough works'],
    ['iommu-flag', 'qemu-2.4', 'virtio-blk', 'passthrough hangs'],
    ['iommu-flag', 'iommu-flag', 'virtio-blk', 'translated works'],
    // The bridge of a physical machine answers devices in their window alone.
    ['linux-6.12', 'physical-no-flag', 'virtio-blk', 'blocked faults'],
    ['always-dma-api', 'physical-no-flag', 'virtio-blk', 'translated works'],
  ] as const)('%s/%s/%s: %s', (guest, hypervisor, device, expected) => {
    expect(outcome(cell(guest, hypervisor, device))).toBe(expected)
  })

  it('have interrupt pins alone, and no IOMMU groups', () => {
    const booted = bootCell(cell('linux-6.12', 'qemu', 'virtio-blk+platform'))
    if (typeof booted === 'string') throw new Error(booted)
    expect(booted.device).toMatchObject({
      interrupt: { mode: 'intx', lost: 0 },
      firmware: { covered: true },
      guest: { iommuGroup: null, domain: 'none', dmaPath: 'iommu' },
    })
  })

  it('are not those of devices with messages alone, nor of firmware that writes the property', () => {
    expect(describeCell(cell('linux-6.12', 'qemu', 'late-writer')).impossible).toMatch(/messages alone/)
    expect(describeCell(cell('linux-6.12', 'qemu', 'assigned')).impossible).toMatch(/messages alone/)
    expect(describeCell(cell('linux-6.12', 'bypass-property', 'virtio-blk')).impossible).toMatch(/OpenBIOS/)
    expect(describeCell({ ...cell('linux-6.12', 'qemu', 'nvme'), iommu: 'off' }).impossible).toMatch(/no state off/)
  })
})
