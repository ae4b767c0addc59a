import {
  DMA_PROBE_BAR_BYTES,
  DMA_PROBE_CLASS_CODE,
  DMA_PROBE_DEVICE_ID,
  DMA_PROBE_VENDOR_ID,
} from '@dmascope/virtio-devices/spec'
import { backend, deviceModel, io, mem, mem64, pciModel, SINCE_8 } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import {
  all,
  bearing,
  int32,
  off,
  on,
  oneOf,
  only,
  onOffAuto,
  type PropertyList,
  size,
  text,
  uint8,
  uint32,
  uint64,
} from '../property-specs.ts'

const KiB = 1024
const OTHERS = 0x00ff00

/**
 * A passed-through function has the IDs of the host's device, which a command line does not tell: unless given
 * (`x-pci-vendor-id`, ...), it is shown with this stand-in, an Intel 82599 virtual function.
 */
const STAND_IN = pciModel({
  ids: [0x8086, 0x10ed],
  classCode: 0x020000,
  revision: 1,
  subsystemVendorId: 0x8086,
  subsystemId: 0,
  interruptPin: 0,
  nature: 'either',
  configSize: 4096,
  bars: [mem64(0, 16 * KiB, true), mem64(3, 16 * KiB, true)],
  caps: '11@70,10@a0,x0001@100,x000e@150',
  msixVectors: 3,
  msixBar: 3,
  dmaBits: 64,
})

const VFIO: PropertyList = {
  host: bearing(text),
  sysfsdev: bearing(text),
  'vf-token': text,
  fd: only('11.1', text),
  iommufd: only('11.1', text),
  display: onOffAuto('off'),
  ramfb: off,
  xres: uint32(0),
  yres: uint32(0),
  bootindex: int32(-1),
  'enable-migration': onOffAuto('auto'),
  ...all(
    off,
    'x-igd-opregion',
    'x-igd-lpc',
    'x-intx-mmap-timeout-off',
    'x-no-kvm-intx',
    'x-no-kvm-msi',
    'x-no-kvm-msix',
    'x-no-mmap',
    'x-req',
    'x-vga',
    'x-no-geforce-quirks',
    'x-no-kvm-ioeventfd',
    'x-no-vfio-ioeventfd',
    'x-balloon-allowed',
    'x-pre-copy-dirty-page-tracking',
  ),
  'x-intx-mmap-timeout-ms': uint32(1100),
  ...all(bearing(uint32(null)), 'x-pci-vendor-id', 'x-pci-device-id', 'x-pci-sub-vendor-id', 'x-pci-sub-device-id'),
  'x-pci-class-code': only('11.1', bearing(uint32(null))),
  'x-igd-gms': uint32(0),
  'x-nv-gpudirect-clique': uint8(null),
  'x-msix-relocation': bearing(oneOf('off', ['off', 'auto', 'bar0', 'bar1', 'bar2', 'bar3', 'bar4', 'bar5'])),
}

const vfio = (name: string): DeviceModel =>
  deviceModel({
    name,
    kind: 'vfio',
    dma: true,
    parents: ['vfio-pci'],
    pci: STAND_IN,
    properties: VFIO,
    required: { 'host|sysfsdev|fd': 'No provided host device' },
  })

const serial = (name: string, deviceId: number, size: number, properties: PropertyList): DeviceModel =>
  deviceModel({
    name,
    kind: 'serial',
    pci: pciModel({ ids: [0x1b36, deviceId], classCode: 0x070002, revision: 1, bars: [io(0, size)] }),
    properties: { prog_if: bearing(uint8(2)), ...properties },
  })

