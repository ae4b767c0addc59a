import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PciDevice } from '../src/iommu/contract.ts'
import { dmaAliases } from '../src/iommu/groups/dma-alias.ts'
import { IommuGroups } from '../src/iommu/groups/iommu-groups.ts'
import { pci } from './iommu-machine.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

// PCI Express device types.
const ENDPOINT = 0
const ROOT_PORT = 4
const UPSTREAM = 5
const DOWNSTREAM = 6
const TO_PCI_BRIDGE = 7
/** QEMU's pcie-root-port offers source validation, request and completion redirect and upstream forwarding, off. */
const ACS = { capability: 0x001d, control: 0 }
const BRIDGE = { headerType: 1 }

const numbersOf = (devices: readonly PciDevice[], acsRequested = true): Record<string, number> => {
  const groups = new IommuGroups(devices, acsRequested)
  return Object.fromEntries(devices.map((device) => [device.id.slice(5), groups.assign(device).group.id]))
}

/** Debian's 6.12 under QEMU 11.1 with root ports, a switch, conventional bridges and multifunction devices. */
function topology(): PciDevice[] {
  const port = (bdf: string, more: Partial<PciDevice> = {}) =>
    pci(bdf, { ...BRIDGE, pcieType: ROOT_PORT, acs: ACS, ...more })
  const rp0 = port('00:02.0')
  const rp1 = port('00:03.0')
  const rp2 = port('00:04.0', { headerType: 0x81 })
  const rp3 = port('00:04.1', { headerType: 0x81 })
  const toPci = pci('00:05.0', { ...BRIDGE, pcieType: TO_PCI_BRIDGE })
  const rp4 = port('00:06.0')
  const ioh = port('00:07.0', { acs: null })
  const dmiBridge = pci('00:09.0', BRIDGE)
  const upstream = pci('06:00.0', { ...BRIDGE, pcieType: UPSTREAM, parent: rp4 })
  const down = [0, 1, 2].map((slot) => pci(`07:0${slot}.0`, { ...BRIDGE, pcieType: DOWNSTREAM, parent: upstream }))
  const below = (parent: PciDevice, bdf: string, more: Partial<PciDevice> = {}) =>
    pci(bdf, { pcieType: ENDPOINT, parent, ...more })
  const pciBridge = pci('0c:01.0', { ...BRIDGE, parent: dmiBridge })
  return [
    pci('00:00.0', { classCode: 0x06_0000 }),
    rp0,
    rp1,
    rp2,
    rp3,
    toPci,
    rp4,
    ioh,
    pci('00:08.0', { headerType: 0x80 }),
    pci('00:08.1'),
    pci('00:08.2'),
    dmiBridge,
    pci('00:1f.0', { classCode: 0x06_0100, headerType: 0x80 }),
    pci('00:1f.2', { headerType: 0x80 }),
    pci('00:1f.3', { headerType: 0x80 }),
    below(rp0, '01:00.0'),
    below(rp1, '02:00.0', { headerType: 0x80 }),
    below(rp1, '02:00.1'),
    below(rp2, '03:00.0'),
    below(rp3, '04:00.0'),
    below(toPci, '05:01.0', { pcieType: null }),
    below(toPci, '05:02.0', { pcieType: null }),
    below(toPci, '05:03.0', { pcieType: null }),
    upstream,
    ...down,
    below(down[0]!, '08:00.0'),
    below(down[1]!, '09:00.0'),
    below(down[2]!, '0a:00.0'),
    below(ioh, '0b:00.0'),
    pciBridge,
    below(pciBridge, '0d:01.0', { pcieType: null }),
  ]
}

