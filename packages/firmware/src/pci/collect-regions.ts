import {
  PCI_CAP_ID_EXP,
  PCI_CAP_ID_SHPC,
  PCI_HEADER_TYPE1,
  PCIE_CAPABILITIES,
  PCIE_CAPABILITY,
  PCIE_DOWNSTREAM_PORT,
  PCIE_ROOT_PORT,
  PCIE_TO_PCI_BRIDGE,
  PREFETCHABLE_RANGE,
} from '@dmascope/pci/spec'
import { REDHAT_RESOURCE_RESERVE } from '../spec/chipset.ts'
import { IO, MEMORY, PREFETCHABLE, type RegionType, sizeBars } from './bar.ts'
import { findReserveCapability } from './bus-numbers.ts'
import type { PciConfig } from './config-access.ts'
import type { FoundFunction } from './functions.ts'
import { alignUp, Region } from './region.ts'

/** What lies on a bus: a region for each type, and the bridge that leads there. */
export interface BusRegions {
  readonly bridge: FoundFunction | null
  readonly regions: readonly [io: Region, memory: Region, prefetchable: Region]
}

/** Smallest memory BAR: a page. */
const DEVICE_MEMORY_MIN = 0x1000
const WINDOW_ALIGN: readonly [number, number, number] = [0x1000, 0x20_0000, 0x20_0000]
const { IO_BASE, PREFETCHABLE_MEMORY_BASE } = PCI_HEADER_TYPE1.registers
const RESERVE = REDHAT_RESOURCE_RESERVE.registers
const UNSET = 0xffff_ffff
const TWO_32 = 0x1_0000_0000

const newBus = (bridge: FoundFunction | null): BusRegions => ({
  bridge,
  regions: [new Region(), new Region(), new Region()],
})

export interface CollectOptions {
  /** Windows of hot-plug ports above 4 GiB are made this aligned, and this large; 0 for no such thing. */
  readonly hotplugAlign64: number
}

/**
 * Sizes every BAR, then the window of every bridge, inner ones first. All root buses share one map entry: bus 0.
 *
 * @param functions - in the order of routing IDs
 */
export function collectRegions(
  config: PciConfig,
  functions: readonly FoundFunction[],
  options: CollectOptions,
): Map<number, BusRegions> {
  const buses = new Map<number, BusRegions>([[0, newBus(null)]])
  for (const one of functions) {
    if (one.isBridge && !buses.has(one.secondaryBus)) buses.set(one.secondaryBus, newBus(one))
  }
  const onBusOf = (one: FoundFunction): BusRegions => buses.get(one.parent === null ? 0 : one.bus) ?? buses.get(0)!
  for (const one of functions) {
    for (const { bar, type, size, is64 } of sizeBars(config, one)) {
      const room = type === IO ? size : Math.max(size, DEVICE_MEMORY_MIN)
      onBusOf(one).regions[type].add({ owner: one, bar, type, size: room, align: room, is64 })
    }
  }
  const inner = [...buses].filter(([bus]) => bus !== 0).sort(([a], [b]) => b - a)
  for (const [, below] of inner) {
    const bridge = below.bridge!
    const hotplug = hotplugOf(config, bridge.id)
    const reserve = findReserveCapability(config, bridge.id)
    for (const type of [IO, MEMORY, PREFETCHABLE] as const) {
      if (!hasWindow(config, bridge.id, type)) continue
      const region = below.regions[type]
      const is64 = type === PREFETCHABLE && prefetchableIs64(config, bridge.id, region)
      let align = Math.max(region.align, WINDOW_ALIGN[type])
      if (hotplug !== null && is64) align = Math.max(align, options.hotplugAlign64)
      // A port for hot-plug gets room for a device that is not there yet; ports of PCI Express need no I/O.
      const optional = hotplug === 'express' && type === IO
      const needed = hotplug !== null && !optional ? Math.max(region.size, align) : region.size
      const wanted = reservedSize(config, bridge.id, reserve, type)
      const size = wanted > needed ? (type === IO ? wanted : alignUp(wanted, align)) : alignUp(needed, align)
      onBusOf(bridge).regions[type].add({ owner: bridge, bar: null, type, size, align, is64 })
    }
  }
  return buses
}

/** How devices can be plugged in behind a bridge while the machine runs; null for not at all. */
function hotplugOf(config: PciConfig, id: number): 'express' | 'shpc' | null {
  const express = config.capability(id, PCI_CAP_ID_EXP)
  if (express !== 0) {
    const flags = config.read16(id, express + PCIE_CAPABILITY.registers.PCIE_CAPABILITIES.offset)
    const port = PCIE_CAPABILITIES.fields.DEVICE_PORT_TYPE.get(flags)
    if (port !== PCIE_TO_PCI_BRIDGE) {
      const downstream = port === PCIE_ROOT_PORT || port === PCIE_DOWNSTREAM_PORT
      return downstream && PCIE_CAPABILITIES.fields.SLOT_IMPLEMENTED.get(flags) !== 0 ? 'express' : null
    }
  }
  return config.capability(id, PCI_CAP_ID_SHPC) !== 0 ? 'shpc' : null
}

/** Whether a bridge has such a window at all; the registers of one that it lacks are zero. Leaves the window closed. */
function hasWindow(config: PciConfig, id: number, type: RegionType): boolean {
  if (type === MEMORY) return true
  const base = type === IO ? IO_BASE.offset : PREFETCHABLE_MEMORY_BASE.offset
  config.write8(id, base, 0xff)
  return config.read8(id, base) !== 0
}

function prefetchableIs64(config: PciConfig, id: number, region: Region): boolean {
  const base = config.read16(id, PREFETCHABLE_MEMORY_BASE.offset)
  return PREFETCHABLE_RANGE.fields.CAPABILITY.get(base) === 1 && region.entries.every((entry) => entry.is64)
}

/** Bytes that a QEMU bridge asks for behind it; 0 where it does not ask. */
function reservedSize(config: PciConfig, id: number, capability: number, type: RegionType): number {
  if (capability === 0) return 0
  const word = (offset: number): number => config.read32(id, capability + offset)
  const long = (offset: number): number => {
    const [lo, hi] = [word(offset), word(offset + 4)]
    return lo === UNSET && hi === UNSET ? 0 : hi * TWO_32 + lo
  }
  if (type === IO) return long(RESERVE.IO.offset)
  if (type === MEMORY) return word(RESERVE.MEM.offset) === UNSET ? 0 : word(RESERVE.MEM.offset)
  const low = word(RESERVE.PREF_MEM_32.offset)
  const high = long(RESERVE.PREF_MEM_64.offset)
  // One of the two; a bridge that asks for both is in error and gets neither.
  if (low === UNSET || low === 0) return high
  return high === 0 ? low : 0
}
