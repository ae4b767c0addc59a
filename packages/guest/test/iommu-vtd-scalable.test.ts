import { type VtdFeatures, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { describe, expect, it } from 'vitest'
import { access, dmarOf, drhd, pci, requesterOf, TestMachine } from './iommu-machine.ts'

const disk = pci('00:03.0')
const isa = pci('00:1f.0', { classCode: 0x06_0100, headerType: 0x80 })
const FIRST = vtdOptionsFor('11.1', { 'scalable-mode': 'on', fsts: 'on', intremap: 'off' })
const SECOND = vtdOptionsFor('7.2', { 'x-scalable-mode': 'on', intremap: 'off' })

function booted(options: Partial<VtdFeatures>, append = '', guest = 'linux-6.12') {
  const machine = new TestMachine()
  const unit = machine.addUnit(options)
  const iommu = machine.boot(dmarOf([drhd(['endpoint 00:03.0', 'endpoint 00:1f.0'])]), { append, guest })
  iommu.attachDevices([disk, isa])
  return { machine, unit, iommu, dma: iommu.dmaOps(disk, 64) }
}

describe('Linux initializes VT-d in scalable mode', () => {
  it('in this order, as it did on QEMU 7.2', () => {
    const { machine, unit, iommu } = booted(SECOND)
    const queue = machine.writes.find(({ offset }) => offset === 0x90)!.value
    // 1. The queue: two pages of descriptors of 256 bits.
    expect(queue & 0xfff).toBe(0x801)
    // 2. The root table with TTM 01; then contexts, PASIDs and IOTLB dropped, each followed by a wait.
    const from = machine.writes.findIndex(({ offset }) => offset === 0x20)
    expect(machine.writes[from]!.value & 0xfff).toBe(0x400)
    const rest = machine.writes.slice(from)
    expect(rest.filter(({ offset }) => offset === 0x88).map(({ value }) => value)).toEqual([0x40, 0x80, 0xc0])
    const base = queue - 0x801
    const first = (index: number): number => machine.ram.read32(base + index * 32)
    expect([0, 1, 2, 3, 4, 5].map(first)).toEqual([0x11, 0x25, 0x37, 0x25, 0xd2, 0x25])
    // 3. Translation on, last of all.
    expect(rest.filter(({ offset }) => offset === 0x18).map(({ value }) => value)).toEqual([0x4400_0000, 0x8400_0000])
    expect(unit.translationEnabled).toBe(true)
    expect(iommu.iommus).toMatchObject([{ enabled: true, mode: 'scalable', default: 'dma-fq', addressWidth: 39 }])
  })

  it('SRTP that drops all caches (CAP.ESRTPS) is followed by no invalidation', () => {
    const { machine } = booted(FIRST)
    const from = machine.writes.findIndex(({ offset }) => offset === 0x20)
    expect(machine.writes.slice(from).filter(({ offset }) => offset === 0x88)).toEqual([])
  })

  it('sm_off leaves it alone, but the queue has 256-bit descriptors all the same', () => {
    const { machine, unit, iommu } = booted(SECOND, 'intel_iommu=on,sm_off')
    expect(machine.writes.find(({ offset }) => offset === 0x90)!.value & 0xfff).toBe(0x801)
    expect(machine.writes.find(({ offset }) => offset === 0x20)!.value & 0xfff).toBe(0)
    expect(unit.translationEnabled).toBe(true)
    expect(iommu.iommus[0]).not.toHaveProperty('mode')
    expect(iommu.iommus[0]!.why.map(({ fact }) => fact)).toContain(
      'scalable mode is there, and left alone: intel_iommu=sm_off',
    )
  })
})

describe.each([
  ['first', FIRST, 48],
  ['second', SECOND, 39],
] as const)('domains with %s-stage tables', (stage, options, width) => {
  it('map, unmap lazily, flush', () => {
    const { unit, iommu, dma } = booted(options)
    const nothing = stage === 'first' ? 0x71 : 0x06
    expect(access(unit, requesterOf(disk), 0xffff_f000)).toEqual({ fault: nothing })
    const mapping = dma.map(0x12_3456, 8, 'to-device', 'buffer')!
    expect(access(unit, requesterOf(disk), 0xffff_f456)).toEqual({ to: 0x12_3456, route: 'translated' })
    expect(access(unit, requesterOf(disk), 0xffff_f456, 2)).toEqual({ fault: stage === 'first' ? 0x85 : 0x05 })
    dma.unmap(mapping)
    expect(access(unit, requesterOf(disk), 0xffff_f456)).toEqual({ to: 0x12_3456, route: 'translated' })
    iommu.flushQueues()
    expect(access(unit, requesterOf(disk), 0xffff_f456)).toEqual({ fault: nothing })
  })

  it('strict ones invalidate at once', () => {
    const { unit, dma } = booted(options, 'iommu.strict=1')
    const mapping = dma.map(0x12_3000, 0x5000, 'bidirectional', 'buffer')!
    expect(access(unit, requesterOf(disk), mapping.lo + 0x4000, 3)).toEqual({ to: 0x12_7000, route: 'translated' })
    dma.unmap(mapping)
    expect(access(unit, requesterOf(disk), mapping.lo + 0x4000)).toHaveProperty('fault')
  })

  it('the ISA bridge has its 16 MiB, in superpages; the aperture is what tables and canonical addresses leave', () => {
    const { unit, iommu } = booted(options)
    expect(access(unit, requesterOf(isa), 0xff_ffff, 3)).toEqual({ to: 0xff_ffff, route: 'translated' })
    expect(iommu.domain(disk)!.apertureEnd).toBe(2 ** (stage === 'first' ? width - 1 : width))
  })

  it("pass-through is the PASID table entry's", () => {
    const { unit, iommu } = booted(options, 'iommu=pt')
    expect(iommu.domainType(disk)).toBe('identity')
    expect(access(unit, requesterOf(disk), 0x12_3456, 2)).toEqual({ to: 0x12_3456, route: 'bypass' })
    const fact = iommu.why(disk).find(({ source }) => source.startsWith('PASID table entry'))!
    expect(fact.fact).toBe('the PASID table entry of 00:03.0 in dmar0: pass-through, domain 1')
    // PGTT 100, AW, P; then domain 1.
    expect(fact.bytes).toMatch(stage === 'first' ? /^0901000000000000010000/ : /^0501000000000000010000/)
  })

  it('what may be written may be read, as in Linux since 5.13', () => {
    const { unit, dma } = booted(options)
    const mapping = dma.map(0x12_3000, 4096, 'from-device', 'buffer')!
    expect(access(unit, requesterOf(disk), mapping.lo, 3)).toEqual({ to: 0x12_3000, route: 'translated' })
  })
})

describe('first-stage tables', () => {
  it('have A set, and D where they may be written: the hardware sets nothing', () => {
    const { machine, dma, iommu } = booted(FIRST)
    const read = dma.map(0x12_3000, 4096, 'to-device', 'buffer')!
    const write = dma.map(0x45_6000, 4096, 'from-device', 'buffer')!
    const entry = Number.parseInt(
      iommu
        .why(disk)
        .find(({ source }) => source.startsWith('PASID table entry'))!
        .source.split('0x')[1]!,
      16,
    )
    const leafOf = (lo: number): number => {
      let table = (machine.ram.read32(entry + 16) & ~0xfff) >>> 0
      for (const index of [0, lo >>> 30, (lo >>> 21) & 511]) {
        expect(machine.ram.read32(table + index * 8) & 0xfff).toBe(0x27)
        table = (machine.ram.read32(table + index * 8) & ~0xfff) >>> 0
      }
      return machine.ram.read32(table + ((lo >>> 12) & 511) * 8)
    }
    expect(leafOf(read.lo)).toBe(0x12_3025)
    expect(leafOf(write.lo)).toBe(0x45_6067)
  })

  it('stay lazy in caching mode, where second-stage ones are strict', () => {
    expect(booted({ ...FIRST, cachingMode: true }).iommu.domainType(disk)).toBe('dma-fq')
    expect(booted({ ...SECOND, cachingMode: true }).iommu.domainType(disk)).toBe('dma')
  })

  it('are preferred where both stages are there', () => {
    const { iommu } = booted({ ...FIRST, secondStage: true })
    expect(iommu.why(disk).some(({ fact }) => fact.endsWith('first-stage, domain 2'))).toBe(true)
  })
})

it('devices behind a conventional bridge share the requester ID that its first device brought up', () => {
  const machine = new TestMachine()
  const unit = machine.addUnit(FIRST)
  const iommu = machine.boot(dmarOf([drhd(['bridge 00:02.0'])]), {})
  const bridge = pci('00:02.0', { headerType: 1, classCode: 0x06_0400, pcieType: 7 })
  const below = ['01:01.0', '01:02.0'].map((bdf) => pci(bdf, { parent: bridge }))
  iommu.attachDevices([bridge, ...below])
  expect(new Set(below.map((device) => iommu.group(device))).size).toBe(1)
  const mapping = iommu.dmaOps(below[1]!, 64).map(0x12_3000, 4096, 'to-device', 'buffer')!
  expect(access(unit, 0x0100, mapping.lo)).toEqual({ to: 0x12_3000, route: 'translated' })
})
