import type { ConfigSpace } from './config-space.ts'
import { registerImage, withOwnMasks } from './register-image.ts'
import { PCI_CAP_ID_EXP } from './spec/capability.ts'
import {
  DEVICE_CAPABILITIES,
  DEVICE_CAPABILITIES_2,
  LINK_CAPABILITIES,
  LINK_STATUS,
  PCIE_CAPABILITIES,
  PCIE_CAPABILITY,
  PCIE_DOWNSTREAM_PORT,
  PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT,
  PCIE_ROOT_PORT,
  SLOT_CAPABILITIES,
  SLOT_STATUS,
} from './spec/express.ts'

export interface ExpressOptions {
  /** Device/Port Type, e.g. `PCIE_ROOT_PORT`. */
  readonly type: number
  /** Version 1 of an endpoint ends before the slot's registers. Default 2. */
  readonly version?: 1 | 2
  /** Where the capability stands; without it, the lowest free place. */
  readonly offset?: number
  /** Link speed: 1 for 2.5 GT/s, 2 for 5, 3 for 8, 4 for 16. Default 1. */
  readonly linkSpeed?: number
  /** Lanes. Default 1. */
  readonly linkWidth?: number
  /** Of a port. Default 0. */
  readonly portNumber?: number
  /** Physical slot number of a port that has a slot; absent for one that has none. */
  readonly slot?: number
  /** Whether something is in the slot, and the link up. */
  readonly occupied?: boolean
  readonly extendedTag?: boolean
  readonly ariForwarding?: boolean
  /** Called when software asks for a Function Level Reset; absent: the function has none. */
  readonly onFunctionLevelReset?: () => void
}

/** Adds the PCI Express capability. Returns where it stands. */
export function addExpressCapability(config: ConfigSpace, options: ExpressOptions): number {
  const { type, linkSpeed = 1, linkWidth = 1 } = options
  const isPort = type === PCIE_ROOT_PORT || type === PCIE_DOWNSTREAM_PORT
  // An endpoint inside the root complex has no link.
  const hasLink = type !== PCIE_ROOT_COMPLEX_INTEGRATED_ENDPOINT
  const occupied = options.occupied === true
  const device = DEVICE_CAPABILITIES.fields
  const link = LINK_CAPABILITIES.fields
  const linkCapabilities = link.PORT_NUMBER.setLo(
    link.MAXIMUM_LINK_WIDTH.setLo(link.MAX_LINK_SPEED.setLo(0, linkSpeed), linkWidth),
    options.portNumber ?? 0,
  )
  const status = LINK_STATUS.fields
  const up = isPort && occupied ? 1 : 0
  const version = options.version ?? 2
  const size = version === 1 ? PCIE_CAPABILITY.registers.SLOT_CAPABILITIES.offset : PCIE_CAPABILITY.size
  const values = {
    PCIE_CAPABILITIES:
      PCIE_CAPABILITIES.fields.CAPABILITY_VERSION.setLo(0, version) |
      PCIE_CAPABILITIES.fields.DEVICE_PORT_TYPE.setLo(0, type) |
      PCIE_CAPABILITIES.fields.SLOT_IMPLEMENTED.setLo(0, options.slot === undefined ? 0 : 1),
    DEVICE_CAPABILITIES:
      device.ROLE_BASED_ERROR_REPORTING.setLo(0, 1) |
      device.EXTENDED_TAG_FIELD_SUPPORTED.setLo(0, options.extendedTag === false ? 0 : 1) |
      device.FUNCTION_LEVEL_RESET.setLo(0, options.onFunctionLevelReset ? 1 : 0),
    LINK_CAPABILITIES: hasLink
      ? link.DATA_LINK_LAYER_LINK_ACTIVE_REPORTING_CAPABLE.setLo(linkCapabilities, isPort ? 1 : 0)
      : 0,
    LINK_STATUS: hasLink
      ? status.DATA_LINK_LAYER_LINK_ACTIVE.setLo(
          status.NEGOTIATED_LINK_WIDTH.setLo(status.CURRENT_LINK_SPEED.setLo(0, linkSpeed), linkWidth),
          up,
        )
      : 0,
    SLOT_CAPABILITIES:
      options.slot === undefined ? 0 : SLOT_CAPABILITIES.fields.PHYSICAL_SLOT_NUMBER.setLo(0, options.slot),
    SLOT_STATUS: options.slot === undefined ? 0 : SLOT_STATUS.fields.PRESENCE_DETECT_STATE.setLo(0, occupied ? 1 : 0),
    DEVICE_CAPABILITIES_2: DEVICE_CAPABILITIES_2.fields.ARI_FORWARDING_SUPPORTED.setLo(
      0,
      options.ariForwarding === true ? 1 : 0,
    ),
  }
  const image = withOwnMasks(registerImage(PCIE_CAPABILITY, values, size))
  narrow(image.writeMask, options, isPort, hasLink)
  const offset = config.addCapability(PCI_CAP_ID_EXP, image, options.offset)
  const resetRequested = options.onFunctionLevelReset
  if (resetRequested !== undefined) {
    const control = offset + PCIE_CAPABILITY.registers.DEVICE_CONTROL.offset
    config.onWrite(control + 1, 1, () => {
      if ((config.peek(control + 1, 1) & 0x80) === 0) return
      // The bit reads as zero whatever comes of it (§7.5.3.4).
      config.poke(control + 1, 1, config.peek(control + 1, 1) & 0x7f)
      resetRequested()
    })
  }
  return offset
}

/** Takes write access from the registers and bits that a function of this kind does not have. */
function narrow(writeMask: Uint8Array, options: ExpressOptions, isPort: boolean, hasLink: boolean): void {
  const file = PCIE_CAPABILITY.registers
  const clear = (offset: number, length: number): void => {
    writeMask.fill(0, offset, offset + length)
  }
  if (options.onFunctionLevelReset === undefined) {
    const high = file.DEVICE_CONTROL.offset + 1
    writeMask[high] = writeMask[high]! & 0x7f
  }
  if (!hasLink) clear(file.LINK_CONTROL.offset, 2)
  else if (!isPort) writeMask[file.LINK_CONTROL.offset] = writeMask[file.LINK_CONTROL.offset]! & ~0x10
  if (options.type !== PCIE_ROOT_PORT) clear(file.ROOT_CONTROL.offset, 2)
  if (options.ariForwarding !== true) {
    const low = file.DEVICE_CONTROL_2.offset
    writeMask[low] = writeMask[low]! & ~0x20
  }
}
