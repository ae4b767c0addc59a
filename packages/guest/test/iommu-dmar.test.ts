import type { DmarRecord } from '@dmascope/acpi'
import { vtdOptionsFor } from '@dmascope/iommu/vtd'
import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { access, dmarFrom, dmarOf, drhd, pci, requesterOf, scopeOf, TestMachine } from './iommu-machine.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const disk = pci('00:03.0')
const net = pci('00:04.0')

/** What QEMU 11.1 gives a q35 with `intel-iommu,intremap=on` and two devices. */
const QEMU_DMAR = Uint8Array.from(
  `44 4d 41 52 50 00 00 00 01 00 42 4f 43 48 53 20 42 58 50 43 20 20 20 20 01 00 00 00 42 58 50 43
   01 00 00 00 2f 01 00 00 00 00 00 00 00 00 00 00 00 00 20 00 00 00 00 00 00 00 d9 fe 00 00 00 00
   03 08 00 00 00 ff 00 00 01 08 00 00 00 00 03 00`
    .trim()
    .split(/\s+/)
    .map((pair) => Number.parseInt(pair, 16)),
)
/** With bytes changed: offset to value. */
const qemuWith = (changes: Readonly<Record<number, number>>) => {
  const bytes = Uint8Array.from(QEMU_DMAR)
  for (const [offset, value] of Object.entries(changes)) bytes[Number(offset)] = value
  return dmarFrom(bytes)
}

function boot(tables: ReturnType<typeof dmarFrom>, devices = [disk, net]) {
  const machine = new TestMachine()
  const unit = machine.addUnit(vtdOptionsFor('11.1'))
  const iommu = machine.boot(tables, { ioApicIds: [0] })
  const remapping = iommu.enableInterruptRemapping()
  iommu.attachDevices(devices)
  return { machine, unit, iommu, remapping }
}

describe('a DMAR that Linux takes', () => {
  it("QEMU's: the device that it names is translated, the other is not covered, and each has its reasons", () => {
    const { unit, iommu, remapping } = boot(qemuWith({}))
    expect(remapping).toBe(true)
    expect(unit.translationEnabled).toBe(true)
    expect(iommu.coverage(disk)).toEqual({ covered: true, by: 'DMAR DRHD 0xfed90000, scope 00:03.0' })
    expect(iommu.coverage(net)).toEqual({ covered: false, by: null })
    expect([iommu.group(disk), iommu.group(net)]).toEqual([0, null])
    expect([iommu.domainType(disk), iommu.domainType(net)]).toEqual(['dma-fq', 'none'])
    expect(iommu.why(disk)[0]).toEqual({
      fact: 'the table puts it behind dmar0: DMAR DRHD 0xfed90000, scope 00:03.0',
      source: 'DMAR @0xffe2334 +0x48',
      bytes: '0108000000000300',
    })
    expect(iommu.why(net)[0]!.fact).toMatch(/no unit names it/)
    expect(iommu.dmaOps(net, 64).kind).toBe('direct')
    expect(iommu.iommus).toMatchObject([
      { id: 'dmar0', kind: 'vtd', base: 0xfed9_0000, enabled: true, default: 'dma-fq', addressWidth: 48 },
    ])
    expect(iommu.iommus[0]!.why[0]).toEqual({
      fact: 'the table names a unit at 0xfed90000',
      source: 'DMAR @0xffe2334 +0x30',
      bytes: '000020000000000000 00d9fe00000000'.replace(' ', ''),
    })
  })

  it('with translation off, a device that is covered has that for its reason', () => {
    const machine = new TestMachine()
    machine.addUnit(vtdOptionsFor('11.1'))
    const iommu = machine.boot(qemuWith({}), { append: 'intel_iommu=off' })
    iommu.attachDevices([disk])
    expect(iommu.why(disk).map(({ fact }) => fact)).toEqual([
      'the table puts it behind dmar0: DMAR DRHD 0xfed90000, scope 00:03.0',
      'intel_iommu=off',
    ])
  })

  it('a record without length ends it silently', () => {
    // An RMRR header of length 0 behind the unit.
    const bytes = new Uint8Array([...QEMU_DMAR, 1, 0, 0, 0])
    bytes[4] = bytes.length
    expect(boot(dmarFrom(bytes)).unit.translationEnabled).toBe(true)
  })

  it('a unit that is named twice is one unit', () => {
    const { iommu } = boot(dmarOf([drhd(['ioapic ff:00.0', 'endpoint 00:03.0']), drhd(['endpoint 00:04.0'])]))
    expect(iommu.iommus.map(({ id }) => id)).toEqual(['dmar0'])
    expect(iommu.coverage(net).covered).toBe(false)
  })

  it('RHSA for a unit that is not there is told, and goes on', () => {
    const rhsa: DmarRecord = { kind: 'RHSA', registerBaseAddress: 0x1234_5000, proximityDomain: 0 }
    const { machine, unit } = boot(dmarOf([drhd(['endpoint 00:03.0']), rhsa]))
    expect(machine.log.some((line) => /RHSA at \+0x48 names a unit that does not exist/.test(line))).toBe(true)
    expect(unit.translationEnabled).toBe(true)
  })
})