/** Test devices, passed-through ones, our own probe, and what is none of the other groups. */
export const testAndOtherModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'edu',
    kind: 'test',
    dma: true,
    pci: pciModel({
      ids: [0x1234, 0x11e8],
      classCode: OTHERS,
      revision: 0x10,
      bars: [mem(0, KiB * KiB)],
      caps: '05@40',
      msiVectors: 1,
      // It drops address bits above this mask, which a property sets.
      dmaBits: 28,
    }),
    properties: { dma_mask: bearing(uint64(0x0fff_ffff)) },
  }),
  deviceModel({
    name: 'pci-testdev',
    kind: 'test',
    pci: pciModel({ ids: [0x1b36, 0x0005], classCode: OTHERS, interruptPin: 0, bars: [mem(0, 4 * KiB), io(1, 256)] }),
    properties: { membar: bearing(size(0)), 'membar-backed': only('11.1', off) },
  }),
  deviceModel({
    name: 'iommu-testdev',
    kind: 'test',
    versions: SINCE_8,
    dma: true,
    pci: pciModel({ ids: [0x1b36, 0x0005], classCode: OTHERS, interruptPin: 0, bars: [mem(0, 4 * KiB)], dmaBits: 64 }),
  }),
  deviceModel({
    name: 'ivshmem-plain',
    kind: 'shared-memory',
    parents: ['ivshmem-common'],
    backends: [backend('memdev', 'object', null, "You must specify a 'memdev'")],
    pci: pciModel({
      ids: [0x1af4, 0x1110],
      classCode: 0x050000,
      revision: 1,
      interruptPin: 0,
      bars: [mem(0, 256), mem64(2, 4 * KiB * KiB, true)],
    }),
    properties: { master: onOffAuto('off') },
  }),
  deviceModel({
    name: 'ivshmem-doorbell',
    kind: 'shared-memory',
    parents: ['ivshmem-common'],
    backends: [backend('chardev', 'chardev', null, "You must specify a 'chardev'")],
    pci: pciModel({
      ids: [0x1af4, 0x1110],
      classCode: 0x050000,
      revision: 1,
      bars: [mem(0, 256), mem(1, 4 * KiB), mem64(2, 4 * KiB * KiB, true)],
      caps: '11@40',
      msixVectors: 1,
      msixBar: 1,
    }),
    properties: { vectors: bearing(uint32(1)), ioeventfd: on, master: onOffAuto('off') },
  }),
  deviceModel({
    name: 'i6300esb',
    kind: 'watchdog',
    pci: pciModel({ ids: [0x8086, 0x25ab], classCode: 0x088000, interruptPin: 0, bars: [mem(0, 16)] }),
  }),
  deviceModel({
    name: 'pvpanic-pci',
    kind: 'watchdog',
    pci: pciModel({ ids: [0x1b36, 0x0011], classCode: 0x088000, revision: 1, interruptPin: 0, bars: [mem(0, 16)] }),
    properties: { events: uint8(null) },
  }),
  serial('pci-serial', 0x0002, 8, { chardev: text }),
  serial('pci-serial-2x', 0x0003, 16, { chardev1: text, chardev2: text }),
  serial('pci-serial-4x', 0x0004, 32, { chardev1: text, chardev2: text, chardev3: text, chardev4: text }),
  vfio('vfio-pci'),
  vfio('vfio-pci-nohotplug'),
  deviceModel({
    name: 'vfio-user-pci',
    kind: 'vfio',
    versions: SINCE_8,
    dma: true,
    where: 'vhost-user',
    pci: STAND_IN,
    properties: {
      ...VFIO,
      socket: bearing(text),
      'x-send-queued': off,
      'x-msg-timeout': uint32(5000),
      'no-post': off,
    },
    required: { socket: 'No socket specified' },
  }),
  // Ours, not QEMU's: a device that masters memory as it is told, on either side of the IOMMU.
  deviceModel({
    name: 'dmascope-probe',
    kind: 'probe',
    dma: true,
    pci: pciModel({
      ids: [DMA_PROBE_VENDOR_ID, DMA_PROBE_DEVICE_ID],
      classCode: DMA_PROBE_CLASS_CODE,
      subsystemVendorId: 0,
      subsystemId: 0,
      interruptPin: 0,
      bars: [mem(0, DMA_PROBE_BAR_BYTES)],
      caps: '05@40',
      msiVectors: 1,
      dmaBits: 64,
    }),
    properties: {
      bypass: bearing(off),
      dma_bits: bearing(uint8(28)),
      'late-write': bearing(off),
      'reads-around': bearing(off),
      max_transfer: bearing(uint32(0x1_0000)),
    },
  }),
]
