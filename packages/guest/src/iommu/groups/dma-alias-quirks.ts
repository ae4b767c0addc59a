import type { PciDevice } from '../contract.ts'

/** Devices whose DMA bears the requester ID of another function of theirs, be that there or not. */
interface FunctionAlias {
  readonly vendor: number
  readonly devices: readonly number[]
  readonly function: number
}

/**
 * Linux's `quirk_dma_func0_alias` and `quirk_dma_func1_alias` (drivers/pci/quirks.c). Left out: cards whose DMA engines
 * are hidden devices (Adaptec 3405 and 3805, Intel MIC x200 and VCA).
 */
const FUNCTION_ALIASES: readonly FunctionAlias[] = [
  // Ricoh, Glenfly.
  { vendor: 0x1180, devices: [0xe832, 0xe476], function: 0 },
  { vendor: 0x6766, devices: [0x3d40, 0x3d41], function: 0 },
  // Marvell 88SE91xx and 88SE92xx.
  {
    vendor: 0x1b4b,
    devices: [
      0x9120, 0x9123, 0x9125, 0x9128, 0x9130, 0x9170, 0x9172, 0x917a, 0x9182, 0x9183, 0x91a0, 0x9215, 0x9220, 0x9230,
      0x9235,
    ],
    function: 1,
  },
  // HighPoint, JMicron JMB388, Lite-On.
  { vendor: 0x1103, devices: [0x0642, 0x0645], function: 1 },
  { vendor: 0x197b, devices: [0x2392], function: 1 },
  { vendor: 0x1c28, devices: [0x0122], function: 1 },
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

/** The function whose requester ID a device's DMA may bear beside its own; null where that is no other. */
export function functionAlias({ vendorId, deviceId, function: own }: PciDevice): number | null {
  const found = FUNCTION_ALIASES.find(({ vendor, devices }) => vendor === vendorId && devices.includes(deviceId))
  return found === undefined || found.function === own ? null : found.function
}

/**
 * Linux's `quirk_use_pcie_bridge_dma_alias`: a bridge without a PCI Express capability, below a port of PCI Express, that
 * is held for a bridge from PCI Express. QEMU's i82801b11-bridge is one, and answers as itself all the same.
 */
export const isSilentExpressBridge = (bridge: PciDevice, fromExpress: boolean): boolean =>
  bridge.pcieType === null && fromExpress && isOneOf(SILENT_BRIDGES, bridge)

/** Linux's PCI_DEV_FLAGS_BRIDGE_XLATE_ROOT. */
export const isTranslationRoot = (bridge: PciDevice): boolean => isOneOf(ROOTS, bridge)