describe('pci_device_group', () => {
  it('numbers a large topology as Linux 6.12 did', () => {
    expect(numbersOf(topology())).toEqual({
      '00:00.0': 0,
      '00:02.0': 1,
      '00:03.0': 2,
      // Two functions of one device, each with ACS of its own.
      '00:04.0': 3,
      '00:04.1': 4,
      '00:05.0': 5,
      '00:06.0': 6,
      '00:07.0': 7,
      '00:08.0': 8,
      '00:08.1': 8,
      '00:08.2': 8,
      '00:09.0': 9,
      '00:1f.0': 10,
      '00:1f.2': 10,
      '00:1f.3': 10,
      '01:00.0': 11,
      '02:00.0': 12,
      '02:00.1': 12,
      '03:00.0': 13,
      '04:00.0': 14,
      // Behind a bridge that answers for them.
      '05:01.0': 5,
      '05:02.0': 5,
      '05:03.0': 5,
      '06:00.0': 15,
      '07:00.0': 16,
      '07:01.0': 17,
      '07:02.0': 18,
      // Below downstream ports without ACS.
      '08:00.0': 16,
      '09:00.0': 17,
      '0a:00.0': 18,
      // Below a root port without ACS.
      '0b:00.0': 7,
      '0c:01.0': 9,
      '0d:01.0': 9,
    })
  })

  it('a kernel that did not ask for ACS finds it off, and isolates nothing below root ports', () => {
    const numbers = numbersOf(topology(), false)
    expect(numbers['01:00.0']).toBe(numbers['00:02.0'])
    expect(numbers['00:04.1']).toBe(numbers['00:04.0'])
    expect(numbers['08:00.0']).toBe(numbers['00:06.0'])
  })

  it('ACS that the firmware turned on counts, asked for or not', () => {
    const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT, acs: { capability: 0x1d, control: 0x1d } })
    const disk = pci('01:00.0', { pcieType: ENDPOINT, parent: port })
    expect(numbersOf([port, disk], false)).toEqual({ '00:02.0': 0, '01:00.0': 1 })
  })

  it('says why', () => {
    const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT })
    const groups = new IommuGroups([port], true)
    expect(groups.assign(port).because).toMatch(/nothing that came before/)
    expect(groups.assign(pci('01:00.0', { pcieType: ENDPOINT, parent: port })).because).toBe(
      '0000:00:02.0 above it does not keep its peers apart by ACS',
    )
  })
})

describe('DMA aliases', () => {
  it('ports of PCI Express pass requester IDs on', () => {
    const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT })
    expect(dmaAliases(pci('01:00.0', { pcieType: ENDPOINT, parent: port })).map(({ requester }) => requester)).toEqual([
      0x0100,
    ])
  })

  it('a PCI Express to PCI bridge answers as function 0 of its secondary bus, a conventional one as itself', () => {
    const toPci = pci('00:05.0', { ...BRIDGE, pcieType: TO_PCI_BRIDGE })
    const conventional = pci('05:01.0', { ...BRIDGE, parent: toPci })
    const device = pci('06:03.0', { parent: conventional })
    expect(dmaAliases(device).map(({ requester }) => requester)).toEqual([0x0618, 0x0508, 0x0500])
  })

  it('devices that share an alias share a group, whatever the tree', () => {
    // A tree by parent indices; each function gets a bus below its parent.
    const node = fc.record({
      parent: fc.nat(100),
      type: fc.constantFrom(null, ROOT_PORT, UPSTREAM, DOWNSTREAM, TO_PCI_BRIDGE),
      acs: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 12 }), fc.boolean(), (nodes, acsRequested) => {
        const devices: PciDevice[] = []
        for (const [index, { parent, type, acs }] of nodes.entries()) {
          const above = parent % (devices.length + 1)
          const bridge = above === 0 ? null : devices[above - 1]!
          const bus = above.toString(16).padStart(2, '0')
          const more = { ...BRIDGE, pcieType: type, acs: acs ? ACS : null, parent: bridge }
          devices.push(pci(`${bus}:${(index + 1).toString(16).padStart(2, '0')}.0`, more))
        }
        const groups = new IommuGroups(devices, acsRequested)
        for (const device of devices) groups.assign(device)
        for (const device of devices) {
          for (const alias of dmaAliases(device)) {
            expect(groups.of(device)!.devices).toContain(alias.device)
          }
        }
        expect(groups.groups.flatMap((group) => group.devices).length).toBe(devices.length)
        expect(groups.groups.map(({ id }) => id)).toEqual(groups.groups.map((_, index) => index))
      }),
      { numRuns },
    )
  })
})

