import { PCI_CAP_ID_VENDOR, PCI_HEADER_TYPE0, PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'
import {
  CHIPSET_DEVICE,
  PCI_VENDOR_ID_REDHAT,
  REDHAT_CAP_TYPE_RESERVE,
  REDHAT_RESOURCE_RESERVE,
} from '../spec/chipset.ts'
import type { PciConfig } from './config-access.ts'
import { CLASS_BRIDGE_PCI, classOf, functionsOnBus } from './functions.ts'

const { PRIMARY_BUS_NUMBER, SECONDARY_BUS_NUMBER, SUBORDINATE_BUS_NUMBER } = PCI_HEADER_TYPE1.registers
const { LENGTH, TYPE, BUS } = REDHAT_RESOURCE_RESERVE.registers
const UNSET = 0xffff_ffff

/** Offset of the capability by which a QEMU bridge asks for more room; 0 where there is none. */
export function findReserveCapability(config: PciConfig, id: number): number {
  const device = config.read16(id, PCI_HEADER_TYPE0.registers.DEVICE_ID.offset)
  if (config.read16(id, PCI_HEADER_TYPE0.registers.VENDOR_ID.offset) !== PCI_VENDOR_ID_REDHAT) return 0
  if (device !== CHIPSET_DEVICE.REDHAT_ROOT_PORT && device !== CHIPSET_DEVICE.REDHAT_BRIDGE) return 0
  for (const offset of config.capabilities(id, PCI_CAP_ID_VENDOR)) {
    if (config.read8(id, offset + TYPE.offset) !== REDHAT_CAP_TYPE_RESERVE) continue
    return config.read8(id, offset + LENGTH.offset) >= REDHAT_RESOURCE_RESERVE.size ? offset : 0
  }
  return 0
}

/** The last bus that a bridge gets, where it asks for some to be kept free behind it. */
function reservedLast(config: PciConfig, id: number, secondary: number, last: number): number {
  const capability = findReserveCapability(config, id)
  if (capability === 0) return last
  const wanted = config.read32(id, capability + BUS.offset)
  if (wanted === UNSET) return last
  const count = wanted & 0xff
  return secondary + count <= 0xff ? Math.max(last, secondary + count) : last
}

/**
 * Numbers the buses below every root, depth first.
 *
 * @param extraRoots - whether there are root buses besides bus 0 (pxb): then every number that is free is tried
 * @returns the root buses that something answers on, ascending
 */
export function numberBuses(config: PciConfig, extraRoots: boolean): number[] {
  let last = 0
  const visit = (bus: number): void => {
    const bridges = functionsOnBus(config, bus).filter((id) => classOf(config, id) === CLASS_BRIDGE_PCI)
    for (const id of bridges) {
      // Nothing may be reached through a bridge whose turn has not come.
      config.write8(id, SECONDARY_BUS_NUMBER.offset, 0xff)
      config.write8(id, SUBORDINATE_BUS_NUMBER.offset, 0)
    }
    for (const id of bridges) {
      if (last >= 0xff) return
      const secondary = ++last
      config.write8(id, PRIMARY_BUS_NUMBER.offset, bus)
      config.write8(id, SECONDARY_BUS_NUMBER.offset, secondary)
      config.write8(id, SUBORDINATE_BUS_NUMBER.offset, 0xff)
      visit(secondary)
      last = reservedLast(config, id, secondary, last)
      config.write8(id, SUBORDINATE_BUS_NUMBER.offset, last)
    }
  }
  visit(0)
  const roots = [0]
  while (extraRoots && last < 0xff) {
    const bus = ++last
    if (functionsOnBus(config, bus).length === 0) continue
    roots.push(bus)
    visit(bus)
  }
  return roots
}
