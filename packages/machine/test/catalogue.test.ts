import { DmascopeError } from '@dmascope/layout'
import { DmaProbe } from '@dmascope/virtio-devices'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  capabilitiesOn,
  checkProperties,
  deviceModels,
  findModel,
  nearestModel,
  type PropertyValue,
  parsePropertyValue,
  parseSize,
  propertyNames,
  requireModel,
  romSize,
  withDefaults,
} from '../src/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

const model = (name: string) => requireModel(name, '11.1')

const codeOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (error instanceof DmascopeError) return error.code
    throw error
  }
  return 'nothing thrown'
}

/** Vendor, device, class, revision, subsystem, capabilities, BARs: as a real Linux printed them on a real QEMU. */
const SEEN = [
  ['e1000e', '8086 10d3 020000 00 8086:0000', '01@c8 05@d0 10@e0 11@a0 x0001@100 x0003@140', '20000 20000 20 4000'],
  ['e1000', '8086 100e 020000 03 1af4:1100', '', '20000 40'],
  ['nvme', '1b36 0010 010802 02 1af4:1100', '11@40 10@80 01@60', '4000'],
  ['ich9-ahci', '8086 2922 010601 02 1af4:1100', '05@80 12@a8', '20 1000'],
  ['pcie-root-port', '1b36 000c 060400 00 1b36:0000', '10@54 11@48 0d@40 x0001@100 x000d@148', '1000'],
  ['ioh3420', '8086 3420 060400 02 8086:0000', '10@90 05@60 0d@40 x0001@100', ''],
  ['x3130-upstream', '104c 8232 060400 02 0000:0000', '10@90 0d@80 05@70 x0001@100', ''],
  ['xio3130-downstream', '104c 8233 060400 01 0000:0000', '10@90 0d@80 05@70 x0001@100', ''],
  ['pcie-pci-bridge', '1b36 000e 060400 00 0000:0000', '05@8c 01@84 10@48 0c@40 x0001@100', '100'],
  ['pci-bridge', '1b36 0001 060400 00 0000:0000', '05@4c 04@48 0c@40', '100'],
  ['i82801b11-bridge', '8086 244e 060401 92 0000:0000', '0d@50', ''],
  ['pxb-pcie', '1b36 000b 060000 00 1af4:1100', '', ''],
] as const

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

