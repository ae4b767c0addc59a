import {
  formatBdf,
  HEADER_TYPE,
  PCI_CAP_ID_EXP,
  PCI_CAP_ID_SSVID,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
  PCIE_CAPABILITIES,
  PCIE_CAPABILITY,
  PCIE_DOWNSTREAM_PORT,
  PCIE_ROOT_PORT,
  requesterId,
  SSVID_CAPABILITY,
} from '@dmascope/pci/spec'
import { settleAcs } from './access-control-services.ts'
import { type Bar, readBars } from './bars.ts'
import { firstById, readCapabilities, readExtendedCapabilities } from './capabilities.ts'
import type { ConfigAccess, FunctionAddress } from './config-access.ts'
import type { PciFunction } from './pci-function.ts'
import { configureAri, nextAriFunction, prepareSriov } from './sriov.ts'

const TYPE0 = PCI_HEADER_TYPE0.registers
const TYPE1 = PCI_HEADER_TYPE1.registers

/** More functions than any machine has; a bus of nonsense, where every read answers something, ends here. */
const MAX_FUNCTIONS = 16_384

/** A bus of a segment. */
export interface RootBus {
  readonly segment: number
  readonly bus: number
}

const keyOf = (segment: number, bus: number): number => segment * 0x100 + bus

/** One number for a bus of a segment. */
export const busKey = ({ segment, bus }: RootBus): number => keyOf(segment, bus)

/**
 * Finds all functions below these root buses, depth first, by the bus numbers that firmware gave to bridges: a bus's own
 * functions first, then what lies below its bridges.
 *
 * @param enableAcs - turn on Access Control Services of each function, since an IOMMU is going to be used
 *
 * DEVIATION: where a bridge's bus numbers make no sense, Linux gives it new ones. Here the bridge's bus stays
 * unscanned, and the log tells.
 */
export function enumerate(
  config: ConfigAccess,
  rootBuses: readonly RootBus[],
  enableAcs: boolean,
  log: (line: string) => void,
): PciFunction[] {
  const found: PciFunction[] = []
  const visited = new Set<number>()
  const physicalBuses = new Set<number>()

  const scanBus = (segment: number, bus: number, parent: PciFunction | null): void => {
    if (visited.has(keyOf(segment, bus))) return
    visited.add(keyOf(segment, bus))
    const first = found.length
    const slots = parent !== null && leadsToOneDevice(parent) ? 1 : 32
    for (let device = 0; device < slots && found.length < MAX_FUNCTIONS; device++) {
      scanSlot(segment, bus, device, parent)
    }
    const end = found.length
    for (let index = first; index < end; index++) {
      const one = found[index]!
      if ((one.headerType & 0x7f) === 1) scanBehind(one)
    }
  }

  const scanSlot = (segment: number, bus: number, slot: number, parent: PciFunction | null): void => {
    let ari = false
    let isMultifunction = false
    for (let fn: number | null = 0; fn !== null && found.length < MAX_FUNCTIONS; ) {
      const at: FunctionAddress = { segment, bus, device: slot + (fn >>> 3), function: fn & 7 }
      const one = readFunction(config, at, parent, enableAcs, log)
      if (fn === 0) {
        // Without function 0 there is nothing at this device number.
        if (one === null) return
        ari = configureAri(config, one)
        isMultifunction = HEADER_TYPE.fields.MULTI_FUNCTION.get(one.headerType) === 1
      }
      if (one !== null) found.push(withSriov(one, ari))
      if (ari) fn = one && nextAriFunction(config, one)
      else fn = isMultifunction && fn < 7 ? fn + 1 : null
    }
  }

  const withSriov = (one: PciFunction, ari: boolean): PciFunction => {
    const sriov = prepareSriov(config, one, ari, !physicalBuses.has(busKey(one)))
    if (sriov === null) return one
    physicalBuses.add(busKey(one))
    for (const { index, size } of sriov.bars) {
      log(`pci ${one.id}: VF BAR ${index}: ${size} bytes for each of ${sriov.totalVfs} virtual functions`)
    }
    return { ...one, sriov }
  }

  const scanBehind = (bridge: PciFunction): void => {
    const primary = config.read(bridge, TYPE1.PRIMARY_BUS_NUMBER.offset, 1)
    const secondary = config.read(bridge, TYPE1.SECONDARY_BUS_NUMBER.offset, 1)
    const subordinate = config.read(bridge, TYPE1.SUBORDINATE_BUS_NUMBER.offset, 1)
    const isVisited = visited.has(keyOf(bridge.segment, secondary))
    if (primary !== bridge.bus || secondary <= bridge.bus || subordinate < secondary || isVisited) {
      log(
        `pci ${bridge.id}: bridge to [bus ${secondary}-${subordinate}] makes no sense on bus ${bridge.bus}; not scanned`,
      )
      return
    }
    scanBus(bridge.segment, secondary, bridge)
  }

  for (const { segment, bus } of rootBuses) scanBus(segment, bus, null)
  if (found.length >= MAX_FUNCTIONS) log(`pci: more than ${MAX_FUNCTIONS} functions; the rest is not scanned`)
  return found
}