describe('a DMAR that Linux refuses', () => {
  const andd = (name: string): DmarRecord => ({ kind: 'ANDD', acpiDeviceNumber: 1, acpiObjectName: name })
  const unterminated = { ...andd('\\_SB.A'), trailing: '' } as DmarRecord
  const zero = 0x38
  it.each([
    ['registers at 0', qemuWith({ [zero + 2]: 0, [zero + 3]: 0 }), 'the DRHD at +0x30 has its registers at address 0'],
    ['registers where nothing answers', qemuWith({ [zero + 2]: 0xda }), 'the registers at 0xfeda0000 read as all ones'],
    ['host address width below a page', qemuWith({ 36: 10 }), 'a host address width of 11 bits'],
    ['a record past the end', qemuWith({ 50: 0x28 }), 'a record passes the end of the table'],
    ['no DRHD', dmarOf([]), 'no DRHD in the table'],
    [
      'an ANDD name without end',
      dmarOf([drhd(['endpoint 00:03.0']), unterminated]),
      'the name in the ANDD at +0x48 has no end',
    ],
  ])('%s', (what, tables, reason) => {
    const detected = ['host address width below a page', 'no DRHD', 'an ANDD name without end'].includes(what)
    const { machine, unit, iommu, remapping } = boot(tables)
    expect(remapping).toBe(false)
    expect(unit.translationEnabled).toBe(false)
    expect(machine.writes).toEqual([])
    expect(iommu.iommus).toEqual([])
    // `detect_intel_iommu` looks at units and the lengths of records alone; what is found later comes too late for ACS.
    expect(iommu.acsRequested).toBe(detected)
    expect(iommu.why(disk)[0]!.fact).toBe(`the kernel refused the DMAR: ${reason}`)
    expect(iommu.msiMessage(disk, 0, 0x31)).toEqual({ hi: 0, lo: 0xfee0_0000, data: 0x31 })
  })

  it('a scope of the wrong type turns translation off, but not interrupt remapping', () => {
    const { unit, iommu, remapping } = boot(dmarOf([drhd(['ioapic ff:00.0', 'bridge 00:03.0', 'endpoint 00:04.0'])]))
    expect(remapping).toBe(true)
    expect(unit.translationEnabled).toBe(false)
    expect(iommu.group(net)).toBeNull()
  })

  it('but not a bridge by class with an ordinary header', () => {
    const ntb = pci('00:03.0', { classCode: 0x06_8000 })
    expect(boot(dmarOf([drhd(['bridge 00:03.0'])]), [ntb]).unit.translationEnabled).toBe(true)
  })

  it('no table at all: nothing is covered, and that is the reason', () => {
    const machine = new TestMachine()
    const iommu = machine.boot(null)
    expect(iommu.enableInterruptRemapping()).toBe(false)
    iommu.attachDevices([disk])
    expect(iommu.why(disk)).toEqual([{ fact: 'no table names an IOMMU', source: 'firmware tables' }])
    expect(iommu.domainType(disk)).toBe('none')
  })
})

