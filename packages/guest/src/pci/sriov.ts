import {
  ARI_CAPABILITY,
  ARI_CAPABILITY_REGISTER,
  DEVICE_CAPABILITIES_2,
  DEVICE_CONTROL_2,
  PCI_CAP_ID_EXP,
  PCI_EXT_CAP_ID_ARI,
  PCI_EXT_CAP_ID_SRIOV,
  PCIE_CAPABILITY,
  PCIE_ENDPOINT,
  PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT,
  SRIOV_CAPABILITY,
  SRIOV_CONTROL,
} from '@dmascope/pci/spec'
import type { PciDevice } from '../iommu/contract.ts'
import { type Bar, readBarsAt } from './bars.ts'
import type { ConfigAccess } from './config-access.ts'

const R = SRIOV_CAPABILITY.registers
const EXPRESS = PCIE_CAPABILITY.registers
const VF_BARS = 6
const PAGE = 4096

/** What the kernel knows of a physical function's virtual ones: Linux's `struct pci_sriov`. */
export interface Sriov {
  /** Where the capability stands. */
  readonly offset: number
  readonly totalVfs: number
  /** Where virtual functions are, by routing ID from the physical one: with all of them enabled. */
  readonly firstVfOffset: number
  readonly vfStride: number
  readonly vfDeviceId: number
  /** What the control register holds besides its enables. */
  readonly control: number
  /** VF BARs, each of the size that one virtual function has; `base` is of the first. */
  readonly bars: readonly Bar[]
}

/**
 * Turns on ARI Forwarding in the port above where both it and the device can (Linux's `pci_configure_ari`).
 *
 * @returns whether functions of the device are found by the chain of its ARI capability
 */
export function configureAri(config: ConfigAccess, fn: PciDevice): boolean {
  const { parent } = fn
  const express = parent?.capabilities.get(PCI_CAP_ID_EXP)
  if (parent === null || express === undefined || fn.device !== 0 || fn.function !== 0) return false
  const supported = config.read(parent, express + EXPRESS.DEVICE_CAPABILITIES_2.offset, 4)
  if (DEVICE_CAPABILITIES_2.fields.ARI_FORWARDING_SUPPORTED.get(supported) === 0) return false
  const isAri = fn.pcieType !== null && fn.extendedCapabilities.has(PCI_EXT_CAP_ID_ARI)
  const at = express + EXPRESS.DEVICE_CONTROL_2.offset
  const before = config.read(parent, at, 2)
  const after = DEVICE_CONTROL_2.fields.ARI_FORWARDING_ENABLE.setLo(before, isAri ? 1 : 0)
  if (after !== before) config.write(parent, at, 2, after)
  return isAri
}

/** The function that comes next in an ARI device; null for none. */
export function nextAriFunction(config: ConfigAccess, fn: PciDevice): number | null {
  const at = fn.extendedCapabilities.get(PCI_EXT_CAP_ID_ARI)
  if (at === undefined) return null
  const register = config.read(fn, at + ARI_CAPABILITY.registers.ARI_CAPABILITY.offset, 2)
  const next = ARI_CAPABILITY_REGISTER.fields.NEXT_FUNCTION_NUMBER.get(register)
  return next > ((fn.device << 3) | fn.function) ? next : null
}

/**
 * Prepares a function's SR-IOV, without enabling anything: Linux's `sriov_init`.
 *
 * @param ari - routing IDs beyond device 0 reach the device
 * @param firstOnBus - no other physical function on the bus was prepared before: it alone says what the hierarchy can
 * @returns null for a function without, or whose capability the kernel does not use
 */
export function prepareSriov(config: ConfigAccess, fn: PciDevice, ari: boolean, firstOnBus: boolean): Sriov | null {
  const offset = fn.extendedCapabilities.get(PCI_EXT_CAP_ID_SRIOV)
  if (offset === undefined) return null
  if (fn.pcieType !== PCIE_ENDPOINT && fn.pcieType !== PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT) return null
  const read = (register: { readonly offset: number }, width: 2 | 4): number =>
    config.read(fn, offset + register.offset, width)
  const write = (register: { readonly offset: number }, width: 2 | 4, value: number): void =>
    config.write(fn, offset + register.offset, width, value)
  if (SRIOV_CONTROL.fields.VF_ENABLE.get(read(R.SRIOV_CONTROL, 2)) === 1) write(R.SRIOV_CONTROL, 2, 0)
  const control = SRIOV_CONTROL.fields.ARI_CAPABLE_HIERARCHY.setLo(0, ari && firstOnBus ? 1 : 0)
  write(R.SRIOV_CONTROL, 2, control)
  const totalVfs = read(R.TOTAL_VFS, 2)
  if (totalVfs === 0) return null
  const pageSizes = read(R.SUPPORTED_PAGE_SIZES, 4)
  if (pageSizes === 0) return null
  // The kernel's pages have 4096 bytes: the smallest size that is offered is one of it.
  write(R.SYSTEM_PAGE_SIZE, 4, (pageSizes & -pageSizes) >>> 0)
  const bars = readBarsAt(config, fn, offset + R.VF_BAR0.offset, VF_BARS)
  if (bars.some(({ size }) => size % PAGE !== 0)) return null
  // First VF Offset and VF Stride may depend on NumVFs.
  write(R.NUM_VFS, 2, totalVfs)
  const firstVfOffset = read(R.FIRST_VF_OFFSET, 2)
  const vfStride = read(R.VF_STRIDE, 2)
  write(R.NUM_VFS, 2, 0)
  if (firstVfOffset === 0 || (totalVfs > 1 && vfStride === 0)) return null
  return { offset, totalVfs, firstVfOffset, vfStride, vfDeviceId: read(R.VF_DEVICE_ID, 2), control, bars }
}
