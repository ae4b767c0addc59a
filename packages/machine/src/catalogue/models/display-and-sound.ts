import { backend, deviceModel, io, mem, pciModel, VGA_ROM } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import { bearing, off, on, onOffAuto, type PropertyList, uint32, uint64 } from '../property-specs.ts'

const KiB = 1024
const MiB = KiB * KiB
const VGA_CLASS = 0x030000
const DISPLAY_OTHER = 0x038000

const FRAME_BUFFER: PropertyList = {
  vgamem_mb: bearing(uint32(16)),
  mmio: bearing(on),
  'qemu-extended-regs': on,
  edid: on,
  xres: uint32(1280),
  yres: uint32(800),
  xmax: uint32(0),
  ymax: uint32(0),
  refresh_rate: uint32(0),
  'global-vmstate': off,
  'big-endian-framebuffer': off,
}

const QXL: PropertyList = {
  ram_size: bearing(uint32(64 * MiB)),
  vram_size: bearing(uint64(64 * MiB)),
  revision: uint32(5),
  debug: uint32(0),
  guestdebug: uint32(0),
  cmdlog: uint32(0),
  ram_size_mb: uint32(0xffff_ffff),
  vram_size_mb: uint32(0xffff_ffff),
  vram64_size_mb: uint32(0xffff_ffff),
  vgamem_mb: uint32(16),
  surfaces: uint32(1024),
  max_outputs: uint32(0),
  xres: uint32(0),
  yres: uint32(0),
  'global-vmstate': off,
}

const qxl = (name: string, classCode: number, romSize: number): DeviceModel =>
  deviceModel({
    name,
    kind: 'display',
    parents: ['pci-qxl'],
    pci: pciModel({
      ids: [0x1b36, 0x0100],
      classCode,
      revision: 5,
      bars: [mem(0, 64 * MiB), mem(1, 64 * MiB), mem(2, 8 * KiB), io(3, 32)],
      romSize,
    }),
    properties: QXL,
  })

const AUDIODEV = backend('audiodev', 'audiodev', null)

const hda = (name: string, deviceId: number, revision: number): DeviceModel =>
  deviceModel({
    name,
    kind: 'sound',
    dma: true,
    parents: ['intel-hda-generic'],
    pci: pciModel({
      ids: [0x8086, deviceId],
      classCode: 0x040300,
      revision,
      bars: [mem(0, 16 * KiB)],
      caps: '05@60',
      msiVectors: 1,
      dmaBits: 64,
    }),
    properties: { debug: uint32(0), msi: bearing(onOffAuto('auto')), old_msi_addr: bearing(off) },
  })

/** Displays and sound cards. A display's frame buffer is its own memory: it masters none of the guest's. */
export const displayAndSoundModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'VGA',
    kind: 'display',
    parents: ['pci-vga'],
    pci: pciModel({
      ids: [0x1234, 0x1111],
      classCode: VGA_CLASS,
      revision: 2,
      interruptPin: 0,
      bars: [mem(0, 16 * MiB, true), mem(2, 4 * KiB)],
      romSize: VGA_ROM,
    }),
    properties: FRAME_BUFFER,
  }),
  deviceModel({
    name: 'secondary-vga',
    kind: 'display',
    parents: ['pci-vga'],
    pci: pciModel({
      ids: [0x1234, 0x1111],
      classCode: DISPLAY_OTHER,
      revision: 2,
      interruptPin: 0,
      bars: [mem(0, 16 * MiB, true), mem(2, 4 * KiB)],
    }),
    properties: FRAME_BUFFER,
  }),
  deviceModel({
    name: 'bochs-display',
    kind: 'display',
    pci: pciModel({
      ids: [0x1234, 0x1111],
      classCode: DISPLAY_OTHER,
      revision: 2,
      interruptPin: 0,
      nature: 'either',
      configSize: 4096,
      caps: '10@80',
      bars: [mem(0, 16 * MiB, true), mem(2, 4 * KiB)],
    }),
    properties: {
      vgamem: bearing(uint32(16 * MiB)),
      edid: on,
      xres: uint32(1280),
      yres: uint32(800),
      xmax: uint32(0),
      ymax: uint32(0),
    },
  }),
  deviceModel({
    name: 'cirrus-vga',
    kind: 'display',
    pci: pciModel({
      ids: [0x1013, 0x00b8],
      classCode: VGA_CLASS,
      interruptPin: 0,
      bars: [mem(0, 32 * MiB, true), mem(1, 4 * KiB)],
      romSize: VGA_ROM,
    }),
    properties: { vgamem_mb: uint32(4), blitter: on, 'global-vmstate': off },
  }),
  qxl('qxl-vga', VGA_CLASS, VGA_ROM),
  qxl('qxl', DISPLAY_OTHER, 0),
  deviceModel({
    name: 'vmware-svga',
    kind: 'display',
    pci: pciModel({
      ids: [0x15ad, 0x0405],
      classCode: VGA_CLASS,
      subsystemVendorId: 0x15ad,
      subsystemId: 0x0405,
      interruptPin: 0,
      bars: [io(0, 16), mem(1, 16 * MiB, true), mem(2, 64 * KiB, true)],
      romSize: VGA_ROM,
    }),
    properties: { vgamem_mb: uint32(16), 'global-vmstate': off },
  }),
  deviceModel({
    name: 'ati-vga',
    kind: 'display',
    pci: pciModel({
      ids: [0x1002, 0x5046],
      classCode: VGA_CLASS,
      bars: [mem(0, 16 * MiB, true), io(1, 256), mem(2, 16 * KiB)],
      romSize: VGA_ROM,
    }),
    properties: { vgamem_mb: uint32(16), guest_hwcursor: off, 'x-device-id': bearing(uint32(0x5046)) },
  }),
  hda('intel-hda', 0x2668, 1),
  hda('ich9-intel-hda', 0x293e, 3),
  deviceModel({
    name: 'AC97',
    aliases: ['ac97'],
    kind: 'sound',
    dma: true,
    backends: [AUDIODEV],
    pci: pciModel({
      ids: [0x8086, 0x2415],
      classCode: 0x040100,
      revision: 1,
      bars: [io(0, 1024), io(1, 256)],
    }),
  }),
  deviceModel({
    name: 'ES1370',
    aliases: ['es1370'],
    kind: 'sound',
    dma: true,
    backends: [AUDIODEV],
    pci: pciModel({
      ids: [0x1274, 0x5000],
      classCode: 0x040100,
      subsystemVendorId: 0x4942,
      subsystemId: 0x4c4c,
      bars: [io(0, 256)],
    }),
  }),
]
