import { ACCESS_READ, ACCESS_READ_WRITE, ACCESS_WRITE, DMA_FAULT, DMA_OK } from '@dmascope/memory'
import { describe, expect, it } from 'vitest'
import { type FakeFabric, fabric, HOLE, MIB, REGISTERS, ROM } from './fake-fabric.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('a view', () => {
  it('is RAM itself, in both directions, and is accounted for by its user', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.grant(8 * MIB, 0x1000)
    const view = one.port.view(0, 0x1010, 64, ACCESS_READ_WRITE)!
    view.data.setUint32(0, 0xcafe_f00d, true)
    expect(one.ram.read32(8 * MIB + 0x10)).toBe(0xcafe_f00d)
    one.ram.write32(8 * MIB + 0x10, 0x1234_5678)
    expect(view.bytes[0]).toBe(0x78)
    expect([view.data.byteLength, view.bytes.length]).toEqual([64, 64])
    expect(one.port.isCurrent(view)).toBe(true)
    one.port.account(view, 2, 1, 12)
    expect(one.ledger.counts['self-test']).toMatchObject({ reads: 2, writes: 1, bytes: 12, translated: 3 })
  })

  it('shows what is written later to RAM that nobody had touched', () => {
    const one = fabric()
    one.grant(40 * MIB, 0x1000)
    const view = one.port.view(0, 40 * MIB, 16, ACCESS_READ)!
    one.ram.write32(40 * MIB, 7)
    expect(view.data.getUint32(0, true)).toBe(7)
  })

  it.each<[string, (one: FakeFabric) => [hi: number, lo: number, length: number, access: 1 | 2 | 3]]>([
    ['a hole', () => [0, HOLE, 16, ACCESS_READ]],
    ['registers', () => [0, REGISTERS, 16, ACCESS_READ]],
    ['ROM', () => [0, ROM, 16, ACCESS_READ]],
    ['what is beyond the end of RAM', () => [0, 64 * MIB - 8, 16, ACCESS_READ]],
    ['addresses above 2^53', () => [0x20_0000, 0, 16, ACCESS_READ]],
    ['no bytes', () => [0, 2 * MIB, 0, ACCESS_READ]],
    ['what was not granted', () => [0, 3 * MIB, 16, ACCESS_READ]],
    ['more than was granted', () => [0, 2 * MIB + 0xff8, 16, ACCESS_READ]],
    ['a direction that was not granted', () => [0, 2 * MIB, 16, ACCESS_READ_WRITE]],
  ])('is not given of %s', (_what, ask) => {
    const one = fabric()
    one.grant(2 * MIB, 0x1000, ACCESS_READ)
    one.grant(0, 64 * MIB, ACCESS_WRITE)
    expect(one.port.view(0, 2 * MIB, 16, ACCESS_READ)).not.toBeNull()
    expect(one.port.view(...ask(one))).toBeNull()
    expect(one.ledger.strayCount).toBe(0)
  })

  it('is given across pages only where they lie together', () => {
    const one = fabric({ behindIommu: true })
    one.grant(0, 64 * MIB)
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.iommu.map(0, 0x2000, 8 * MIB + 0x1000)
    one.iommu.map(0, 0x3000, 4 * MIB)
    expect(one.port.view(0, 0x1800, 0x1000, ACCESS_READ)).not.toBeNull()
    expect(one.port.view(0, 0x2800, 0x1000, ACCESS_READ)).toBeNull()
  })

  const current = (
    behindIommu = true,
  ): { one: FakeFabric; view: NonNullable<ReturnType<FakeFabric['port']['view']>>; grant: number } => {
    const one = fabric({ behindIommu })
    one.iommu.map(0, 0x80_0000, 8 * MIB)
    one.iommu.map(0, 0x80_1000, 8 * MIB + 0x1000)
    const grant = one.grant(8 * MIB, 0x2000)
    const view = one.port.view(0, 0x80_0800, 0x1000, ACCESS_READ_WRITE)!
    expect(one.port.isCurrent(view)).toBe(true)
    return { one, view, grant }
  }

  it.each([0x80_0000, 0x80_1000])('ends with an invalidation of a page of it, 0x%x', (page) => {
    const { one, view } = current()
    one.iommu.invalidate(0, page)
    expect(one.port.isCurrent(view)).toBe(false)
  })

  it('outlives the invalidation of another page, and new grants', () => {
    const { one, view } = current()
    one.iommu.map(0, 0x90_0000, 9 * MIB)
    one.iommu.invalidate(0, 0x90_0000)
    one.grant(1 * MIB, 16)
    expect(one.port.isCurrent(view)).toBe(true)
  })

  it('ends with a revocation', () => {
    const { one, view, grant } = current(false)
    one.books.revoke(grant)
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, 0x80_0800, 0x1000, ACCESS_READ_WRITE)).toBeNull()
  })

  it('outlives a revocation of other memory, and ends with the next one that bears on it', () => {
    const { one, view, grant } = current(false)
    one.books.revoke(one.grant(1 * MIB, 16))
    expect(one.port.isCurrent(view)).toBe(true)
    expect(one.port.isCurrent(view)).toBe(true)
    one.books.revoke(grant)
    expect(one.port.isCurrent(view)).toBe(false)
  })

  it('outlives a revocation where another grant allows the same, but not where that allows less', () => {
    const { one, view, grant } = current(false)
    const same = one.grant(8 * MIB, 0x2000)
    one.grant(8 * MIB, 0x2000, ACCESS_READ)
    one.books.revoke(grant)
    expect(one.port.isCurrent(view)).toBe(true)
    one.books.revoke(same)
    expect(one.port.isCurrent(view)).toBe(false)
  })

  it('ends when RAM’s store moves, and the next one is in the new store', () => {
    const { one, view } = current()
    view.data.setUint32(0, 5, true)
    const { generation } = one.ram
    for (let chunk = 0; chunk < 32; chunk++) one.ram.write32(chunk * 2 * MIB + 4, 1)
    expect(one.ram.generation).toBeGreaterThan(generation)
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, 0x80_0800, 0x1000, ACCESS_READ_WRITE)?.data.getUint32(0, true)).toBe(5)
  })

  it('ends when the port is wired elsewhere, or may no longer master the bus', () => {
    const { one, view } = current()
    one.busMaster = false
    expect(one.port.isCurrent(view)).toBe(false)
    one.busMaster = true
    expect(one.port.isCurrent(view)).toBe(true)
    one.port.rewire(null)
    expect(one.port.isCurrent(view)).toBe(false)
    one.port.rewire(one.tlb)
    expect(one.port.isCurrent(view)).toBe(false)
  })

  it('ends with firmware, whose DMA nobody judges', () => {
    const one = fabric()
    one.ledger.phase = 'firmware'
    const view = one.port.view(0, 5 * MIB, 16, ACCESS_READ)!
    expect(one.port.isCurrent(view)).toBe(true)
    one.ledger.phase = 'probe'
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, 5 * MIB, 16, ACCESS_READ)).toBeNull()
  })

  it('is current only for the port that gave it', () => {
    const { view } = current()
    const stranger = { data: view.data, bytes: view.bytes, epoch: view.epoch }
    expect(fabric().port.isCurrent(stranger)).toBe(false)
  })
})

