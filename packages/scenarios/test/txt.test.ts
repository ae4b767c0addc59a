import type { MachineDescription, TableEditDescription } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { bootMachine } from '../src/boot/boot-machine.ts'
import { describeCell, parseCell, runCell } from '../src/index.ts'

const seen = (key: string) => {
  const { verdict, status, passthrough, impossible } = runCell(parseCell(key))
  return impossible ?? `${verdict}, ${status}${passthrough == null ? '' : `, ${passthrough}`}`
}

describe('memory that is closed before the kernel runs', () => {
  it.each([
    ['linux-6.12,without=intel_iommu/physical/x86-vtd/txt/e1000e', 'faults, blocked'],
    ['linux-6.12,without=intel_iommu/physical/x86-vtd/on/e1000e', 'works, passthrough, iommu-disabled'],
    ['linux-6.12/physical/x86-vtd/txt/e1000e', 'works, translated'],
    ['linux-6.12/physical/x86-vtd/txt-off/e1000e', 'works, translated'],
    ['linux-6.12/physical/x86-vtd/off/e1000e', 'works, passthrough, iommu-disabled'],
    ['linux-6.12/physical/x86-vtd/txt-noforce/e1000e', 'works, passthrough, iommu-disabled'],
    ['linux-4.4/physical/x86-vtd/txt-noforce/e1000e', 'works, translated'],
    ['linux-6.12/qemu/x86-vtd/txt/e1000e', 'no hypervisor gives its guests Intel TXT'],
  ])('%s: %s', (key, expected) => {
    expect(seen(key)).toBe(expected)
  })
})

describe('a table that is broken', () => {
  it.each([
    ['linux-6.12/physical/x86-vtd/broken-base/virtio-blk', 'works, passthrough, iommu-disabled'],
    ['linux-6.12/physical/x86-vtd/broken-record/nvme', 'works, passthrough, iommu-disabled'],
    ['always-dma-api/qemu-2.4/x86-vtd/broken-record/virtio-blk', 'works, passthrough, no-iommu'],
    ['always-dma-api/qemu-2.4/x86-vtd/on/virtio-blk', 'hangs, passthrough, device-bypass'],
  ])('%s: %s', (key, expected) => {
    expect(seen(key)).toBe(expected)
  })

  const launched = (...tables: TableEditDescription[]) => {
    const { description } = describeCell(parseCell('linux-6.12/physical/x86-vtd/txt/e1000e'))
    return bootMachine({ description: { ...(description as MachineDescription), tables }, guest: 'linux-6.12' }).report
  }
  const edit = (offset: number, ...bytes: number[]): TableEditDescription => ({
    table: 'DMAR',
    index: 0,
    patches: [{ offset, bytes: Uint8Array.from(bytes) }],
    checksum: 'mend',
    location: { text: 'a test' },
  })

  it('that a launched kernel finds out too late for detection makes it panic', () => {
    // Byte 36 is the host address width less 1: detection does not look at it, the parser does.
    const { guest, devices } = launched(edit(36, 10))
    expect(guest.halted).toMatch(/^tboot: Failed to initialize DMAR table: a host address width of 11 bits/)
    expect(devices).toEqual([])
  })

  it('in form or in where its registers are ends the launch', () => {
    expect(launched(edit(50, 0xff, 0xff)).guest.halted).toMatch(/tboot: the DMAR is not sound/)
    expect(launched(edit(0x38, 0, 0, 0, 0)).guest.halted).toMatch(
      /tboot: the DMAR is not sound: DRHD at 0x30 has its registers at 0x0; the machine starts over/,
    )
  })

  it('that is not there at all ends the launch', () => {
    // Another signature: the table is none that anybody looks for.
    const { guest } = launched(edit(0, 0x58))
    expect(guest.halted).toMatch(/tboot: no DMAR/)
  })
})
