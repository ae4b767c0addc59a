import { deviceModel, io, mem, pciModel } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import { uint32, uint64 } from '../property-specs.ts'

const MIB = 0x10_0000
const SUN = 0x108e
const BRIDGE_CLASS = 0x060400

/** What a sun4u has on its board. */
export const sun4uModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'pbm-bridge',
    kind: 'bridge',
    plug: 'built-in',
    bridge: { secondary: 'conventional', slots: 32, acs: false },
    pci: pciModel({
      ids: [SUN, 0x5000],
      classCode: BRIDGE_CLASS,
      revision: 0x11,
      subsystemVendorId: 0,
      subsystemId: 0,
      headerType: 1,
      interruptPin: 0,
    }),
  }),
  deviceModel({
    name: 'ebus',
    kind: 'serial',
    plug: 'built-in',
    pci: pciModel({
      ids: [SUN, 0x1000],
      classCode: 0x068000,
      revision: 1,
      interruptPin: 0,
      bars: [mem(0, 16 * MIB), io(1, 0x8000)],
    }),
    properties: { 'console-serial-base': uint64(0) },
  }),
  deviceModel({
    name: 'sunhme',
    kind: 'network',
    dma: true,
    pci: pciModel({ ids: [SUN, 0x1001], classCode: 0x020000, bars: [mem(0, 0x8000)] }),
  }),
  deviceModel({
    name: 'cmd646-ide',
    kind: 'ahci',
    dma: true,
    pci: pciModel({
      ids: [0x1095, 0x0646],
      classCode: 0x01018f,
      revision: 7,
      bars: [io(0, 8), io(1, 4), io(2, 8), io(3, 4), io(4, 16)],
    }),
    properties: { secondary: uint32(0) },
  }),
]