describe('what is known of devices beyond their registers', () => {
  const INTEGRATED = 9
  const functions = (bdf: string, more: Partial<PciDevice>, count = 2): PciDevice[] =>
    Array.from({ length: count }, (_, index) => pci(`${bdf}.${index}`, { headerType: 0x80, ...more }))

  it.each([
    ["Intel 82576, QEMU's igb", { vendorId: 0x8086, deviceId: 0x10c9, pcieType: ENDPOINT }, [0, 1]],
    [
      'any integrated endpoint of Intel, such as e1000e on a root bus',
      { vendorId: 0x8086, deviceId: 0x10d3, pcieType: INTEGRATED },
      [0, 1],
    ],
    ['the same behind a port', { vendorId: 0x8086, deviceId: 0x10d3, pcieType: ENDPOINT }, [0, 0]],
    ['integrated endpoints of others', { vendorId: 0x1b36, deviceId: 0x0010, pcieType: INTEGRATED }, [0, 0]],
    ['Solarflare', { vendorId: 0x1924, deviceId: 0x0923, pcieType: ENDPOINT }, [0, 1]],
    ['a device ID between two of a list', { vendorId: 0x8086, deviceId: 0x10ca, pcieType: ENDPOINT }, [0, 0]],
  ] as const)('functions of one device: %s', (_what, more, expected) => {
    expect(Object.values(numbersOf(functions('00:05', more)))).toEqual(expected)
  })

  it.each([
    ['Intel PCH, which the kernel sets up', 0x8086, 0x1c10, null, [0, 1], [0, 0]],
    ['Intel 100 series, with ACS control elsewhere', 0x8086, 0xa110, { capability: 0x1d, control: 0 }, [0, 1], [0, 0]],
    ['ThunderX', 0x177d, 0xa026, null, [0, 1], [0, 1]],
    ['Zhaoxin', 0x1d17, 0x0723, null, [0, 1], [0, 1]],
    ["QEMU's ioh3420", 0x8086, 0x3420, null, [0, 0], [0, 0]],
  ] as const)(
    'below a root port: %s; with ACS asked for, and without',
    (_what, vendorId, deviceId, acs, asked, not) => {
      const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT, vendorId, deviceId, acs })
      const disk = pci('01:00.0', { pcieType: ENDPOINT, parent: port })
      expect(Object.values(numbersOf([port, disk], true))).toEqual(asked)
      expect(Object.values(numbersOf([port, disk], false))).toEqual(not)
    },
  )

  it('a Marvell controller bears the ID of function 1, be that there or not; who has it shares its group', () => {
    const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT, acs: ACS })
    const marvell = { vendorId: 0x1b4b, deviceId: 0x9230, pcieType: ENDPOINT, parent: port }
    const sata = pci('01:00.0', marvell)
    expect(dmaAliases(sata).map(({ requester }) => requester)).toEqual([0x0100, 0x0101])
    expect(numbersOf([port, sata])).toEqual({ '00:02.0': 0, '01:00.0': 1 })
    const ide = pci('01:00.1', { ...marvell, deviceId: 0x91a4, acs: ACS })
    expect(numbersOf([port, { ...sata, acs: ACS, headerType: 0x80 }, ide])).toEqual({
      '00:02.0': 0,
      '01:00.0': 1,
      '01:00.1': 1,
    })
    expect(dmaAliases(pci('01:00.1', marvell)).map(({ requester }) => requester)).toEqual([0x0101])
  })

  it('a Ricoh reader bears the ID of function 0', () => {
    const reader = pci('03:00.3', { vendorId: 0x1180, deviceId: 0xe832, pcieType: ENDPOINT })
    expect(dmaAliases(reader).map(({ requester }) => requester)).toEqual([0x0303, 0x0300])
  })

  it('an Intel 82801 below a port is held for a PCI Express to PCI bridge; on a root bus it answers as itself', () => {
    const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT, acs: ACS })
    const silent = { ...BRIDGE, vendorId: 0x8086, deviceId: 0x244e }
    const below = (bridge: PciDevice): number[] =>
      dmaAliases(pci('02:03.0', { parent: bridge })).map(({ requester }) => requester)
    expect(below(pci('01:00.0', { ...silent, parent: port }))).toEqual([0x0218, 0x0200])
    expect(below(pci('00:1e.0', silent))).toEqual([0x0218, 0x00f0])
    expect(below(pci('01:00.0', { ...silent, deviceId: 0x244f, parent: port }))).toEqual([0x0218, 0x0100])
  })

  it('above a bridge that the IOMMU stands below, nobody takes IDs over', () => {
    const top = pci('00:00.0', { ...BRIDGE, vendorId: 0x14e4, deviceId: 0x9084, pcieType: TO_PCI_BRIDGE })
    expect(dmaAliases(pci('01:00.0', { pcieType: ENDPOINT, parent: top })).map(({ requester }) => requester)).toEqual([
      0x0100,
    ])
  })
})
