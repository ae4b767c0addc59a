import { vtdOptionsFor } from '@dmascope/iommu/vtd'
import { describe, expect, it } from 'vitest'
import { access, dmarOf, drhd, pci, requesterOf, TestMachine } from './iommu-machine.ts'

const IOAPIC = 'ioapic ff:00.0'
const disk = pci('00:03.0')

const GCMD = 0x18
const names: Readonly<Record<number, string>> = {
  32: 'RTADDR',
  52: 'FSTS',
  128: 'IQH',
  136: 'IQT',
  144: 'IQA',
  184: 'IRTA',
  556: 'FRCD',
}

describe('Linux initializes VT-d', () => {
  it('in this order', () => {
    const machine = new TestMachine()
    const unit = machine.addUnit(vtdOptionsFor('11.1', { intremap: 'on' }))
    const iommu = machine.boot(dmarOf([drhd([IOAPIC, 'endpoint 00:03.0'])]), { ioApicIds: [0] })

    // 1. The table is judged and the capabilities are read; no register is written.
    expect(machine.writes).toEqual([])
    expect(iommu.acsRequested).toBe(true)

    // 2. Interrupt remapping comes first, with the APICs.
    expect(iommu.enableInterruptRemapping()).toBe(true)
    const told = () =>
      machine.writes.splice(0).flatMap(({ offset, value }) => {
        if (offset === GCMD) {
          const bits = { TE: 31, SRTP: 30, QIE: 26, IRE: 25, SIRTP: 24 }
          return [
            Object.entries(bits)
              .flatMap(([name, bit]) => ((value >>> bit) & 1 ? [name] : []))
              .join('+'),
          ]
        }
        return names[offset] === undefined ? [] : [names[offset]]
      })
    expect(told()).toEqual([
      // Faults of before are cleared; the queue is pointed at and turned on.
      'FRCD',
      'FSTS',
      'IQT',
      'IQA',
      'QIE',
      // The table is latched, the interrupt entry cache dropped by the queue, and remapping turned on.
      'IRTA',
      'QIE+SIRTP',
      'IQT',
      'QIE+IRE',
    ])
    expect(unit.interruptRemappingEnabled).toBe(true)
    expect(unit.translationEnabled).toBe(false)

    // 3. Translation is prepared when PCI has been enumerated, and comes on last.
    iommu.attachDevices([disk])
    expect(told()).toEqual([
      'RTADDR',
      // CAP.ESRTPS: all caches are dropped by that.
      'SRTP+QIE+IRE',
      'TE+QIE+IRE',
    ])
    expect(unit.translationEnabled).toBe(true)
    expect(iommu.panic).toBeNull()

    // 4. Nothing is mapped: the device is kept out of memory, by its page table and not by its context.
    expect(access(unit, requesterOf(disk), 0x1ffd_c000)).toEqual({ fault: 0x06 })

    // 5. A buffer that the driver maps is reached under its bus address, and no other way.
    const dma = iommu.dmaOps(disk, 64)
    const mapping = dma.map(0x12_3456, 8, 'to-device', 'buffer')!
    expect(mapping).toMatchObject({ hi: 0, lo: 0xffff_f456 })
    expect(access(unit, requesterOf(disk), 0xffff_f456)).toEqual({ to: 0x12_3456, route: 'translated' })
    expect(access(unit, requesterOf(disk), 0xffff_f456, 2)).toEqual({ fault: 0x05 })

    // 6. Lazily unmapped, it is still reached until the queue is flushed.
    dma.unmap(mapping)
    expect(access(unit, requesterOf(disk), 0xffff_f456)).toEqual({ to: 0x12_3456, route: 'translated' })
    iommu.flushQueues()
    expect(access(unit, requesterOf(disk), 0xffff_f456)).toEqual({ fault: 0x06 })
  })

  it('without CAP.ESRTPS, drops contexts and IOTLB after the root table was latched', () => {
    const machine = new TestMachine()
    machine.addUnit(vtdOptionsFor('7.2', { intremap: 'off' }))
    const iommu = machine.boot(dmarOf([drhd(['endpoint 00:03.0'])]))
    iommu.attachDevices([disk])
    const offsets = machine.writes.map(({ offset }) => offset)
    expect(offsets.slice(offsets.indexOf(0x20)).filter((offset) => [0x18, 0x88].includes(offset))).toEqual([
      0x18, 0x88, 0x88, 0x18,
    ])
  })

  it('uses register-based invalidation where the hardware has no queue', () => {
    const machine = new TestMachine()
    const unit = machine.addUnit()
    // ECAP without QI and IR, as the first units were.
    const { bus } = machine
    const oldBus = {
      ...bus,
      read32: (address: number) => {
        const value = bus.read32(address)
        return address === 0xfed9_0010 ? (value & ~0b1010) >>> 0 : value
      },
    }
    const iommu = machine.boot(dmarOf([drhd([IOAPIC, 'endpoint 00:03.0'])]), { bus: oldBus, append: 'iommu.strict=1' })
    expect(iommu.enableInterruptRemapping()).toBe(false)
    iommu.attachDevices([disk])
    expect(unit.translationEnabled).toBe(true)
    expect(machine.writes.some(({ offset }) => offset === 0x2c)).toBe(true)
    const dma = iommu.dmaOps(disk, 64)
    const mapping = dma.map(0x12_3000, 4096, 'to-device', 'buffer')!
    expect(access(unit, requesterOf(disk), mapping.lo)).toEqual({ to: 0x12_3000, route: 'translated' })
    dma.unmap(mapping)
    expect(access(unit, requesterOf(disk), mapping.lo)).toEqual({ fault: 0x06 })
  })

  it('turns off what an earlier owner left on', () => {
    const machine = new TestMachine()
    const unit = machine.addUnit()
    unit.write(0x18, 4, 0x8000_0000)
    expect(unit.translationEnabled).toBe(true)
    const iommu = machine.boot(dmarOf([drhd(['endpoint 00:03.0'])]), { append: 'intel_iommu=off' })
    iommu.attachDevices([disk])
    expect(unit.translationEnabled).toBe(false)
    expect(iommu.domainType(disk)).toBe('none')
  })

  it('a unit that never acknowledges a command is a panic, and nothing hangs', () => {
    const machine = new TestMachine()
    machine.addUnit()
    const { bus } = machine
    const deaf = { ...bus, read32: (address: number) => (address === 0xfed9_001c ? 0 : bus.read32(address)) }
    const iommu = machine.boot(dmarOf([drhd([IOAPIC, 'endpoint 00:03.0'])]), { bus: deaf })
    expect(iommu.enableInterruptRemapping()).toBe(false)
    iommu.attachDevices([disk])
    expect(iommu.panic).toMatch(/dmar0: global command/)
    expect(iommu.iommus[0]).toMatchObject({ enabled: false, default: 'none', exposed: true })
    expect(iommu.dmaOps(disk, 64).kind).toBe('direct')
  })

  it('without memory for its tables, translation stays off', () => {
    const machine = new TestMachine()
    const unit = machine.addUnit()
    const iommu = machine.boot(dmarOf([drhd(['endpoint 00:03.0'])]))
    machine.pages.budget = 2
    iommu.attachDevices([disk])
    expect(unit.translationEnabled).toBe(false)
    expect(iommu.iommus[0]!.why.at(-1)!.fact).toBe('it stays off: initialization failed')
  })
})

