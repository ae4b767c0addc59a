import {
  COMMAND,
  deviceOf,
  formatBdf,
  functionOf,
  PCI_CAP_ID_EXP,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
  PCIE_CAPABILITIES,
  PCIE_CAPABILITY,
  requesterId,
  SRIOV_CAPABILITY,
  SRIOV_CONTROL,
} from '@dmascope/pci/spec'
import { settleAcs } from './access-control-services.ts'
import { firstById, readCapabilities, readExtendedCapabilities } from './capabilities.ts'
import type { ConfigAccess, FunctionAddress } from './config-access.ts'
import type { PciFunction } from './pci-function.ts'
import type { Sriov } from './sriov.ts'
import { placedVfBars } from './sriov-resources.ts'

const R = SRIOV_CAPABILITY.registers
const TYPE0 = PCI_HEADER_TYPE0.registers
const { VF_ENABLE, VF_MSE } = SRIOV_CONTROL.fields
const LAST_BUS = 0xff

/** Enables a function's virtual ones, as Linux's `sriov_enable` does, and finds them. */
export class VirtualFunctions {
  readonly #config: ConfigAccess
  readonly #enableAcs: boolean

  constructor(config: ConfigAccess, enableAcs: boolean) {
    this.#config = config
    this.#enableAcs = enableAcs
  }

  /** @returns what it says where it refuses, with the error that the writer of `sriov_numvfs` gets; null where it does not */
  enable(fn: PciFunction & { readonly sriov: Sriov }, count: number): string | null {
    const config = this.#config
    const { sriov } = fn
    const read = (register: { readonly offset: number }): number => config.read(fn, sriov.offset + register.offset, 2)
    const initial = read(R.INITIAL_VFS)
    // Virtual functions that migrate are not modelled: as many as there can be must be there.
    if (initial !== sriov.totalVfs) return `InitialVFs is ${initial}, TotalVFs ${sriov.totalVfs} (-EIO)`
    if (count > sriov.totalVfs) return `${count} of ${sriov.totalVfs} virtual functions (-EINVAL)`
    if (placedVfBars(config, fn).some(({ base }) => base === 0)) {
      return 'not enough MMIO resources for SR-IOV (-ENOMEM)'
    }
    const memoryEnabled = COMMAND.fields.MEMORY_SPACE_ENABLE.get(config.read(fn, TYPE0.COMMAND.offset, 2))
    config.write(fn, sriov.offset + R.NUM_VFS.offset, 2, count)
    const last = this.#routingId(fn, count - 1)
    const end = lastBus(config, fn)
    if (last >>> 8 > end) {
      config.write(fn, sriov.offset + R.NUM_VFS.offset, 2, 0)
      const bus = (last >>> 8).toString(16).padStart(2, '0')
      const range = `${fn.bus.toString(16).padStart(2, '0')}-${end.toString(16).padStart(2, '0')}`
      return `can't enable ${count} VFs (bus ${bus} out of range of [bus ${range}]) (-ENOMEM)`
    }
    if (memoryEnabled === 0) return 'SR-IOV: IOV BARS not allocated (-ENOMEM)'
    config.write(fn, sriov.offset + R.SRIOV_CONTROL.offset, 2, VF_MSE.setLo(VF_ENABLE.setLo(sriov.control, 1), 1))
    return null
  }

  /** What is at the place of a virtual function (Linux's `pci_iov_add_virtfn`). Its IDs are told by the physical one. */
  read(fn: PciFunction & { readonly sriov: Sriov }, index: number): PciFunction {
    const config = this.#config
    const id = this.#routingId(fn, index)
    const at: FunctionAddress = {
      segment: fn.segment,
      bus: (id >>> 8) & 0xff,
      device: deviceOf(id),
      function: functionOf(id),
    }
    const { vendorId } = fn
    const deviceId = fn.sriov.vfDeviceId
    const classAndRevision = config.read(at, TYPE0.REVISION_ID.offset, 4)
    const capabilityList = readCapabilities(config, at)
    const capabilities = firstById(capabilityList)
    const express = capabilities.get(PCI_CAP_ID_EXP)
    const extendedCapabilities = firstById(express === undefined ? [] : readExtendedCapabilities(config, at))
    const typeRegister = PCIE_CAPABILITY.registers.PCIE_CAPABILITIES.offset
    const pcieType =
      express === undefined
        ? null
        : PCIE_CAPABILITIES.fields.DEVICE_PORT_TYPE.get(config.read(at, express + typeRegister, 2))
    const subsystem = config.read(at, TYPE0.SUBSYSTEM_VENDOR_ID.offset, 4)
    return {
      id: formatBdf(requesterId(at.bus, at.device, at.function), at.segment),
      ...at,
      physical: fn,
      vendorId,
      deviceId,
      classCode: classAndRevision >>> 8,
      revision: classAndRevision & 0xff,
      headerType: config.read(at, TYPE0.HEADER_TYPE.offset, 1) & 0x7f,
      // A further bus number has no bridge of its own: what is above is what is above the physical function.
      parent: fn.parent,
      pcieType,
      acs: settleAcs(config, at, { vendorId, deviceId, pcieType }, extendedCapabilities, this.#enableAcs),
      capabilities,
      extendedCapabilities,
      bars: placedVfBars(config, fn).map((bar) => ({ ...bar, base: bar.base + index * bar.size })),
      capabilityList,
      // Virtual functions have no interrupt pins.
      interruptPin: 0,
      interruptLine: 0,
      subsystemVendorId: subsystem & 0xffff,
      subsystemId: subsystem >>> 16,
    }
  }

  /** With the segment left out, and not cut off at its end. */
  #routingId(fn: PciFunction & { readonly sriov: Sriov }, index: number): number {
    const read = (register: { readonly offset: number }): number =>
      this.#config.read(fn, fn.sriov.offset + register.offset, 2)
    const own = requesterId(fn.bus, fn.device, fn.function)
    return own + read(R.FIRST_VF_OFFSET) + index * read(R.VF_STRIDE)
  }
}

/** The last bus number that gets to the function's bus. */
const lastBus = (config: ConfigAccess, { parent }: PciFunction): number =>
  parent === null ? LAST_BUS : config.read(parent, PCI_HEADER_TYPE1.registers.SUBORDINATE_BUS_NUMBER.offset, 1)
