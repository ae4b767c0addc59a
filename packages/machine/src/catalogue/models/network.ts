import { NIC_PROPERTIES } from '../base-properties.ts'
import { deviceModel, io, mem, mem64, NETDEV, NIC_ROM, pciModel, SINCE_8 } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import { all, bearing, off, on, type PropertyList, uint8, uint16 } from '../property-specs.ts'

const KiB = 1024
const ETHERNET = 0x020000
const INTEL = 0x8086

const nic = (input: Parameters<typeof deviceModel>[0]): DeviceModel =>
  deviceModel({
    dma: true,
    backends: [NETDEV],
    ...input,
    properties: { ...NIC_PROPERTIES, ...input.properties },
  })

const E1000: PropertyList = {
  extra_mac_registers: on,
  migrate_tso_props: on,
  'init-vet': on,
}

/** QEMU makes one class per chip of the 82540 family. */
const e1000 = (name: string, deviceId: number, revision: number, aliases: readonly string[]): DeviceModel =>
  nic({
    name,
    aliases,
    kind: 'network',
    parents: ['e1000-base'],
    pci: pciModel({
      ids: [INTEL, deviceId],
      classCode: ETHERNET,
      revision,
      bars: [mem(0, 128 * KiB), io(1, 64)],
      romSize: NIC_ROM,
    }),
    properties: E1000,
  })

/** The 8255x family: device ID, revision, and whether it has power management. */
const EEPRO100 = [
  ['i82550', 0x1209, 0x0e, true],
  ['i82551', 0x1209, 0x0f, true],
  ['i82557a', 0x1229, 0x01, false],
  ['i82557b', 0x1229, 0x02, false],
  ['i82557c', 0x1229, 0x03, false],
  ['i82558a', 0x1229, 0x04, true],
  ['i82558b', 0x1229, 0x05, true],
  ['i82559a', 0x1229, 0x06, true],
  ['i82559b', 0x1229, 0x07, true],
  ['i82559c', 0x1229, 0x0c, true],
  ['i82559er', 0x1209, 0x09, true],
  ['i82562', 0x1209, 0x0e, true],
  ['i82801', 0x2449, 0x03, true],
] as const

/** Network cards that are not virtio. */
export const networkModels = (): readonly DeviceModel[] => [
  e1000('e1000', 0x100e, 0x03, ['e1000-82540em']),
  e1000('e1000-82544gc', 0x100c, 0x03, []),
  e1000('e1000-82545em', 0x100f, 0x03, []),
  nic({
    name: 'e1000e',
    kind: 'network',
    pci: pciModel({
      ids: [INTEL, 0x10d3],
      classCode: ETHERNET,
      subsystemVendorId: INTEL,
      subsystemId: 0,
      nature: 'express',
      bars: [mem(0, 128 * KiB), mem(1, 128 * KiB), io(2, 32), mem(3, 16 * KiB)],
      caps: '01@c8,05@d0,10@e0,11@a0,x0001@100,x0003@140',
      msixVectors: 5,
      msixBar: 3,
      msiVectors: 1,
      romSize: NIC_ROM,
      dmaBits: 64,
    }),
    properties: {
      disable_vnet_hdr: off,
      subsys_ven: bearing(uint16(INTEL)),
      subsys: bearing(uint16(0)),
      'init-vet': on,
      'migrate-timadj': on,
    },
  }),
  nic({
    name: 'igb',
    kind: 'network',
    versions: SINCE_8,
    pci: pciModel({
      ids: [INTEL, 0x10c9],
      classCode: ETHERNET,
      revision: 1,
      nature: 'express',
      bars: [mem(0, 128 * KiB), mem(1, 128 * KiB), io(2, 32), mem64(3, 16 * KiB)],
      caps: '01@40,05@50,11@70,10@a0,x0001@100,x000e@150',
      msixVectors: 10,
      msixBar: 3,
      msiVectors: 1,
      dmaBits: 64,
    }),
    properties: { 'x-pcie-flr-init': bearing(on) },
  }),
  nic({
    name: 'rtl8139',
    kind: 'network',
    pci: pciModel({
      ids: [0x10ec, 0x8139],
      classCode: ETHERNET,
      revision: 0x20,
      bars: [io(0, 256), mem(1, 256)],
      romSize: NIC_ROM,
    }),
  }),
  // Data goes through its port: it masters no memory.
  nic({
    name: 'ne2k_pci',
    kind: 'network',
    dma: false,
    pci: pciModel({ ids: [0x10ec, 0x8029], classCode: ETHERNET, bars: [io(0, 256)], romSize: NIC_ROM }),
  }),
  nic({
    name: 'pcnet',
    kind: 'network',
    pci: pciModel({
      ids: [0x1022, 0x2000],
      classCode: ETHERNET,
      revision: 0x10,
      subsystemVendorId: 0,
      subsystemId: 0,
      bars: [io(0, 32), mem(1, 32)],
      romSize: NIC_ROM,
    }),
  }),
  nic({
    name: 'tulip',
    kind: 'network',
    pci: pciModel({
      ids: [0x1011, 0x0019],
      classCode: ETHERNET,
      subsystemVendorId: 0x103c,
      subsystemId: 0x104f,
      bars: [io(0, 128), mem(1, 128)],
    }),
  }),
  ...EEPRO100.map(([name, deviceId, revision, powerManagement]) =>
    nic({
      name,
      kind: 'network',
      pci: pciModel({
        ids: [INTEL, deviceId],
        classCode: ETHERNET,
        revision,
        ...(name === 'i82559c' ? { subsystemVendorId: INTEL, subsystemId: 0x0040 } : {}),
        bars: [mem(0, 4 * KiB, true), io(1, 64), mem(2, 128 * KiB)],
        caps: powerManagement ? '01@dc' : '',
        romSize: NIC_ROM,
      }),
    }),
  ),
  nic({
    name: 'vmxnet3',
    kind: 'network',
    pci: pciModel({
      ids: [0x15ad, 0x07b0],
      classCode: ETHERNET,
      revision: 1,
      subsystemVendorId: 0x15ad,
      subsystemId: 0x07b0,
      nature: 'either',
      bars: [mem(0, 4 * KiB), mem(1, 4 * KiB), mem(2, 8 * KiB)],
      configSize: 4096,
      caps: '10@48,05@84,11@9c,x0003@100',
      msixVectors: 25,
      msixBar: 2,
      msiVectors: 1,
      romSize: NIC_ROM,
      dmaBits: 64,
    }),
    properties: all(off, 'x-old-msi-offsets', 'x-disable-pcie'),
  }),
  nic({
    name: 'rocker',
    kind: 'network',
    pci: pciModel({
      ids: [0x1b36, 0x0006],
      classCode: 0x028000,
      bars: [mem(0, 8 * KiB), mem(1, 4 * KiB)],
      caps: '11@40',
      msixVectors: 6,
      msixBar: 1,
      dmaBits: 64,
    }),
    backends: [],
    properties: { ports: uint8(null) },
  }),
]