/** Below these ports is a link, and at its end one device with number 0. */
const leadsToOneDevice = (port: PciFunction): boolean =>
  port.pcieType === PCIE_ROOT_PORT || port.pcieType === PCIE_DOWNSTREAM_PORT

function isAbsent(id: number): boolean {
  return id === 0xffff_ffff || id === 0 || id === 0x0000_ffff || id === 0xffff_0000
}

/**
 * What configuration space says of a function. Null where none answers, or one with a header that nobody knows.
 *
 * @param barsOf - where its BARs are, for those who know it otherwise; else they are read and sized
 */
export function readFunction(
  config: ConfigAccess,
  at: FunctionAddress,
  parent: PciFunction | null,
  enableAcs: boolean,
  log: (line: string) => void,
  barsOf: (() => readonly Bar[]) | null = null,
): PciFunction | null {
  const ids = config.read(at, TYPE0.VENDOR_ID.offset, 4)
  if (isAbsent(ids)) return null
  const id = formatBdf(requesterId(at.bus, at.device, at.function), at.segment)
  const headerType = config.read(at, TYPE0.HEADER_TYPE.offset, 1)
  const layout = HEADER_TYPE.fields.HEADER_LAYOUT.get(headerType)
  if (layout > 1) {
    log(`pci ${id}: unknown header type 0x${headerType.toString(16)}, ignored`)
    return null
  }
  const classAndRevision = config.read(at, TYPE0.REVISION_ID.offset, 4)
  const capabilityList = readCapabilities(config, at)
  const capabilities = firstById(capabilityList)
  const express = capabilities.get(PCI_CAP_ID_EXP)
  // Extended space belongs to PCI Express; a conventional function's would only repeat its first 256 bytes.
  const extendedCapabilities = firstById(express === undefined ? [] : readExtendedCapabilities(config, at))
  const vendorId = ids & 0xffff
  const deviceId = ids >>> 16
  const pcieType =
    express === undefined
      ? null
      : PCIE_CAPABILITIES.fields.DEVICE_PORT_TYPE.get(
          config.read(at, express + PCIE_CAPABILITY.registers.PCIE_CAPABILITIES.offset, 2),
        )
  const subsystem = readSubsystem(config, at, layout, capabilities.get(PCI_CAP_ID_SSVID))
  // Every field by its name: a spread among others would make a hidden class of each function.
  return {
    id,
    segment: at.segment,
    bus: at.bus,
    device: at.device,
    function: at.function,
    vendorId,
    deviceId,
    classCode: classAndRevision >>> 8,
    revision: classAndRevision & 0xff,
    headerType,
    parent,
    pcieType,
    acs: settleAcs(config, at, { vendorId, deviceId, pcieType }, extendedCapabilities, enableAcs),
    capabilities,
    extendedCapabilities,
    bars: barsOf?.() ?? readBars(config, at, layout === 1 ? 2 : 6),
    capabilityList,
    interruptPin: pinOf(config.read(at, TYPE0.INTERRUPT_PIN.offset, 1)),
    interruptLine: config.read(at, TYPE0.INTERRUPT_LINE.offset, 1),
    subsystemVendorId: subsystem & 0xffff,
    subsystemId: subsystem >>> 16,
  }
}

/** Pins above INTD do not exist. */
const pinOf = (register: number): number => (register > 4 ? 0 : register)

/** Subsystem ID << 16 | subsystem vendor ID. A bridge has them in a capability, or not at all. */
function readSubsystem(
  config: ConfigAccess,
  at: FunctionAddress,
  layout: number,
  capability: number | undefined,
): number {
  if (layout === 0) return config.read(at, TYPE0.SUBSYSTEM_VENDOR_ID.offset, 4)
  return capability === undefined ? 0 : config.read(at, capability + SSVID_CAPABILITY.registers.SSVID_SSID.offset, 4)
}
