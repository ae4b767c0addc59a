import { type VtdUnit, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { describe, expect, it } from 'vitest'
import { dmarOf, drhd, pci, requesterOf, TestMachine } from './iommu-machine.ts'

const IOAPIC = 'ioapic ff:00.0'
const disk = pci('00:03.0')
const stranger = pci('00:04.0')

function booted(
  append = '',
  more: { options?: ReturnType<typeof vtdOptionsFor>; flags?: number; ioApicIds?: number[] } = {},
) {
  const machine = new TestMachine()
  const unit = machine.addUnit(more.options ?? vtdOptionsFor('11.1'))
  const tables = dmarOf([drhd([IOAPIC, 'endpoint 00:03.0'])], { flags: more.flags ?? 1 })
  const iommu = machine.boot(tables, { append, ioApicIds: more.ioApicIds ?? [0] })
  const on = iommu.enableInterruptRemapping()
  iommu.attachDevices([disk, stranger])
  return { machine, unit, iommu, on }
}

function deliver(unit: VtdUnit, source: number, message: { hi: number; lo: number; data: number }) {
  const out = { hi: 0, lo: 0, data: 0, remapped: false }
  const fault = unit.remapInterrupt(source, message.hi, message.lo, message.data, out)
  return fault === 0 ? { vector: out.data & 0xff, lo: out.lo, remapped: out.remapped } : { fault }
}

describe('interrupt remapping', () => {
  it('a message in remappable format arrives as the vector that its entry names, at APIC 0', () => {
    const { unit, iommu, on } = booted()
    expect(on).toBe(true)
    expect(iommu.interruptRemapping).toBe(true)
    const message = iommu.msiMessage(disk, 0, 0x31)!
    // Handle 0: format bit 4, SHV bit 3; subhandle 0.
    expect(message).toEqual({ hi: 0, lo: 0xfee0_0018, data: 0, remapped: true })
    expect(deliver(unit, requesterOf(disk), message)).toMatchObject({ vector: 0x31, remapped: true })
    const second = iommu.msiMessage(disk, 1, 0x32)!
    expect(second.lo).toBe(0xfee0_0038)
    expect(deliver(unit, requesterOf(disk), second)).toMatchObject({ vector: 0x32 })
  })

  it('setting an interrupt up again changes its entry, and the unit forgets the old one', () => {
    const { unit, iommu } = booted()
    const message = iommu.msiMessage(disk, 0, 0x31)!
    expect(deliver(unit, requesterOf(disk), message)).toMatchObject({ vector: 0x31 })
    expect(iommu.msiMessage(disk, 0, 0x41)).toEqual(message)
    expect(deliver(unit, requesterOf(disk), message)).toMatchObject({ vector: 0x41 })
  })

  it('the entry accepts its own device alone, unless intremap=nosid', () => {
    const { unit, iommu } = booted()
    expect(deliver(unit, requesterOf(stranger), iommu.msiMessage(disk, 0, 0x31)!)).toEqual({ fault: 0x26 })
    expect(iommu.readFaults()).toMatchObject([
      { source: '0000:00:04.0', access: 'interrupt', reason: 0x26, address: 0 },
    ])
    const lax = booted('intremap=nosid')
    expect(deliver(lax.unit, requesterOf(stranger), lax.iommu.msiMessage(disk, 0, 0x31)!)).toMatchObject({
      vector: 0x31,
    })
  })

  it('a device that no unit names has no MSI domain, and the reason says so', () => {
    const { iommu } = booted()
    expect(iommu.msiMessage(stranger, 0, 0x31)).toBeNull()
    expect(iommu.why(stranger).at(-1)!.fact).toMatch(/no MSI domain/)
  })

  it('stays on with intel_iommu=off', () => {
    const { unit, iommu, on } = booted('intel_iommu=off')
    expect(on).toBe(true)
    expect(unit.interruptRemappingEnabled).toBe(true)
    expect(unit.translationEnabled).toBe(false)
    expect(iommu.iommus[0]).toMatchObject({ interruptRemapping: true, enabled: false, default: 'none' })
    expect(iommu.group(disk)).toBeNull()
  })

  it.each([
    ['intremap=off', {}, /command line/],
    ['nointremap', {}, /command line/],
    ['', { flags: 0 }, /\+0x25: the platform says that it cannot/],
    ['', { options: vtdOptionsFor('11.1', { intremap: 'off' }) }, /ECAP\.IR/],
    ['', { ioApicIds: [0, 1] }, /no unit names I\/O APIC 1/],
  ])('stays off: "%s" %o', (append, more, reason) => {
    const { unit, iommu, on } = booted(append, more)
    expect(on).toBe(false)
    expect(unit.interruptRemappingEnabled).toBe(false)
    expect(iommu.iommus[0]!.why.some(({ fact }) => reason.test(fact))).toBe(true)
    // Messages then are the processors' own, for every device.
    expect(iommu.msiMessage(stranger, 0, 0x31)).toEqual({ hi: 0, lo: 0xfee0_0000, data: 0x31 })
    expect(unit.translationEnabled).toBe(true)
  })

  it('pci=nomsi leaves every device without', () => {
    expect(booted('pci=nomsi').iommu.msiMessage(disk, 0, 0x31)).toBeNull()
  })

  it('I/O APIC entries are remappable, and verified against the scope that names the I/O APIC', () => {
    const { unit, iommu } = booted()
    const entry = iommu.ioapicEntry(0, 9, 0x39, true)
    // Bit 48 is the format, bits 63:49 the handle; bit 15 level; the vector in both places.
    expect(entry).toEqual({ lo: 0x8039, hi: 0x0001_0000 })
    const message = { hi: 0, lo: 0xfee0_0010, data: 0x8039 }
    expect(deliver(unit, 0xff00, message)).toMatchObject({ vector: 0x39, remapped: true })
    expect(deliver(unit, 0x0018, message)).toEqual({ fault: 0x26 })
    expect(iommu.ioapicEntry(0, 9, 0x39, true)).toEqual(entry)
    expect(iommu.ioapicEntry(0, 10, 0x3a, false)).toEqual({ lo: 0x3a, hi: 0x0003_0000 })
  })

  it("without remapping, entries are the processors' own", () => {
    const { iommu } = booted('intremap=off')
    expect(iommu.ioapicEntry(0, 9, 0x39, true)).toEqual({ lo: 0x8039, hi: 0 })
  })

  it('behind a bridge to conventional PCI, any function between bridge and device is accepted', () => {
    const machine = new TestMachine()
    const unit = machine.addUnit(vtdOptionsFor('11.1'))
    const bridge = pci('00:05.0', { headerType: 1, pcieType: 7 })
    const below = pci('05:01.0', { parent: bridge })
    const iommu = machine.boot(dmarOf([drhd([IOAPIC, 'bridge 00:05.0'])]), { ioApicIds: [0] })
    iommu.enableInterruptRemapping()
    iommu.attachDevices([bridge, below])
    const message = iommu.msiMessage(below, 0, 0x31)!
    expect(deliver(unit, 0x0500, message)).toMatchObject({ vector: 0x31 })
    expect(deliver(unit, 0x0508, message)).toMatchObject({ vector: 0x31 })
    expect(deliver(unit, 0x0600, message)).toEqual({ fault: 0x26 })
    expect(iommu.coverage(below).by).toBe('DMAR DRHD 0xfed90000, scope 00:05.0 (0000:00:05.0 above it)')
  })

  it("fault events go to the vector that the kernel gave, in the processors' format", () => {
    const machine = new TestMachine()
    const unit = machine.addUnit(vtdOptionsFor('11.1'))
    const iommu = machine.boot(dmarOf([drhd([IOAPIC, 'endpoint 00:03.0'])]), { faultVector: 0x55 })
    iommu.attachDevices([disk])
    const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as const }
    unit.translate(requesterOf(disk), -1, 'untranslated', 0, 0x1ffd_c123, 1, out)
    expect(machine.messages).toEqual([{ hi: 0, lo: 0xfee0_0000, data: 0x55 }])
    expect(iommu.readFaults()).toEqual([
      {
        source: '0000:00:03.0',
        address: 0x1ffd_c000,
        reason: 0x06,
        unit: 'dmar0',
        recordedIn: 'fault recording register',
        access: 'read',
        text: 'dmar0 blocked a DMA read of 0000:00:03.0 at 0x1ffdc000: reason 0x06, no permission to read',
      },
    ])
    // Read once, they are gone, and the next one is told anew.
    expect(iommu.readFaults()).toEqual([])
    unit.translate(requesterOf(disk), -1, 'untranslated', 0, 0x2000, 2, out)
    expect(machine.messages).toHaveLength(2)
    expect(iommu.readFaults()).toMatchObject([{ access: 'write', address: 0x2000, reason: 0x05 }])
  })
})