describe('which unit a device is behind', () => {
  const second = 0xfed9_1000
  function twoUnits(records: DmarRecord[], devices: ReturnType<typeof pci>[]) {
    const machine = new TestMachine()
    const first = machine.addUnit(vtdOptionsFor('11.1'))
    const other = machine.addUnit(vtdOptionsFor('11.1'), second)
    const iommu = machine.boot(dmarOf(records))
    iommu.attachDevices(devices)
    return { first, other, iommu }
  }

  it('INCLUDE_PCI_ALL takes what no scope names, wherever it stands in the table', () => {
    const all = drhd([], { flags: 1 })
    for (const records of [
      [all, drhd(['endpoint 00:04.0'], { base: second })],
      [drhd(['endpoint 00:04.0'], { base: second }), all],
    ]) {
      const { iommu, first, other } = twoUnits(records, [disk, net])
      expect(iommu.coverage(disk).by).toBe('DMAR DRHD 0xfed90000, INCLUDE_PCI_ALL')
      expect(iommu.coverage(net).by).toBe('DMAR DRHD 0xfed91000, scope 00:04.0')
      // Units register in the kernel's order, and number the groups of their own devices: scopes come first.
      expect([iommu.group(disk), iommu.group(net)]).toEqual([1, 0])
      expect([first.translationEnabled, other.translationEnabled]).toEqual([true, true])
    }
  })

  it('of two units that name a device, the one that stands last in the table wins, as the kernel lists them', () => {
    const records = [drhd(['endpoint 00:03.0', 'endpoint 00:04.0']), drhd(['endpoint 00:03.0'], { base: second })]
    expect(twoUnits(records, [disk, net]).iommu.coverage(disk).by).toMatch(/0xfed91000/)
  })

  it('a bridge scope covers all below, through a path of bridges too', () => {
    const port = pci('00:02.0', { headerType: 1, pcieType: 4 })
    const inner = pci('01:00.0', { headerType: 1, pcieType: 5, parent: port })
    const device = pci('02:00.0', { pcieType: 0, parent: inner })
    const { iommu } = twoUnits([drhd(['bridge 00:02.0/00.0'])], [port, inner, device])
    expect(iommu.coverage(device).by).toBe('DMAR DRHD 0xfed90000, scope 00:02.0/00.0 (0000:01:00.0 above it)')
    expect(iommu.coverage(inner).by).toBe('DMAR DRHD 0xfed90000, scope 00:02.0/00.0')
    expect(iommu.coverage(port).covered).toBe(false)
  })

  it('another segment is another world', () => {
    const { iommu } = twoUnits([drhd([], { flags: 1, segment: 1 })], [disk])
    expect(iommu.coverage(disk).covered).toBe(false)
  })

  it.each([
    ['linux-6.12', '', 'it stays off: only graphics devices are behind it'],
    ['linux-6.12', 'intel_iommu=on', 'it stays off: only graphics devices are behind it'],
  ])('a unit for graphics alone stays off, as this kernel was built: %s "%s"', (guest, append, reason) => {
    const machine = new TestMachine()
    const unit = machine.addUnit(vtdOptionsFor('11.1'))
    const graphics = pci('00:02.0', { classCode: 0x03_0000 })
    const iommu = machine.boot(dmarOf([drhd(['endpoint 00:02.0'])]), { guest, append })
    iommu.attachDevices([graphics])
    expect(unit.translationEnabled).toBe(false)
    expect(iommu.iommus[0]!.why.at(-1)!.fact).toBe(reason)
    expect(iommu.group(graphics)).toBeNull()
    expect(iommu.coverage(graphics).covered).toBe(true)
  })

  it('a unit without a device stays off, and its reason says so', () => {
    const { first, iommu } = twoUnits([drhd(['ioapic ff:00.0'])], [disk])
    expect(first.translationEnabled).toBe(false)
    expect(iommu.iommus[0]!.why.at(-1)!.fact).toBe('it stays off: no device is behind it')
  })
})

