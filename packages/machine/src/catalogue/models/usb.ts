import { deviceModel, io, mem, mem64, pciModel } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import { all, bearing, off, on, onOffAuto, type PropertyList, text, uint32 } from '../property-specs.ts'

const KiB = 1024
const INTEL = 0x8086
const UHCI = 0x0c0300
const OHCI = 0x0c0310
const EHCI = 0x0c0320
const XHCI = 0x0c0330

const XHCI_PROPERTIES: PropertyList = {
  ...all(on, 'streams', 'superspeed-ports-first'),
  ...all(uint32(4), 'p2', 'p3'),
  ...all(uint32(16), 'intrs'),
  slots: uint32(64),
  msi: bearing(onOffAuto('auto')),
  msix: bearing(onOffAuto('auto')),
  ...all(off, 'force-pcie-endcap', 'conditional-intr-mapping'),
}

const COMPANION: PropertyList = {
  masterbus: text,
  firstport: uint32(0),
  bandwidth: uint32(1280),
  maxframes: uint32(128),
}

/** Companion controllers of ICH9: QEMU's name ends in the number; the interrupt pin is as in the chipset. */
const ICH9_UHCI = [
  [1, 0x2934, 1],
  [2, 0x2935, 2],
  [3, 0x2936, 3],
  [4, 0x2937, 1],
  [5, 0x2938, 2],
  [6, 0x2939, 3],
] as const

const uhci = (name: string, deviceId: number, revision: number, interruptPin: 1 | 2 | 3 | 4): DeviceModel =>
  deviceModel({
    name,
    kind: 'usb',
    dma: true,
    pci: pciModel({ ids: [INTEL, deviceId], classCode: UHCI, revision, interruptPin, bars: [io(4, 32)] }),
    properties: COMPANION,
  })

const ehci = (name: string, ids: readonly [number, number], revision: number, pin: 1 | 4): DeviceModel =>
  deviceModel({
    name,
    kind: 'usb',
    dma: true,
    pci: pciModel({ ids, classCode: EHCI, revision, interruptPin: pin, bars: [mem(0, 4 * KiB)] }),
    properties: { maxframes: uint32(128) },
  })

/** USB host controllers. What is plugged into them stands among the devices that are not PCI. */
export const usbModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'qemu-xhci',
    kind: 'usb',
    dma: true,
    parents: ['pci-xhci', 'base-xhci'],
    pci: pciModel({
      ids: [0x1b36, 0x000d],
      classCode: XHCI,
      revision: 1,
      nature: 'either',
      configSize: 4096,
      bars: [mem64(0, 16 * KiB)],
      caps: '11@90,10@a0',
      msixVectors: 16,
      dmaBits: 64,
    }),
    properties: XHCI_PROPERTIES,
  }),
  deviceModel({
    name: 'nec-usb-xhci',
    kind: 'usb',
    dma: true,
    parents: ['pci-xhci', 'base-xhci'],
    pci: pciModel({
      ids: [0x1033, 0x0194],
      classCode: XHCI,
      revision: 3,
      nature: 'either',
      configSize: 4096,
      bars: [mem64(0, 16 * KiB)],
      caps: '11@90,10@a0,05@70',
      msixVectors: 16,
      msiVectors: 16,
      dmaBits: 64,
    }),
    properties: XHCI_PROPERTIES,
  }),
  ehci('usb-ehci', [INTEL, 0x24cd], 0x10, 4),
  ehci('ich9-usb-ehci1', [INTEL, 0x293a], 3, 4),
  ehci('ich9-usb-ehci2', [INTEL, 0x293c], 3, 4),
  uhci('piix3-usb-uhci', 0x7020, 1, 4),
  uhci('piix4-usb-uhci', 0x7112, 1, 4),
  ...ICH9_UHCI.map(([number, deviceId, pin]) => uhci(`ich9-usb-uhci${number}`, deviceId, 3, pin)),
  deviceModel({
    name: 'pci-ohci',
    kind: 'usb',
    dma: true,
    pci: pciModel({ ids: [0x106b, 0x003f], classCode: OHCI, bars: [mem(0, 256)] }),
    properties: { masterbus: text, 'num-ports': uint32(3), firstport: uint32(0) },
  }),
]
