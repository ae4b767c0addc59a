import { ACCESS_READ, ACCESS_WRITE } from '@dmascope/memory'
import { describe, expect, it } from 'vitest'
import { fabric, filled, HOLE, MIB, OWNER, REGISTERS, ROM } from './fake-fabric.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('stray accesses', () => {
  it('are told with where they landed, and what a write changed in RAM', () => {
    const one = fabric()
    one.grant(2 * MIB, 0x1000, ACCESS_READ)
    one.ram.write32(2 * MIB, 0x4433_2211)
    one.port.write(0, 2 * MIB, bytes(0xaa, 0xbb))
    one.port.read(0, ROM, new Uint8Array(2))
    one.port.read(0, REGISTERS + 8, new Uint8Array(1))
    one.port.write(0, REGISTERS + 4, bytes(1, 0, 0, 0))
    one.port.read(0, HOLE, new Uint8Array(4))
    const common = { length: 2, count: 1 }
    expect(one.ledger.strays).toEqual([
      {
        ...common,
        kind: 'write',
        busAddress: '0x200000',
        physical: '0x200000',
        landed: 'ram',
        before: '11 22',
        after: 'aa bb',
      },
      { ...common, kind: 'read', busAddress: '0xfff00000', physical: '0xfff00000', landed: 'rom', after: 'ea ea' },
      {
        ...common,
        kind: 'read',
        busAddress: '0xfe000008',
        physical: '0xfe000008',
        landed: 'mmio',
        after: '08',
        length: 1,
      },
      {
        ...common,
        kind: 'write',
        busAddress: '0xfe000004',
        physical: '0xfe000004',
        landed: 'mmio',
        after: '01 00 00 00',
        length: 4,
      },
      { ...common, kind: 'read', busAddress: '0xd0000000', physical: '0xd0000000', landed: 'hole', length: 4 },
    ])
    expect(one.registers).toEqual(['write 4+4=1'])
  })

  it('show the first 16 bytes, and the bus address as the device issued it', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0x800_0000, 0, 2 * MIB)
    one.port.write(0x800_0000, 0, filled(64, 0xee))
    const pairs = (byte: string): string => Array.from({ length: 16 }, () => byte).join(' ')
    expect(one.ledger.strays).toMatchObject([
      { busAddress: '0x800000000000000', physical: '0x200000', length: 64, before: pairs('00'), after: pairs('ee') },
    ])
  })

  it('are not those within a grant of the right direction, nor any while firmware runs', () => {
    const one = fabric()
    one.ledger.phase = 'firmware'
    one.port.write(0, 2 * MIB, bytes(1))
    one.ledger.phase = 'probe'
    one.grant(2 * MIB, 16, ACCESS_WRITE)
    one.port.write(0, 2 * MIB + 8, bytes(1, 2, 3, 4))
    expect(one.ledger.strays).toEqual([])
    one.port.read(0, 2 * MIB + 8, new Uint8Array(4))
    one.port.write(0, 2 * MIB + 14, bytes(1, 2, 3, 4))
    expect(one.ledger.strays.map(({ kind }) => kind)).toEqual(['read', 'write'])
    expect(one.ledger.counts.firmware.writes).toBe(1)
    expect(one.ledger.counts.probe).toMatchObject({ reads: 1, writes: 2 })
  })

  it('are judged by where they land, not by the bus address', () => {
    const one = fabric({ behindIommu: true })
    one.iommu.map(0, 0x1000, 2 * MIB)
    one.iommu.map(0, 0x2000, 3 * MIB)
    one.grant(2 * MIB, 0x1000)
    one.port.read(0, 0x1000, new Uint8Array(8))
    one.port.read(0, 0x2000, new Uint8Array(8))
    expect(one.ledger.strays.map(({ physical }) => physical)).toEqual(['0x300000'])
  })
})

describe('a trace', () => {
  it('has each access and message in order, a record a page where an IOMMU is in the way', () => {
    const one = fabric({ behindIommu: true, trace: true })
    one.iommu.map(0, 0x1000, 8 * MIB)
    one.grant(8 * MIB, 0x1000)
    one.port.write(0, 0x1ffe, bytes(1, 2, 3, 4))
    one.messageRoute = 'translated'
    one.port.msi(0, 0xfee0_0000, 0x41)
    one.port.rewire(null)
    one.ledger.phase = 'probe'
    one.port.read(0, 8 * MIB, new Uint8Array(16))
    const common = { device: OWNER, phase: 'self-test' }
    const at = (address: string): string => `0x${address.padStart(16, '0')}`
    expect(one.books.trace).toEqual([
      {
        ...common,
        sequence: 0,
        kind: 'write',
        busAddress: at('1ffe'),
        physical: '0x800ffe',
        length: 2,
        route: 'translated',
      },
      { ...common, sequence: 1, kind: 'write', busAddress: at('2000'), physical: null, length: 2, route: 'faulted' },
      {
        ...common,
        sequence: 2,
        kind: 'msi',
        busAddress: at('fee00000'),
        physical: null,
        length: 4,
        route: 'translated',
      },
      {
        ...common,
        sequence: 3,
        kind: 'read',
        busAddress: at('800000'),
        physical: '0x800000',
        length: 16,
        route: 'untranslated',
        phase: 'probe',
      },
    ])
  })

  it('forbids views, which would hide accesses from it', () => {
    const one = fabric({ trace: true })
    one.grant(MIB, 0x1000)
    expect(one.port.view(0, MIB, 64, ACCESS_READ)).toBeNull()
  })
})
