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
/** QEMU's pcie-root-port offers source validation, request and completion redirect and upstream forwarding. The kernel turned them on. */
const ACS = { capability: 0x001d, control: 0x001d }
const BRIDGE = { headerType: 1 }

const numbersOf = (devices: readonly PciDevice[], acsRequested = true): Record<string, number> => {
  const groups = new IommuGroups(devices, acsRequested)
  return Object.fromEntries(devices.map((device) => [device.id.slice(5), groups.assign(device).group.id]))
}

/** Debian's 6.12 under QEMU 11.1 with root ports, a switch, conventional bridges and multifunction devices. */
function topology(control = ACS.control): PciDevice[] {
  const port = (bdf: string, more: Partial<PciDevice> = {}) =>
    pci(bdf, { ...BRIDGE, pcieType: ROOT_PORT, acs: { ...ACS, control }, ...more })
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
    const numbers = numbersOf(topology(0), false)
    expect(numbers['01:00.0']).toBe(numbers['00:02.0'])
    expect(numbers['00:04.1']).toBe(numbers['00:04.0'])
    expect(numbers['08:00.0']).toBe(numbers['00:06.0'])
  })

  it('a port that keeps but one of its services isolates nothing, though the kernel asked for ACS', () => {
    const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT, acs: { capability: 0x1d, control: 0x04 } })
    const disk = pci('01:00.0', { pcieType: ENDPOINT, parent: port })
    expect(numbersOf([port, disk])).toEqual({ '00:02.0': 0, '01:00.0': 0 })
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

  it.each([
    ['Qualcomm', 0x17cb, [0x0111, 0x0115, 0x0120, 0x0400, 0x0401], [0x0110, 0x0402]],
    ['HXT', 0x1dbf, [0x0401], [0x0400]],
    ['NXP LX2', 0x1957, [0x8d80, 0x8d83, 0x8d88, 0x8d9b, 0x8da0, 0x8da1, 0x8db9], [0x8d84, 0x8da2, 0x8dba]],
    ['ThunderX', 0x177d, [0xa000, 0xa7ff, 0xaf84, 0xb884], [0x9fff, 0xa800, 0xaf85]],
    ['X-Gene', 0x10e8, [0xe004], [0xe005]],
    ['Ampere', 0x1def, [0xe005, 0xe00c], [0xe004, 0xe00d]],
    ['Broadcom iProc', 0x14e4, [0xd714], [0xd715]],
    ['Loongson', 0x0014, [0x3c09, 0x7a69], [0x7a79]],
    ['Annapurna Labs', 0x1c36, [0x0031], [0x0032]],
    ['Zhaoxin', 0x1d17, [0x0710, 0x071e, 0x0721, 0x0723, 0x0752], [0x071f, 0x0722, 0x0753]],
    ['Intel PCHs', 0x8086, [0x3b42, 0x3b51, 0x1d1e, 0x8d1e, 0x9c9b, 0x8c9e], [0x3b52, 0x1d11, 0x9c9c, 0x8c9f]],
  ] as const)('root ports without ACS that keep peers apart: %s', (_vendor, vendorId, known, unknown) => {
    const groupsBelow = (deviceId: number): number[] => {
      const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT, vendorId, deviceId })
      return Object.values(numbersOf([port, pci('01:00.0', { pcieType: ENDPOINT, parent: port })]))
    }
    expect(known.map(groupsBelow)).toEqual(known.map(() => [0, 1]))
    expect(unknown.map(groupsBelow)).toEqual(unknown.map(() => [0, 0]))
  })

  it.each([
    ['Broadcom', 0x14e4, [0x16d7, 0x1750, 0x1752, 0x1760, 0x1763], [0x1753, 0x1764]],
    ['Emulex BE3-R', 0x19a2, [0x0710], [0x0720]],
    ['Emulex Skyhawk-R', 0x10df, [0x0720], [0x0710]],
    ['Cavium', 0x177d, [0xa026, 0xa059, 0xa060], [0xa027]],
    ['Zhaoxin', 0x1d17, [0x3038, 0x3104, 0x9083], [0x3039]],
    ['Wangxun', 0x8088, [0x0100, 0x010f, 0x1001, 0x2001, 0x5010, 0x5040, 0x5110, 0x5140], [0x0110, 0x5111]],
    [
      'Intel, 82598 to I219',
      0x8086,
      [0x10c6, 0x10fc, 0x1558, 0x1511, 0x1526, 0x10d6, 0x1524, 0x15b8],
      [0x10fd, 0x15b9],
    ],
  ] as const)('functions without ACS that keep apart: %s', (_vendor, vendorId, known, unknown) => {
    const groupsOf = (deviceId: number): number[] =>
      Object.values(numbersOf(functions('01:00', { vendorId, deviceId, pcieType: ENDPOINT })))
    expect(known.map(groupsOf)).toEqual(known.map(() => [0, 1]))
    expect(unknown.map(groupsOf)).toEqual(unknown.map(() => [0, 0]))
  })

  it.each([
    ['a Zhaoxin root port of later years', 0x1d17, 0x0760, ROOT_PORT],
    ['a Zhaoxin downstream port of later years', 0x1d17, 0x0760, DOWNSTREAM],
  ] as const)('ACS that is there and enabled is not believed: %s', (_what, vendorId, deviceId, pcieType) => {
    const acs = { capability: 0x1d, control: 0x1d }
    const groupsBelow = (more: Partial<PciDevice>): number[] => {
      const port = pci('00:02.0', { ...BRIDGE, vendorId, deviceId, pcieType, acs, ...more })
      return Object.values(numbersOf([port, pci('01:00.0', { pcieType: ENDPOINT, parent: port })]))
    }
    expect(groupsBelow({})).toEqual([0, 0])
    expect(groupsBelow({ vendorId: 0x1d18 })).toEqual([0, 1])
  })

  it('nor that of a Wangxun device that is on no list', () => {
    const acs = { capability: 0x0c, control: 0x0c }
    const card = (vendorId: number): number[] =>
      Object.values(numbersOf(functions('01:00', { vendorId, deviceId: 0x3001, pcieType: ENDPOINT, acs })))
    expect(card(0x8088)).toEqual([0, 0])
    expect(card(0x8089)).toEqual([0, 1])
  })

  it("functions of AMD's southbridge are apart beside an IVRS, but for those that are on no list", () => {
    const amd = (bdf: string, deviceId: number, more: Partial<PciDevice> = {}) =>
      pci(bdf, { vendorId: 0x1002, deviceId, headerType: 0x80, ...more })
    const bridge = amd('00:14.4', 0x4384, { headerType: 0x81 })
    const board = [
      amd('00:12.0', 0x4397),
      amd('00:12.2', 0x4396),
      amd('00:14.0', 0x4385),
      amd('00:14.1', 0x439c),
      amd('00:14.2', 0x4383),
      amd('00:14.3', 0x439d),
      bridge,
      amd('00:14.5', 0x4399),
      // One alone is no function of several.
      amd('00:15.0', 0x4399, { headerType: 0 }),
      pci('01:05.0', { parent: bridge }),
    ]
    const numbers = (ivrs: boolean): number[] => {
      const groups = new IommuGroups(board, true, ivrs)
      return board.map((device) => groups.assign(device).group.id)
    }
    expect(numbers(true)).toEqual([0, 0, 1, 2, 3, 4, 5, 6, 7, 5])
    expect(numbers(false)).toEqual([0, 0, 1, 1, 1, 1, 1, 1, 2, 1])
    // Below another bus they are as any other.
    const port = pci('00:03.0', { ...BRIDGE, pcieType: ROOT_PORT, acs: ACS })
    const deeper = ['02:00.0', '02:00.1'].map((bdf) => amd(bdf, 0x4385, { pcieType: ENDPOINT, parent: port }))
    const groups = new IommuGroups(deeper, true, true)
    expect(deeper.map((device) => groups.assign(device).group.id)).toEqual([0, 0])
  })

  it('an Adaptec 3405 bears the ID of a device that nobody sees, and its bridge takes over', () => {
    const port = pci('00:02.0', { ...BRIDGE, pcieType: ROOT_PORT, acs: ACS })
    const bridge = pci('01:00.0', {
      ...BRIDGE,
      vendorId: 0x8086,
      deviceId: 0x0370,
      pcieType: TO_PCI_BRIDGE,
      parent: port,
    })
    const raid = { vendorId: 0x9005, deviceId: 0x0285, subsystemVendorId: 0x9005, subsystemId: 0x02bb, parent: bridge }
    const requesters = (more: Partial<PciDevice>): number[] =>
      dmaAliases(pci('02:0e.0', { ...raid, ...more })).map(({ requester }) => requester)
    expect(requesters({})).toEqual([0x0270, 0x0208, 0x0200])
    expect(requesters({ subsystemId: 0x02bc })).toEqual([0x0270, 0x0208, 0x0200])
    // An Adaptec 5405: the same chip, another card.
    expect(requesters({ subsystemId: 0x02d6 })).toEqual([0x0270, 0x0200])
  })

  it('non-transparent bridges bear the IDs of all that they pass on', () => {
    const requesters = (vendorId: number, deviceId: number): readonly number[] =>
      dmaAliases(pci('03:00.1', { vendorId, deviceId, pcieType: ENDPOINT })).map(({ requester }) => requester)
    expect(requesters(0x8086, 0x2264)).toEqual([0x0301, 0x0380, 0x0388, 0x0393])
    const vca = requesters(0x8086, 0x2956)
    expect([vca.length, vca.slice(0, 7), vca.at(-1)]).toEqual([
      160,
      [0x0301, 0x0300, 0x0302, 0x0303, 0x0304, 0x0308, 0x0309],
      0x03fc,
    ])
    expect(requesters(0x8086, 0x2957)).toEqual([0x0301])
    const plx = requesters(0x10b5, 0x87b0)
    expect([plx.length, new Set(plx).size, plx[0], plx[1], plx.at(-1)]).toEqual([256, 256, 0x0301, 0x0300, 0x03ff])
  })

  it('whoever stands on the bus of one share its group, in either order, and so do the functions beside them', () => {
    const upstream = pci('01:00.0', { ...BRIDGE, pcieType: UPSTREAM })
    const below = { pcieType: DOWNSTREAM, parent: upstream, acs: ACS }
    const ntb = pci('02:01.0', { ...below, vendorId: 0x10b5, deviceId: 0x87b0 })
    const port = pci('02:05.0', below)
    // Not isolated from one another; the second is seen through the first alone.
    const pair = functions('02:06', { ...below, acs: null })
    expect(numbersOf([ntb, port])).toEqual({ '02:01.0': 0, '02:05.0': 0 })
    expect(numbersOf([port, ntb])).toEqual({ '02:05.0': 0, '02:01.0': 0 })
    expect(numbersOf([pair[1]!, ntb])).toEqual({ '02:06.1': 0, '02:01.0': 0 })
    const mic = pci('02:01.0', { ...ntb, vendorId: 0x8086, deviceId: 0x2260 })
    const aliased = pci('02:10.0', { ...below, acs: null, headerType: 0x80 })
    const beside = pci('02:10.3', { ...below, acs: null, headerType: 0x80 })
    // The alias 02:10.0 has no group yet, but the function beside it has one.
    const groups = new IommuGroups([mic, aliased, beside], true)
    expect([beside, mic, aliased].map((device) => groups.assign(device).group.id)).toEqual([0, 0, 0])
    const other = new IommuGroups([mic, { ...aliased, acs: ACS }, beside], true)
    expect([beside, mic].map((device) => other.assign(device).group.id)).toEqual([0, 1])
  })

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
