import type { PortBus } from '@dmascope/memory/contracts'
import { CHIPSET_DEVICE, PCI_VENDOR_ID_INTEL, PCIEXBAR, Q35_ECAM, Q35_MCH } from '../spec/chipset.ts'
import { numberBuses } from './bus-numbers.ts'
import { collectRegions } from './collect-regions.ts'
import type { PciConfig } from './config-access.ts'
import { type FoundFunction, probeFunctions } from './functions.ts'
import { initFunctions, type PinRouting } from './init-functions.ts'
import { type PlacedRegion, placeRegions } from './place-regions.ts'

export interface PciOptions {
  /** First byte behind the RAM below 4 GiB. */
  readonly lowRamEnd: number
  /** Bytes of RAM above 4 GiB. */
  readonly highRamSize: number
  /** Root buses besides bus 0, as fw_cfg tells them. */
  readonly extraRoots: boolean
  /** fw_cfg's `etc/reserved-memory-end`, or 0. */
  readonly reservedMemoryEnd: number
  /** Bits of the processor's physical addresses. */
  readonly physicalAddressBits: number
  /** Whether BARs go above 4 GiB where RAM is there, as from SeaBIOS 1.17 on. */
  readonly preferHighWithHighRam: boolean
  /** Whether something lies there already, by the memory map. */
  isUsed(base: number, size: number): boolean
}

/** What setting up PCI came to. */
export interface PciSetup {
  readonly rootBuses: readonly number[]
  readonly functions: readonly FoundFunction[]
  readonly placed: readonly PlacedRegion[] | null
  /** Address ranges for the memory map: ECAM, chipset registers. */
  readonly reserved: readonly { base: number; length: number }[]
}

const PCI_MEMORY_END = 0xfec0_0000
const LIMIT_BITS = 44
const TIB = 2 ** 40

/** The chipset, by its host bridge: how it routes pins, where PCI memory starts, and its ECAM. */
function setupHost(
  config: PciConfig,
  options: PciOptions,
): { start: number; routing: PinRouting | null; ecam: boolean } {
  const device = config.read16(0, 0) === PCI_VENDOR_ID_INTEL ? config.read16(0, 2) : 0
  if (device === CHIPSET_DEVICE.Q35_MCH) {
    const { offset } = Q35_MCH.registers.PCIEXBAR
    config.write32(0, offset, 0)
    config.write32(0, offset + 4, 0)
    config.write32(0, offset, PCIEXBAR.fields.PCIEXBAREN.setLo(Q35_ECAM.base, 1))
    return { start: Q35_ECAM.base + Q35_ECAM.size, routing: 'mch', ecam: true }
  }
  if (device !== CHIPSET_DEVICE.I440FX) return { start: options.lowRamEnd, routing: null, ecam: false }
  const start = options.lowRamEnd <= 0x8000_0000 ? 0x8000_0000 : 0xc000_0000
  return { start: options.lowRamEnd <= 0xc000_0000 ? start : options.lowRamEnd, routing: 'piix', ecam: false }
}

/** Numbers buses, places BARs and windows, and switches functions on, as SeaBIOS does on QEMU's PCs. */
export function setupPci(config: PciConfig, ports: PortBus, options: PciOptions): PciSetup {
  const rootBuses = numberBuses(config, options.extraRoots)
  const functions = probeFunctions(config, rootBuses)
  const { start, routing, ecam } = setupHost(config, options)
  const preferHigh = options.preferHighWithHighRam && options.highRamSize > 0
  // Some kernels stumble over more than 44 bits; only RAM beyond 1 TiB makes SeaBIOS use them.
  const bits =
    options.highRamSize < TIB ? Math.min(options.physicalAddressBits, LIMIT_BITS) : options.physicalAddressBits
  const highEnd = 2 ** bits
  const buses = collectRegions(config, functions, { hotplugAlign64: preferHigh ? highEnd / 2 ** 11 : 0 })
  const placed = placeRegions(config, buses, {
    memoryStart: start,
    memoryEnd: PCI_MEMORY_END,
    ioEnd: 0x1_0000,
    preferHigh,
    highStart: Math.max(options.reservedMemoryEnd, 0x1_0000_0000 + options.highRamSize),
    highEnd,
    isUsed: options.isUsed,
  })
  const { reserved } = initFunctions(config, ports, functions, routing)
  const window = ecam ? [{ base: Q35_ECAM.base, length: Q35_ECAM.size }] : []
  return { rootBuses, functions, placed, reserved: [...window, ...reserved] }
}
