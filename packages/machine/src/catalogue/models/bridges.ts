import { deviceModel, mem64, pciModel } from '../build-model.ts'
import type { BridgeModel, DeviceModel } from '../model.ts'
import {
  bearing,
  off,
  on,
  oneOf,
  only,
  onOffAuto,
  type PropertyList,
  size,
  uint8,
  uint16,
  uint32,
} from '../property-specs.ts'

const EXPRESS_PORT: BridgeModel = { secondary: 'express', slots: 1, acs: false }
const CONVENTIONAL: BridgeModel = { secondary: 'conventional', slots: 32, acs: false }

/** Slots of PCI Express ports: numbers, hotplug, link. */
const PCIE_PORT: PropertyList = {
  port: bearing(uint8(0)),
  aer_log_max: uint16(8),
}
const PCIE_SLOT: PropertyList = {
  ...PCIE_PORT,
  chassis: bearing(uint8(0)),
  slot: bearing(uint16(0)),
  hotplug: bearing(on),
  'x-do-not-expose-native-hotplug-cap': only('11.1', bearing(off)),
  'x-native-hotplug': only('7.2', bearing(on)),
  power_controller_present: on,
}
/** Of root ports: QEMU's `pcie-root-port-base`. */
const ROOT_PORT: PropertyList = { ...PCIE_SLOT, 'disable-acs': only('7.2', bearing(off)) }
const LINK: PropertyList = {
  'x-speed': bearing(oneOf('16', ['2_5', '5', '8', '16', '32', '64'])),
  'x-width': bearing(oneOf('32', ['1', '2', '4', '8', '12', '16', '32'])),
}

/** Windows that firmware is asked to keep free below a port. */
const RESERVES: PropertyList = {
  'bus-reserve': bearing(uint32(null)),
  'io-reserve': bearing(size(null)),
  'mem-reserve': bearing(size(null)),
  'pref32-reserve': bearing(size(null)),
  'pref64-reserve': bearing(size(null)),
}

const BRIDGE_CLASS = 0x060400

const shpcBridge = { chassis_nr: bearing(uint8(0)), msi: bearing(onOffAuto('auto')), shpc: bearing(on) }
/** The slot numbering capability needs one above 0. */
const CHASSIS = {
  chassis_nr: 'Bridge chassis not specified. Each bridge is required to be assigned a unique chassis id > 0.',
}
const PXB: PropertyList = {
  bus_nr: bearing(uint8(0)),
  numa_node: bearing(uint16(0xffff)),
  bypass_iommu: bearing(off),
}

/** Ports, switches, bridges and expander buses. */
export const bridgeModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'pcie-root-port',
    kind: 'root-port',
    parents: ['pcie-slot', 'pcie-port', 'pcie-root-port-base', 'pci-bridge-base'],
    bridge: { ...EXPRESS_PORT, acs: true },
    pci: pciModel({
      ids: [0x1b36, 0x000c],
      classCode: BRIDGE_CLASS,
      subsystemVendorId: 0x1b36,
      subsystemId: 0,
      headerType: 1,
      nature: 'express',
      bars: [{ index: 0, kind: 'mem32', prefetchable: false, size: 4096 }],
      msixVectors: 1,
      caps: '10@54,11@48,0d@40,x0001@100,x000d@148',
    }),
    properties: { ...ROOT_PORT, ...LINK, ...RESERVES, 'x-migrate-msix': only('7.2', on) },
  }),
  deviceModel({
    name: 'ioh3420',
    kind: 'root-port',
    parents: ['pcie-slot', 'pcie-port', 'pcie-root-port-base'],
    bridge: EXPRESS_PORT,
    pci: pciModel({
      ids: [0x8086, 0x3420],
      classCode: BRIDGE_CLASS,
      revision: 2,
      subsystemVendorId: 0x8086,
      subsystemId: 0,
      headerType: 1,
      nature: 'express',
      msiVectors: 2,
      caps: '10@90,05@60,0d@40,x0001@100',
    }),
    properties: ROOT_PORT,
  }),
  deviceModel({
    name: 'x3130-upstream',
    kind: 'upstream-port',
    parents: ['pcie-port'],
    bridge: { secondary: 'express', slots: 32, acs: false },
    pci: pciModel({
      ids: [0x104c, 0x8232],
      classCode: BRIDGE_CLASS,
      revision: 2,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      interruptPin: 0,
      nature: 'express',
      msiVectors: 2,
      caps: '10@90,0d@80,05@70,x0001@100',
    }),
    properties: PCIE_PORT,
  }),
  deviceModel({
    name: 'xio3130-downstream',
    kind: 'downstream-port',
    parents: ['pcie-slot', 'pcie-port'],
    bridge: EXPRESS_PORT,
    pci: pciModel({
      ids: [0x104c, 0x8233],
      classCode: BRIDGE_CLASS,
      revision: 1,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      interruptPin: 0,
      nature: 'express',
      msiVectors: 2,
      caps: '10@90,0d@80,05@70,x0001@100',
    }),
    properties: PCIE_SLOT,
  }),
  deviceModel({
    name: 'pcie-pci-bridge',
    kind: 'bridge',
    parents: ['pci-bridge-base'],
    bridge: CONVENTIONAL,
    pci: pciModel({
      ids: [0x1b36, 0x000e],
      classCode: BRIDGE_CLASS,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      nature: 'express',
      bars: [mem64(0, 256)],
      msiVectors: 1,
      caps: '05@8c,01@84,10@48,0c@40,x0001@100',
    }),
    properties: { msi: bearing(onOffAuto('auto')) },
  }),
  deviceModel({
    name: 'pci-bridge',
    kind: 'bridge',
    parents: ['pci-bridge-base'],
    bridge: CONVENTIONAL,
    pci: pciModel({
      ids: [0x1b36, 0x0001],
      classCode: BRIDGE_CLASS,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      bars: [mem64(0, 256)],
      msiVectors: 1,
      caps: '05@4c,04@48,0c@40',
    }),
    properties: { ...shpcBridge, ...RESERVES },
    required: CHASSIS,
  }),
  deviceModel({
    name: 'i82801b11-bridge',
    kind: 'bridge',
    parents: ['pci-bridge-base'],
    bridge: CONVENTIONAL,
    pci: pciModel({
      ids: [0x8086, 0x244e],
      classCode: 0x060401,
      revision: 0x92,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      interruptPin: 0,
      caps: '0d@50',
    }),
  }),
  deviceModel({
    name: 'pxb',
    kind: 'host-bridge',
    plug: 'root',
    bridge: CONVENTIONAL,
    pci: pciModel({ ids: [0x1b36, 0x0009], classCode: 0x060000, interruptPin: 0 }),
    properties: PXB,
  }),
  deviceModel({
    name: 'pxb-pcie',
    kind: 'host-bridge',
    plug: 'root',
    parents: ['pxb'],
    bridge: { secondary: 'express', slots: 32, acs: false },
    pci: pciModel({ ids: [0x1b36, 0x000b], classCode: 0x060000, interruptPin: 0 }),
    properties: PXB,
  }),
  deviceModel({
    name: 'pci-bridge-seat',
    kind: 'bridge',
    parents: ['pci-bridge', 'pci-bridge-base'],
    bridge: CONVENTIONAL,
    pci: pciModel({
      ids: [0x1b36, 0x000a],
      classCode: BRIDGE_CLASS,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      bars: [mem64(0, 256)],
      msiVectors: 1,
      caps: '05@4c,04@48,0c@40',
    }),
    properties: { ...shpcBridge, ...RESERVES },
    required: CHASSIS,
  }),
]