describe('page tables and the IOTLB', () => {
  const booted = (append = '', options = vtdOptionsFor('11.1')) => {
    const machine = new TestMachine()
    const unit = machine.addUnit(options)
    const iommu = machine.boot(dmarOf([drhd([IOAPIC, 'endpoint 00:03.0', 'endpoint 00:1f.0'])]), { append })
    iommu.attachDevices([disk, pci('00:1f.0', { classCode: 0x06_0100, headerType: 0x80 })])
    return { machine, unit, iommu, dma: iommu.dmaOps(disk, 64) }
  }

  it('an entry changed without invalidation leaves the old mapping in force', () => {
    const { machine, unit, iommu, dma } = booted()
    const mapping = dma.map(0x12_3000, 4096, 'to-device', 'buffer')!
    expect(access(unit, requesterOf(disk), mapping.lo)).toEqual({ to: 0x12_3000, route: 'translated' })
    // The leaf, found as the hardware walks: four levels of nine bits from the context entry's pointer.
    const context = iommu.why(disk).find(({ source }) => source.startsWith('context entry'))!
    const entry = Number.parseInt(context.source.split('0x')[1]!, 16)
    let table = (machine.ram.read32(entry) & ~0xfff) >>> 0
    const index = [0, 3, 511, 511]
    for (const at of index.slice(0, 3)) table = (machine.ram.read32(table + 8 * at) & ~0xfff) >>> 0
    const leaf = table + 8 * index[3]!
    expect(machine.ram.read32(leaf)).toBe(0x12_3001)

    machine.ram.write32(leaf, 0x45_6001)
    expect(access(unit, requesterOf(disk), mapping.lo)).toEqual({ to: 0x12_3000, route: 'translated' })
    iommu.domain(disk)!.flush({ iova: mapping.lo, length: 4096 })
    expect(access(unit, requesterOf(disk), mapping.lo)).toEqual({ to: 0x45_6000, route: 'translated' })
  })

  it('the ISA bridge gets the first 16 MiB mapped onto themselves', () => {
    const { unit } = booted()
    expect(access(unit, 0x00f8, 0x7c00, 2)).toEqual({ to: 0x7c00, route: 'translated' })
    expect(access(unit, 0x00f8, 0xff_ffff, 3)).toEqual({ to: 0xff_ffff, route: 'translated' })
    expect(access(unit, 0x00f8, 0x100_0000)).toEqual({ fault: 0x06 })
  })

  it('sp_off leaves superpages out', () => {
    const small = booted('intel_iommu=on,sp_off')
    const large = booted()
    // 16 MiB take eight tables of 4 KiB pages, or eight entries of 2 MiB in the table above.
    expect(small.machine.pages.live.size - large.machine.pages.live.size).toBe(8)
    expect(access(small.unit, 0x00f8, 0xff_f123)).toEqual({ to: 0xff_f123, route: 'translated' })
  })

  it('three levels where the hardware walks no more', () => {
    const { unit, iommu, dma } = booted('', vtdOptionsFor('7.2'))
    expect(iommu.iommus[0]!.addressWidth).toBe(39)
    expect(iommu.domain(disk)!.apertureEnd).toBe(2 ** 39)
    const mapping = dma.map(0x12_3000, 4096, 'to-device', 'buffer')!
    expect(access(unit, requesterOf(disk), mapping.lo)).toEqual({ to: 0x12_3000, route: 'translated' })
    expect(access(unit, requesterOf(disk), 2 ** 39)).toEqual({ fault: 0x04 })
  })

  it('caching mode: new entries are announced, so that a fault that was cached does not stay', () => {
    const { unit, iommu, dma } = booted('', vtdOptionsFor('11.1', { 'caching-mode': 'on' }))
    expect(iommu.domainType(disk)).toBe('dma')
    expect(access(unit, requesterOf(disk), 0xffff_f000)).toEqual({ fault: 0x06 })
    const mapping = dma.map(0x12_3000, 4096, 'to-device', 'buffer')!
    expect(mapping.lo).toBe(0xffff_f000)
    expect(access(unit, requesterOf(disk), 0xffff_f000)).toEqual({ to: 0x12_3000, route: 'translated' })
  })

  it('no bus address lies in a host bridge window or the interrupt range', () => {
    const machine = new TestMachine()
    machine.addUnit()
    const hostBridgeWindows = [
      { start: 0xc000_0000, end: 0xfec0_0000 },
      { start: 0x2000_0000, end: 0xb000_0000 },
    ]
    const iommu = machine.boot(dmarOf([drhd(['endpoint 00:03.0'])]), { hostBridgeWindows })
    iommu.attachDevices([disk])
    const dma = iommu.dmaOps(disk, 32)
    const at = Array.from({ length: 5 }, () => dma.map(0x10_0000, 0x80_0000, 'to-device', 'large')!.lo)
    expect(at.map((lo) => lo.toString(16))).toEqual(['ff800000', 'ff000000', 'bf800000', 'bf000000', 'be800000'])
  })
})