describe('a view that the IOMMU refuses', () => {
  it('and the access that follows in the same turn are one fault', () => {
    const one = fabric({ behindIommu: true })
    expect(one.port.view(0, 0x1000, 64, ACCESS_READ)).toBeNull()
    expect(one.port.read(0, 0x1002, new Uint8Array(2))).toBe(DMA_FAULT)
    expect(one.iommu.faults).toHaveLength(1)
    expect(one.ledger.counts['self-test'].faulted).toBe(1)
    expect(one.port.read(0, 0x1002, new Uint8Array(2))).toBe(DMA_FAULT)
    expect(one.iommu.faults).toHaveLength(2)
  })

  it('as are those of the three parts of a ring, on three pages', () => {
    const one = fabric({ behindIommu: true })
    for (const page of [0x1000, 0x2000]) expect(one.port.view(0, page, 64, ACCESS_READ)).toBeNull()
    expect(one.port.view(0, 0x3000, 64, ACCESS_READ_WRITE)).toBeNull()
    for (const page of [0x2000, 0x1000, 0x3000]) {
      expect(one.port.read(0, page, new Uint8Array(2))).toBe(DMA_FAULT)
    }
    expect(one.iommu.faults).toHaveLength(3)
  })

  it('says nothing of later turns: by then the page may be mapped', () => {
    const one = fabric({ behindIommu: true })
    expect(one.port.view(0, 0x1000, 64, ACCESS_READ)).toBeNull()
    one.turn++
    one.iommu.map(0, 0x1000, 2 * MIB)
    one.grant(2 * MIB, 0x1000)
    expect(one.port.read(0, 0x1000, new Uint8Array(2))).toBe(DMA_OK)
    expect(one.ledger.counts['self-test']).toMatchObject({ faulted: 0, translated: 1 })
  })

  it('says nothing of the other direction: a page may be there for reading only', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 2 * MIB, ACCESS_READ)
    one.grant(2 * MIB, 0x1000)
    expect(one.port.view(0, 0x1000, 64, ACCESS_READ_WRITE)).toBeNull()
    expect(one.iommu.faults).toEqual([{ hi: 0, lo: 0x1000, access: ACCESS_WRITE }])
    expect(one.port.read(0, 0x1000, new Uint8Array(2))).toBe(DMA_OK)
    expect(one.port.write(0, 0x1000, bytes(1))).toBe(DMA_FAULT)
    expect(one.iommu.faults).toHaveLength(1)
  })
})
