import { deviceModel, pciModel } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import { bearing, off, on, uint32, uint64 } from '../property-specs.ts'

const BRIDGE_CLASS = 0x060400

/** What only QEMU's machines with OPAL have: a host bridge, and the port that stands on its bus. */
export const powernvModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'pnv-phb',
    kind: 'pci-host',
    plug: 'platform',
    properties: {
      'chip-id': bearing(uint32(0)),
      index: bearing(uint32(0)),
      version: uint64(0),
      'x-config-reg-migration-enabled': on,
      'bypass-iommu': bearing(off),
    },
  }),
  deviceModel({
    name: 'pnv-phb-root-port',
    kind: 'root-port',
    bridge: { secondary: 'express', slots: 1, acs: false },
    pci: pciModel({
      ids: [0x1014, 0x04c1],
      classCode: BRIDGE_CLASS,
      revision: 0,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      interruptPin: 0,
      nature: 'express',
      bars: [],
      caps: '10@48,x0001@100',
    }),
    properties: { version: uint32(0) },
  }),
]