describe('RMRR', () => {
  const rmrr = (base: number, limit: number): DmarRecord => ({
    kind: 'RMRR',
    segmentNumber: 0,
    reservedMemoryRegionBaseAddress: base,
    reservedMemoryRegionLimitAddress: limit,
    scopes: [scopeOf('endpoint 00:03.0')],
  })

  it('is mapped onto itself for its device alone, and never given out', () => {
    const { unit, iommu } = boot(
      dmarOf([drhd(['endpoint 00:03.0', 'endpoint 00:04.0']), rmrr(0xffff_0000, 0xffff_ffff)]),
    )
    expect(access(unit, requesterOf(disk), 0xffff_1234, 2)).toEqual({ to: 0xffff_1234, route: 'translated' })
    expect(access(unit, requesterOf(net), 0xffff_1234, 2)).toEqual({ fault: 0x05 })
    expect(iommu.dmaOps(disk, 32).map(0x1000, 4096, 'to-device', 'b')!.lo).toBe(0xfffe_f000)
    expect(iommu.dmaOps(net, 32).map(0x1000, 4096, 'to-device', 'b')!.lo).toBe(0xffff_f000)
  })

  it('that is no range of pages is told, and taken for the pages that it touches', () => {
    const { machine, unit } = boot(dmarOf([drhd(['endpoint 00:03.0']), rmrr(0x7000_0800, 0x7000_0fff)]))
    expect(machine.log.some((line) => /RMRR at \+0x48 is no range of whole pages/.test(line))).toBe(true)
    expect(access(unit, requesterOf(disk), 0x7000_0004)).toEqual({ to: 0x7000_0004, route: 'translated' })
  })
})

describe('whatever firmware and hardware do', () => {
  it('a damaged DMAR never throws, and leaves every device with an answer', () => {
    const offset = fc.integer({ min: 36, max: QEMU_DMAR.length - 1 })
    fc.assert(
      // Enough memory for all that one device takes, with and without the interrupt remapping table's megabyte.
      fc.property(
        fc.array(fc.tuple(offset, fc.nat(255)), { maxLength: 6 }),
        fc.constantFrom(20, 20, 20, 300),
        (changes, budget) => {
          let tables: ReturnType<typeof qemuWith>
          try {
            tables = qemuWith(Object.fromEntries(changes))
          } catch (error) {
            if (error instanceof DmascopeError) return
            throw error
          }
          const machine = new TestMachine()
          machine.addUnit({ faultRecords: 1 })
          machine.pages.budget = budget
          const iommu = machine.boot(tables)
          iommu.enableInterruptRemapping()
          iommu.attachDevices([disk, net])
          expect(typeof iommu.coverage(disk).covered).toBe('boolean')
          expect(iommu.why(disk).length).toBeGreaterThan(0)
          expect(iommu.dmaOps(disk, 64).kind).toBe(iommu.domainType(disk).startsWith('dma') ? 'iommu' : 'direct')
          machine.ram.dispose()
        },
      ),
      { numRuns },
    )
  })

  it('registers of nonsense never throw or hang', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(0xffff_ffff)), (words) => {
        const machine = new TestMachine()
        const { bus } = machine
        let left = 30
        let last = 0
        // Thirty random words, then the last one for ever: polls see both change and standstill.
        const word = (): number => {
          if (left-- > 0) last = words.next().value ?? 0
          return last
        }
        const noise = {
          ...bus,
          read32: (at: number) => (at >= 0xfed9_0000 && at < 0xfed9_1000 ? word() : bus.read32(at)),
        }
        machine.pages.budget = 300
        const iommu = machine.boot(qemuWith({}), { bus: noise, ioApicIds: [0] })
        iommu.enableInterruptRemapping()
        iommu.attachDevices([disk, net])
        iommu.msiMessage(disk, 0, 0x31)
        iommu.ioapicEntry(0, 1, 0x32, true)
        expect(iommu.readFaults().length).toBeLessThanOrEqual(257)
        expect(iommu.iommus.length).toBeLessThanOrEqual(1)
        machine.ram.dispose()
      }),
      { numRuns },
    )
  })
})
