import type { PciDevice } from '../contract.ts'

/** Devices whose DMA bears requester IDs beside their own, all on their bus. */
interface KnownAliases {
  readonly vendor: number
  readonly devices: readonly number[]
  /** Only cards with these subsystem IDs. */
  readonly subsystems?: { readonly vendor: number; readonly devices: readonly number[] }
  /** Device << 3 | function of each, rising. */
  readonly of: (slot: number) => readonly number[]
}

const sameSlot =
  (fn: number) =>
  (slot: number): readonly number[] => [(slot << 3) | fn]
const fixed =
  (...aliases: readonly number[]) =>
  (): readonly number[] =>
    aliases
const at = (slot: number, fn: number): number => (slot << 3) | fn
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index)

/**
 * Linux's DMA alias quirks (drivers/pci/quirks.c), as they stand in the kernels of both profiles. Left out: the NTBs of
 * Microsemi's Switchtec, whose aliases stand in registers of theirs.
 */
const ALIASES: readonly KnownAliases[] = [
  // Ricoh, Glenfly.
  { vendor: 0x1180, devices: [0xe832, 0xe476], of: sameSlot(0) },
  { vendor: 0x6766, devices: [0x3d40, 0x3d41], of: sameSlot(0) },
  // Marvell 88SE91xx and 88SE92xx: function 1 is an IDE controller, or not there at all.
  {
    vendor: 0x1b4b,
    devices: [
      0x9120, 0x9123, 0x9125, 0x9128, 0x9130, 0x9170, 0x9172, 0x917a, 0x9182, 0x9183, 0x91a0, 0x9215, 0x9220, 0x9230,
      0x9235,
    ],
    of: sameSlot(1),
  },
  // HighPoint, JMicron JMB388, Lite-On.
  { vendor: 0x1103, devices: [0x0642, 0x0645], of: sameSlot(1) },
  { vendor: 0x197b, devices: [0x2392], of: sameSlot(1) },
  { vendor: 0x1c28, devices: [0x0122], of: sameSlot(1) },
  // Adaptec 3405 and 3805: the DMA engine is a device of its own that configuration space does not show.
  {
    vendor: 0x9005,
    devices: [0x0285],
    subsystems: { vendor: 0x9005, devices: [0x02bb, 0x02bc] },
    of: fixed(at(1, 0)),
  },
  // Intel MIC x200 and VCA, PLX: non-transparent bridges, which pass on what stands behind them.
  { vendor: 0x8086, devices: [0x2260, 0x2264], of: fixed(at(0x10, 0), at(0x11, 0), at(0x12, 3)) },
  {
    vendor: 0x8086,
    devices: [0x2954, 0x2955, 0x2956, 0x2958, 0x2959, 0x295a],
    of: fixed(...upTo(32).flatMap((slot) => upTo(5).map((fn) => at(slot, fn)))),
  },
  { vendor: 0x10b5, devices: [0x87b0, 0x87b1], of: fixed(...upTo(256)) },
]

/** PCI Express to PCI bridges that do not say that they are: ASMedia, Tundra, ITE, and Intel's 82801. */
const SILENT_BRIDGES: readonly (readonly [vendor: number, device: number])[] = [
  [0x1b21, 0x1080],
  [0x10e3, 0x8113],
  [0x1283, 0x8892],
  [0x1283, 0x8893],
  [0x8086, 0x244e],
]

/** Bridges that the IOMMU stands below: ThunderX2. Aliases of bridges above mean nothing to it. */
const ROOTS: readonly (readonly [vendor: number, device: number])[] = [
  [0x14e4, 0x9000],
  [0x14e4, 0x9084],
]

const isOneOf = (list: typeof ROOTS, { vendorId, deviceId }: PciDevice): boolean =>
  list.some(([vendor, device]) => vendor === vendorId && device === deviceId)

/** What a device's DMA may bear for device and function number beside its own: device << 3 | function, rising. */
export function knownAliases(device: PciDevice): readonly number[] {
  const found = ALIASES.find(
    ({ vendor, devices, subsystems }) =>
      vendor === device.vendorId &&
      devices.includes(device.deviceId) &&
      (subsystems === undefined ||
        (subsystems.vendor === device.subsystemVendorId && subsystems.devices.includes(device.subsystemId))),
  )
  if (found === undefined) return []
  const own = at(device.device, device.function)
  return found.of(device.device).filter((alias) => alias !== own)
}

/**
 * Linux's `quirk_use_pcie_bridge_dma_alias`: a bridge without a PCI Express capability, below a port of PCI Express, that
 * is held for a bridge from PCI Express. QEMU's i82801b11-bridge is one, and answers as itself all the same.
 */
export const isSilentExpressBridge = (bridge: PciDevice, fromExpress: boolean): boolean =>
  bridge.pcieType === null && fromExpress && isOneOf(SILENT_BRIDGES, bridge)

/** Linux's PCI_DEV_FLAGS_BRIDGE_XLATE_ROOT. */
export const isTranslationRoot = (bridge: PciDevice): boolean => isOneOf(ROOTS, bridge)