describe('the catalogue', () => {
  it.each(SEEN)('%s has the identity and BARs that Linux saw', (name, identity, capabilities, bars) => {
    const pci = model(name).pci!
    expect(
      `${hex(pci.vendorId, 4)} ${hex(pci.deviceId, 4)} ${hex(pci.classCode, 6)} ${hex(pci.revision, 2)} ` +
        `${hex(pci.subsystemVendorId, 4)}:${hex(pci.subsystemId, 4)}`,
    ).toBe(identity)
    expect(
      pci.capabilities
        .map(({ id, offset, extended }) => `${extended ? `x${hex(id, 4)}` : hex(id, 2)}@${offset.toString(16)}`)
        .join(' '),
    ).toBe(capabilities)
    expect(pci.bars.map(({ size }) => size.toString(16)).join(' ')).toBe(bars)
  })

  it.each([
    ['virtio-net-pci', 1, 0x1000, 0x020000, 0x40000],
    ['virtio-blk-pci', 2, 0x1001, 0x010000, 0],
    ['virtio-serial-pci', 3, 0x1003, 0x078000, 0],
    ['virtio-rng-pci', 4, 0x1005, 0x00ff00, 0],
    ['virtio-balloon-pci', 5, 0x1002, 0x00ff00, 0],
    ['virtio-scsi-pci', 8, 0x1004, 0x010000, 0],
    ['virtio-iommu-pci', 23, null, 0x00ff00, 0],
  ] as const)('%s is virtio device type %i', (name, type, transitional, classCode, rom) => {
    const { virtio, dma } = model(name)
    expect(virtio).toMatchObject({ type, transitionalDeviceId: transitional, classCode, romSize: rom })
    expect(dma).toBe(true)
  })

  it("knows QEMU's aliases, and the names that fix a virtio device's generation", () => {
    expect(findModel('virtio-blk')?.name).toBe('virtio-blk-pci')
    expect(findModel('ahci')?.name).toBe('ich9-ahci')
    expect(findModel('virtio-net-pci-non-transitional')?.virtio?.mode).toBe('non-transitional')
    expect(propertyNames(model('virtio-net-pci-non-transitional'), '11.1')).not.toContain('disable-legacy')
    // QEMU has no aliases for these: without -pci they are types of another bus, or none.
    for (const name of ['vhost-user-fs', 'virtio-mem']) expect(findModel(name), name).toBeNull()
    for (const name of ['vhost-user-blk', 'virtio-blk-device'])
      expect(model(name)).toMatchObject({ plug: 'virtio-bus' })
    expect(nearestModel('virtio-blk-pcii')).toBe('virtio-blk-pci')
    expect(nearestModel('intel_iommu')).toBe('intel-iommu')
    expect(nearestModel('zzzzzzzzzz')).toBeNull()
  })

  it('says which release has a model, and names the nearest of an unknown one', () => {
    expect(() => requireModel('igb', '7.2')).toThrow(/QEMU 7.2 has no device 'igb'; QEMU 11.1 has/)
    expect(() => requireModel('virtio-blkpci', '11.1', 'argument 3')).toThrow(
      /argument 3: 'virtio-blkpci' is not a valid device model name; did you mean 'virtio-blk-pci'/,
    )
  })

  it('holds only well-formed models', () => {
    for (const { name, pci, virtio, kind, properties, backends, parents } of deviceModels()) {
      for (const bar of [...(pci?.bars ?? []), ...(virtio?.extraBars ?? [])]) {
        expect(Math.log2(bar.size) % 1, `${name} BAR${bar.index}`).toBe(0)
      }
      const slots = (pci?.bars ?? []).flatMap(({ index, kind: bar }) =>
        bar === 'mem64' ? [index, index + 1] : [index],
      )
      expect(new Set(slots).size, `${name}: BARs overlap`).toBe(slots.length)
      expect(Math.max(-1, ...slots), `${name}: at most 6 BARs`).toBeLessThan(pci?.headerType === 1 ? 2 : 6)
      for (const { id, offset, extended } of pci?.capabilities ?? []) {
        expect(offset % 4, `${name} capability 0x${id.toString(16)}`).toBe(0)
        expect(extended ? offset >= 0x100 : offset >= 0x40 && offset < 0x100, name).toBe(true)
        if (extended) expect(pci!.configSize, name).toBe(4096)
      }
      const has = (id: number) => pci?.capabilities.some((one) => one.id === id && !one.extended) ?? false
      expect(has(0x11), `${name}: MSI-X`).toBe((pci?.msixVectors ?? 0) > 0)
      expect(has(0x05), `${name}: MSI`).toBe((pci?.msiVectors ?? 0) > 0)
      expect(pci === null || virtio === null, name).toBe(true)
      if (kind === 'none') expect([pci, virtio], name).toEqual([null, null])
      else if (pci !== null || virtio !== null) expect(parents, name).toContain('pci-device')
      for (const { property } of backends) expect(properties, name).toHaveProperty([property])
      for (const [property, { type, defaults, versions }] of Object.entries(properties)) {
        for (const version of versions) {
          const value = defaults[version]
          if (value === null) continue
          expect(parsePropertyValue(type, value), `${name}.${property}`).toEqual({ value })
        }
      }
    }
  })

  it('describes our own probe as it is', () => {
    const { pci } = model('dmascope-probe')
    const { config } = new DmaProbe()
    const capability = config.read(0x34, 1)
    expect({
      vendorId: config.read(0x00, 2),
      deviceId: config.read(0x02, 2),
      classCode: config.read(0x08, 4) >>> 8,
      subsystemVendorId: config.read(0x2c, 2),
      subsystemId: config.read(0x2e, 2),
      interruptPin: config.read(0x3d, 1),
      capabilities: [{ id: config.read(capability, 1), offset: capability, extended: false }],
      bars: config.bars.filter((bar) => bar !== null).map((bar) => ({ index: bar.bar, size: bar.size })),
    }).toEqual({
      vendorId: pci!.vendorId,
      deviceId: pci!.deviceId,
      classCode: pci!.classCode,
      subsystemVendorId: pci!.subsystemVendorId,
      subsystemId: pci!.subsystemId,
      interruptPin: pci!.interruptPin,
      capabilities: pci!.capabilities,
      bars: pci!.bars.map(({ index, size }) => ({ index, size })),
    })
  })

  it("leaves out PCI Express capabilities on a conventional bus only where QEMU's model does", () => {
    const show = (name: string, bus: 'express' | 'conventional') =>
      capabilitiesOn(model(name).pci!, bus).map(({ id }) => id)
    expect(show('qemu-xhci', 'express')).toEqual([0x11, 0x10])
    expect(show('qemu-xhci', 'conventional')).toEqual([0x11])
    expect(show('e1000e', 'conventional')).toContain(0x10)
  })

  it('sizes the option ROM: 256 KiB for a network card, none with romfile= or rombar=0', () => {
    const net = model('virtio-net-pci')
    expect(romSize(net, {})).toBe(0x40000)
    expect(romSize(net, { romfile: '' })).toBe(0)
    expect(romSize(net, { rombar: 0 })).toBe(0)
    expect(romSize(net, { romsize: 0x80000 })).toBe(0x80000)
    expect(romSize(model('nvme'), {})).toBe(0)
    expect(romSize(model('nvme'), { romfile: 'mine.rom' })).toBe(0x10000)
  })
})

