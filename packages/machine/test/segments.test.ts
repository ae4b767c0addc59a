import { findHostBridges, parseTable } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { pcBoard } from '../src/board/pc-board.ts'
import { Q35 } from '../src/chipset/chipset.ts'
import { readMachineFile } from '../src/file/index.ts'
import { createMachine, type DmascopeError, type MachineDescription } from '../src/index.ts'
import { segmentMap } from '../src/segments/segment-map.ts'

const MIB = 0x10_0000
const GIB = 0x4000_0000

const describeMachine = (text: string): MachineDescription =>
  readMachineFile(`machine: q35\nmachineProperties: {kernel-irqchip: split}\n${text}`, { file: 'm.yaml' }).description

function refusal(text: string): string {
  try {
    createMachine(describeMachine(text)).machine.dispose()
  } catch (error) {
    return `${(error as DmascopeError).code} ${(error as Error).message}`
  }
  return 'accepted'
}

const segmentsOf = (numbers: readonly number[]): string => `segments: [${numbers.map((one) => `{segment: ${one}}`)}]\n`

describe('addresses of segments', () => {
  const map = (memory: string, numbers: readonly number[]): ReturnType<typeof segmentMap> =>
    segmentMap(Q35, describeMachine(`memory: ${memory}\n${segmentsOf(numbers)}`))

  it('are behind RAM, below and above 4 GiB', () => {
    const { places, end } = map('512M', [1, 2, 3])
    expect(places.map(({ segment, ecam, memory }) => [segment, ecam.base, memory.base])).toEqual([
      [1, 4 * GIB, 512 * MIB],
      [2, 4 * GIB + 256 * MIB, 576 * MIB],
      [3, 4 * GIB + 512 * MIB, 640 * MIB],
    ])
    expect(places.map(({ ports }) => ports?.base ?? null)).toEqual([0x8000, 0xa000, null])
    expect(end).toBe(64 * GIB)
  })

  it.each(['512M', '2G', '2500M', '3G', '8G'])('overlap nothing with %s of memory', (memory) => {
    const { places } = map(memory, [1, 5, 0x800])
    const description = describeMachine(`memory: ${memory}\n`)
    const taken = [
      ...pcBoard(Q35).ramRanges(description.memory),
      { base: 0xb000_0000, size: GIB + 256 * MIB },
      ...places.flatMap(({ ecam, memory: low, memory64 }) => [ecam, low, memory64]),
    ].sort((a, b) => a.base - b.base)
    for (const [index, { base, size }] of taken.entries()) {
      expect(base + size).toBeLessThanOrEqual(taken[index + 1]?.base ?? 2 ** 52)
    }
  })

  it('are refused where RAM leaves no hole below 4 GiB', () => {
    expect(refusal(`memory: 2800M\n${segmentsOf([1])}`)).toBe(
      'MACHINE_SEGMENT m.yaml:4:12: 2800 MiB of memory leave room below 4 GiB for 0 segments beside segment 0; write less than 2.7G of memory, or 3G and more',
    )
  })
})

describe('a q35 with segments', () => {
  const text = `${segmentsOf([1, 0x2a])}devices:
  - {model: intel-iommu}
  - {model: virtio-rng-pci, id: a, addr: 3}
  - {model: virtio-rng-pci, id: b, addr: 3, bus: segment1.0}
  - {model: virtio-rng-pci, id: c, bus: segment42.0}
`

  it('has functions of one address in each, and an IOMMU of the segment before each', () => {
    const { machine } = createMachine(describeMachine(text))
    const seen = () => machine.observe().flatMap((one) => (one.deviceId === null ? [] : [[one.deviceId, one.id]]))
    expect(seen()).toEqual([
      ['a', '0000:00:03.0'],
      ['b', '0001:00:03.0'],
      ['c', '002a:00:00.0'],
    ])
    expect(machine.iommus.map(({ segment, ioApicRequester }) => [segment, ioApicRequester])).toEqual([
      [0, 0xff00],
      [1, null],
      [0x2a, null],
    ])
    machine.dispose()
  })

  it('tells of its host bridges, whose windows the first one lacks', () => {
    const { machine, files } = createMachine(describeMachine(text))
    machine.dispose()
    const all = files.get('etc/acpi/tables')!.bytes
    const at = Array.from(all).findIndex(
      (_, index) => String.fromCharCode(...all.subarray(index, index + 4)) === 'DSDT',
    )
    const size = new DataView(all.buffer, all.byteOffset + at).getUint32(4, true)
    const dsdt = all.slice(at, at + size)
    expect(parseTable(dsdt).signature).toBe('DSDT')
    const bridges = findHostBridges(dsdt)
    expect(bridges.map(({ path, segment, bus }) => [path, segment, bus])).toEqual([
      ['\\_SB_.PCI0', 0, 0],
      ['\\_SB_.S001', 1, 0],
      ['\\_SB_.S02A', 0x2a, 0],
    ])
    const [first, second] = bridges.map(({ resources }) => resources!)
    expect(second!.ports).toEqual([{ first: 0x8000, last: 0x9fff }])
    expect(first!.ports).toEqual([
      { first: 0, last: 0xcf7 },
      { first: 0xd00, last: 0x7fff },
      { first: 0xc000, last: 0xffff },
    ])
    const overlaps = first!.memory.some((a) => second!.memory.some((b) => a.first <= b.last && b.first <= a.last))
    expect(overlaps).toBe(false)
  })

  it('takes no expander beyond its own root bus, no second bus of a name, and no virtio-iommu there', () => {
    const with_ = (device: string, segments = segmentsOf([1])): string => refusal(`${segments}devices: [${device}]\n`)
    expect(with_('{model: pxb-pcie, bus_nr: 9, bus: segment1.0}')).toMatch(
      /PXB devices can be attached only to root bus/,
    )
    expect(with_('{model: edu}', 'segments: [{segment: 1, bus: pcie.0}]\n')).toMatch(
      /^MACHINE_BUS m\.yaml:3:12: another bus is called 'pcie\.0'/,
    )
    expect(with_('{model: virtio-iommu-pci, bus: segment1.0}')).toMatch(
      /^MACHINE_NOT_MODELLED .*virtio-iommu-pci is modelled in segment 0 alone/,
    )
  })
})
