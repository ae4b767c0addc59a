import type { Registers } from '@dmascope/layout'
import type { BarOptions } from './bar.ts'
import { putRegister, type RegisterImage, registerImage, withOwnMasks } from './register-image.ts'
import { PCI_HEADER_TYPE1 } from './spec/bridge-header.ts'
import { COMMAND, HEADER_TYPE, PCI_HEADER_TYPE0, PCI_VENDOR_ID_ABSENT } from './spec/config-header.ts'

/** I/O Base and Limit: the window has 32 address bits. */
const IO_WIDE = 1
const DECODE_ENABLES = COMMAND.fields.MEMORY_SPACE_ENABLE.loMask | COMMAND.fields.IO_SPACE_ENABLE.loMask

export interface ConfigSpaceOptions {
  readonly vendorId: number
  readonly deviceId: number
  /** 24 bits: base class, sub-class, programming interface. */
  readonly classCode: number
  readonly revisionId?: number
  /** 0 for a device (the default), 1 for a bridge. */
  readonly headerType?: 0 | 1
  readonly multifunction?: boolean
  /** Of a type 0 header; a bridge has the SSVID capability for them. */
  readonly subsystemVendorId?: number
  readonly subsystemId?: number
  /** 1 to 4 for INTA# to INTD#; 0 (the default) for none. */
  readonly interruptPin?: 0 | 1 | 2 | 3 | 4
  readonly bars?: readonly BarOptions[]
  /** Bytes of expansion ROM, a power of two from 2048; 0 (the default) for none. */
  readonly romSize?: number
  /** 256 (the default) for a conventional function, 4096 for a PCI Express one. */
  readonly size?: 256 | 4096
  /** Whether a BAR that holds address 0 decodes it. Not on a PC: there 0 is what an unassigned BAR holds. */
  readonly decodeAddressZero?: boolean
  /**
   * A virtual function: its IDs read as FFFFh, the header has neither BARs nor decode enables (§9.3.4.1), and whoever
   * has the physical function's SR-IOV capability says where its BARs answer (`placeBar`). Default false.
   */
  readonly virtualFunction?: boolean
  /** A bridge whose I/O window has 32 address bits; 16 unless given. */
  readonly wideIo?: boolean
}

/** Base and limit say that there are upper halves, and those can be written (§7.5.1.3.6). */
function withWideIo(narrow: RegisterImage): RegisterImage {
  const image = withOwnMasks(narrow)
  const { IO_BASE, IO_LIMIT, IO_BASE_UPPER_16, IO_LIMIT_UPPER_16 } = PCI_HEADER_TYPE1.registers
  for (const { offset } of [IO_BASE, IO_LIMIT]) image.bytes[offset] = IO_WIDE
  for (const { offset } of [IO_BASE_UPPER_16, IO_LIMIT_UPPER_16]) image.writeMask.fill(0xff, offset, offset + 2)
  return image
}

type CommonRegister = keyof typeof PCI_HEADER_TYPE0.registers & keyof typeof PCI_HEADER_TYPE1.registers

/** The header that these options make, its BARs empty. */
export function headerImage(options: ConfigSpaceOptions): RegisterImage {
  const isBridge = options.headerType === 1
  const isVirtual = options.virtualFunction === true
  const header: Registers<CommonRegister> = isBridge ? PCI_HEADER_TYPE1 : PCI_HEADER_TYPE0
  const image = registerImage(header, {
    VENDOR_ID: isVirtual ? PCI_VENDOR_ID_ABSENT : options.vendorId,
    DEVICE_ID: isVirtual ? PCI_VENDOR_ID_ABSENT : options.deviceId,
    REVISION_ID: options.revisionId ?? 0,
    PROGRAMMING_INTERFACE: options.classCode & 0xff,
    SUB_CLASS: (options.classCode >>> 8) & 0xff,
    BASE_CLASS: (options.classCode >>> 16) & 0xff,
    HEADER_TYPE: HEADER_TYPE.fields.MULTI_FUNCTION.setLo(isBridge ? 1 : 0, options.multifunction === true ? 1 : 0),
    INTERRUPT_PIN: options.interruptPin ?? 0,
  })
  if (isBridge) return options.wideIo === true ? withWideIo(image) : image
  const { SUBSYSTEM_VENDOR_ID, SUBSYSTEM_ID, COMMAND: command } = PCI_HEADER_TYPE0.registers
  putRegister(image.bytes, SUBSYSTEM_VENDOR_ID, options.subsystemVendorId ?? 0)
  putRegister(image.bytes, SUBSYSTEM_ID, options.subsystemId ?? 0)
  if (!isVirtual) return image
  const virtual = withOwnMasks(image)
  virtual.writeMask[command.offset] = virtual.writeMask[command.offset]! & ~DECODE_ENABLES
  return virtual
}