describe('properties', () => {
  it('are read as QEMU reads them', () => {
    expect(
      checkProperties(
        model('virtio-blk-pci'),
        {
          iommu_platform: 'yes',
          'disable-legacy': 'auto',
          'num-queues': '0x10',
          logical_block_size: '4K',
          addr: '1f.2',
        },
        '11.1',
      ),
    ).toEqual({
      iommu_platform: true,
      'disable-legacy': 'auto',
      'num-queues': 16,
      logical_block_size: 4096,
      addr: '1f.2',
    })
    expect(checkProperties(model('virtio-blk-pci'), { rombar: '-1' }, '11.1')).toEqual({ rombar: 0xffff_ffff })
    expect(checkProperties(findModel('scsi-hd')!, { wwn: '0x5000c50015ea71ac' }, '11.1')).toEqual({
      wwn: '0x5000c50015ea71ac',
    })
    expect(checkProperties(model('e1000e'), { mac: '52-54-00-AB-00-01' }, '11.1')).toEqual({ mac: '52:54:00:ab:00:01' })
  })

  it('of an unknown name, release or value are refused by name, with what is allowed', () => {
    const blk = model('virtio-blk-pci')
    expect(() => checkProperties(blk, { iommu_platfrom: 'on' }, '11.1', 'argument 4')).toThrow(
      "argument 4: property 'virtio-blk-pci.iommu_platfrom' not found; did you mean 'iommu_platform'?",
    )
    expect(() => checkProperties(blk, { iommu_platform: 'maybe' }, '11.1')).toThrow(
      "property 'virtio-blk-pci.iommu_platform' does not accept 'maybe'; it takes 'on' or 'off'",
    )
    expect(() => checkProperties(findModel('pxb-pcie')!, { bus_nr: 256 }, '11.1')).toThrow(
      "property 'pxb-pcie.bus_nr' does not accept '256': Parameter 'bus_nr' expects uint8_t; it takes a number of 8 bits",
    )
    expect(codeOf(() => checkProperties(findModel('intel-iommu')!, { fsts: 'on' }, '7.2'))).toBe(
      'MACHINE_PROPERTY_VERSION',
    )
    expect(codeOf(() => checkProperties(blk, { constructor: 'on' }, '11.1'))).toBe('MACHINE_UNKNOWN_PROPERTY')
    expect(codeOf(() => checkProperties(blk, { vectors: '4294967296' }, '11.1'))).toBe('MACHINE_PROPERTY_VALUE')
  })

  it("default as each release does: VT-d's address width is 39 bits in 7.2 and 48 in 11.1", () => {
    const vtd = findModel('intel-iommu')!
    expect(withDefaults(vtd, {}, '7.2')['aw-bits']).toBe(39)
    expect(withDefaults(vtd, {}, '11.1')['aw-bits']).toBe(48)
    expect(withDefaults(vtd, { 'aw-bits': 39 }, '11.1')['aw-bits']).toBe(39)
    expect(withDefaults(vtd, {}, '7.2')).not.toHaveProperty(['fsts'])
  })

  it('sizes: binary units, fractions, hexadecimal; a fraction of a byte is none', () => {
    expect(parseSize('1.5G')).toBe(1610612736)
    expect(parseSize('0x1000')).toBe(4096)
    expect(parseSize('512', 1024 * 1024)).toBe(512 * 1024 * 1024)
    expect(parseSize('1.3')).toBeNull()
    expect(parseSize('-1')).toBeNull()
    expect(parseSize('9999999999G')).toBeNull()
  })

  it('never throw anything but a DmascopeError, whatever is given', () => {
    const value = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.integer(),
      fc.double(),
      fc.boolean(),
    ) as fc.Arbitrary<PropertyValue>
    const anyModel = fc.constantFrom(...deviceModels())
    fc.assert(
      fc.property(
        anyModel,
        fc.nat(),
        fc.string({ maxLength: 8 }),
        value,
        fc.boolean(),
        (one, pick, name, given, known) => {
          const names = propertyNames(one, '11.1')
          const property = known && names.length > 0 ? names[pick % names.length]! : name
          try {
            const read = checkProperties(one, { [property]: given }, '11.1')
            // Reading is idempotent: what came out is accepted again, unchanged.
            expect(checkProperties(one, read, '11.1')).toEqual(read)
          } catch (error) {
            expect(error).toBeInstanceOf(DmascopeError)
          }
        },
      ),
      RUNS,
    )
  })
})
