import { PortTlb } from '@dmascope/iommu'
import { VtdUnit, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { ACCESS_READ, DMA_FAULT, DMA_OK } from '@dmascope/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { FabricPort } from '../src/fabric/fabric-port.ts'
import { FakeFabric, MIB, OWNER } from './fake-fabric.ts'

/** 00:03.0. */
const SOURCE = 0x18
const IOVA = 0x4000_0000
const REG = { RTADDR: 0x20, GCMD: 0x18, CCMD: 0x28, IOTLB: 0xf8 }
const TE = 0x8000_0000
const SRTP = 0x4000_0000
const GLOBAL_IOTLB = 0x9000_0000
const [ROOT, CONTEXTS, TABLES] = [0x1000, 0x2000, 0x10_0000]

/** A port behind a VT-d unit whose tables, of three levels, map pages of IOVA to `to`. */
class VtdFabric {
  readonly base = new FakeFabric()
  readonly unit = new VtdUnit({ ...vtdOptionsFor('11.1', {}), ram: this.base.ram, raiseMsi: () => {} })
  readonly port = new FabricPort(
    {
      space: this.base.space,
      books: this.base.books,
      messages: { first: 0xfee0_0000, last: 0xfeef_ffff },
      sendMessage: () => 'untranslated',
      ringDoorbell: () => false,
      setPin: () => {},
      busMasterEnabled: () => true,
      turn: () => this.base.turn,
      name: () => OWNER,
    },
    this.base.ledger,
    new PortTlb(this.unit, SOURCE),
    null,
  )

  entry(address: number, low: number, high = 0): void {
    this.base.ram.write32(address, low >>> 0)
    this.base.ram.write32(address + 4, high)
  }

  /** Maps the page of IOVA with this index, readable (bit 0) and writable (bit 1); 0 rights take it away. */
  map(page: number, to: number, rights = 3): void {
    this.entry(TABLES + 0x2000 + page * 8, rights === 0 ? 0 : to | rights)
  }

  turnOn(): void {
    this.entry(ROOT, CONTEXTS | 1)
    // Second-stage translation (TT 0), 39 bits (AW 1), domain 1.
    this.entry(CONTEXTS + SOURCE * 16, TABLES | 1)
    this.entry(CONTEXTS + SOURCE * 16 + 8, 1 | (1 << 8))
    this.entry(TABLES + (IOVA / 2 ** 30) * 8, (TABLES + 0x1000) | 3)
    this.entry(TABLES + 0x1000, (TABLES + 0x2000) | 3)
    this.unit.write(REG.RTADDR, 4, ROOT)
    this.unit.write(REG.RTADDR + 4, 4, 0)
    this.unit.write(REG.GCMD, 4, SRTP)
    this.unit.write(REG.GCMD, 4, TE)
  }

  invalidateAll(): void {
    this.unit.write(REG.IOTLB, 4, 0)
    this.unit.write(REG.IOTLB + 4, 4, GLOBAL_IOTLB)
  }
}

let last: VtdFabric | null = null
const build = (): VtdFabric => {
  last = new VtdFabric()
  last.base.grant(8 * MIB, 0x2000)
  return last
}
afterEach(() => {
  last?.base.ram.dispose()
  last = null
})

describe('a port behind VT-d', () => {
  it('passes through until translation is on, and is counted so', () => {
    const one = build()
    one.base.ram.write32(8 * MIB, 0x1234)
    const into = new Uint8Array(4)
    expect(one.port.read(0, 8 * MIB, into)).toBe(DMA_OK)
    expect(into[0]).toBe(0x34)
    expect(one.base.ledger.counts['self-test']).toMatchObject({ untranslated: 1, translated: 0 })
  })

  it('translates then, over page boundaries, and faults where nothing is mapped', () => {
    const one = build()
    one.turnOn()
    one.map(0, 8 * MIB + 0x1000)
    one.map(1, 8 * MIB)
    expect(one.port.write(0, IOVA + 0xffe, Uint8Array.of(1, 2, 3, 4))).toBe(DMA_OK)
    expect(one.base.ram.read32(8 * MIB + 0x1ffc) >>> 16).toBe(0x0201)
    expect(one.base.ram.read32(8 * MIB) & 0xffff).toBe(0x0403)
    expect(one.port.write(0, IOVA + 0x1ffe, Uint8Array.of(5, 6, 7, 8))).toBe(DMA_FAULT)
    expect(one.unit.faultsSeen.at(-1)).toMatchObject({ requester: SOURCE, hi: 0, lo: IOVA + 0x2000 })
    expect(one.base.ledger.counts['self-test']).toMatchObject({ translated: 2, faulted: 1, untranslated: 0 })
    expect(one.base.ledger.strayCount).toBe(0)
  })

  it('keeps a view until its page is invalidated, whatever the tables say', () => {
    const one = build()
    one.turnOn()
    one.map(0, 8 * MIB)
    const view = one.port.view(0, IOVA, 64, ACCESS_READ)!
    one.map(0, 0, 0)
    expect(one.port.isCurrent(view)).toBe(true)
    one.invalidateAll()
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, IOVA, 64, ACCESS_READ)).toBeNull()
    expect(one.port.read(0, IOVA, new Uint8Array(2))).toBe(DMA_FAULT)
    expect(one.unit.faultsSeen).toHaveLength(1)
  })

  it('keeps a view of untranslated memory until translation comes on', () => {
    const one = build()
    const view = one.port.view(0, 8 * MIB, 64, ACCESS_READ)!
    expect(one.port.isCurrent(view)).toBe(true)
    one.turnOn()
    expect(one.port.isCurrent(view)).toBe(false)
  })

  it('makes a stray write where a stale entry leads to memory that was given back', () => {
    const one = build()
    one.turnOn()
    one.map(0, 8 * MIB)
    const grant = one.base.grant(12 * MIB, 0x1000)
    one.map(1, 12 * MIB)
    expect(one.port.write(0, IOVA + 0x1000, Uint8Array.of(1))).toBe(DMA_OK)
    one.map(1, 0, 0)
    one.base.books.revoke(grant)
    expect(one.port.write(0, IOVA + 0x1000, Uint8Array.of(9))).toBe(DMA_OK)
    expect(one.base.ledger.strays).toMatchObject([
      { kind: 'write', physical: '0xc00000', landed: 'ram', before: '01', after: '09' },
    ])
    one.invalidateAll()
    expect(one.port.write(0, IOVA + 0x1000, Uint8Array.of(7))).toBe(DMA_FAULT)
    expect(one.base.ram.read32(12 * MIB) & 0xff).toBe(9)
  })
})
