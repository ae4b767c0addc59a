import type { AddressSpace } from '@dmascope/memory'
import { type ChannelSubsystem, ioInstruction, type Subchannel, VirtioCcwDevice } from '@dmascope/virtio-ccw'
import {
  CONDITION,
  DIAG_VIRTIO,
  IO_INSTRUCTION,
  NOTIFY_INVALID,
  PROGRAM_INTERRUPTION,
  SUBSYSTEM_ID,
  VIRTIO_CCW_NOTIFY,
} from '@dmascope/virtio-ccw/spec'
import type { Sharing } from '../confidential/protected-guest.ts'
import type { CpuBusExtras } from '../cpu-bus.ts'
import { serviceCall } from './service-call.ts'
import { INSTRUCTION, ULTRAVISOR_FACILITY } from './spec/instructions.ts'
import { ultravisorCall } from './ultravisor-call.ts'

const ID = SUBSYSTEM_ID.fields
const IO_CODES: ReadonlySet<number> = new Set(Object.values(IO_INSTRUCTION))
const CONTROL_REGISTER_6 = 6
/** Doublewords of facilities that hold what there is. */
const FACILITY_DOUBLEWORDS = 3

/** What instructions of these machines work on. */
export interface ProcessorSite {
  readonly space: AddressSpace
  /** Bytes. */
  readonly memory: number
  readonly css: ChannelSubsystem
  /** Null where the guest is not protected. */
  readonly sharing: Sharing | null
  /** A subchannel has work to do. */
  started(subchannel: Subchannel): void
}

/**
 * Instructions that trap to the machine. On the CPU seam they are hypercalls whose number is the operation code; their
 * arguments are the registers or the operand's address that they use, in this order, and what is answered is the
 * condition code, or a program interruption's code, negative:
 *
 * - SSCH and its like: general register 1, operand address
 * - SERVC: command, block address
 * - STFLE: general register 0, operand address; register 0 comes back
 * - UVC: block address
 * - DIAGNOSE: its code, general registers 1, 2, 3; register 2 comes back
 *
 * Control register 6, with the interruption subclasses that the processor takes, is system register 6.
 */
export function s390xProcessor(site: ProcessorSite): Pick<CpuBusExtras, 'hypercall' | 'systemRegisters'> {
  const { space, css, memory, sharing } = site
  const storage = {
    covers: (address: number, length: number): boolean => space.isRam(address, length),
    readBytes: (address: number, into: Uint8Array): void => space.readBytes(address, into),
    writeBytes: (address: number, from: Uint8Array): void => space.writeBytes(address, from),
  }
  return {
    systemRegisters: {
      read: (register) => (register === CONTROL_REGISTER_6 ? css.enabledSubclasses : 0),
      write: (register, value) => {
        if (register === CONTROL_REGISTER_6) css.enabledSubclasses = value >>> 0
      },
    },
    hypercall(code, args, out) {
      const [first, second] = [argument(args, 0), argument(args, 1)]
      if (IO_CODES.has(code)) return ioInstruction(css, storage, code, first >>> 0, second, site.started)
      switch (code) {
        case INSTRUCTION.SERVC:
          return serviceCall(space, memory, first, second)
        case INSTRUCTION.STFLE:
          return storeFacilities(space, sharing !== null, first, second, out)
        case INSTRUCTION.UVC:
          return sharing === null ? PROGRAM_INTERRUPTION.operation : ultravisorCall(space, sharing, first)
        case INSTRUCTION.DIAGNOSE:
          if (first !== DIAG_VIRTIO || second !== VIRTIO_CCW_NOTIFY) return PROGRAM_INTERRUPTION.specification
          setOut(out, notify(site, argument(args, 2), argument(args, 3)))
          return CONDITION.done
        default:
          return PROGRAM_INTERRUPTION.operation
      }
    },
  }
}

/** @returns what register 2 holds afterwards */
function notify({ css, started }: ProcessorSite, id: number, queue: number): number {
  if (ID.ONE.get(id) !== 1 || ID.CSSID.get(id) !== 0 || ID.M.get(id) !== 0) return NOTIFY_INVALID
  const subchannel = css.find(ID.SSID.get(id), ID.SUBCHANNEL.get(id))
  if (subchannel === null || !(subchannel.device instanceof VirtioCcwDevice)) return NOTIFY_INVALID
  if (!subchannel.device.notify(queue)) return NOTIFY_INVALID
  started(subchannel)
  return 0
}

/** Facilities that anybody here looks for, a bit each from the top. */
function storeFacilities(
  space: AddressSpace,
  isProtected: boolean,
  register0: number,
  address: number,
  out: Uint32Array,
): number {
  if (address % 8 !== 0) return PROGRAM_INTERRUPTION.specification
  const wanted = (register0 & 0xff) + 1
  const bytes = new Uint8Array(Math.min(wanted, FACILITY_DOUBLEWORDS) * 8)
  if (!space.isRam(address, bytes.length)) return PROGRAM_INTERRUPTION.addressing
  const at = ULTRAVISOR_FACILITY >>> 3
  if (isProtected && at < bytes.length) bytes[at]! |= 0x80 >>> (ULTRAVISOR_FACILITY & 7)
  space.writeBytes(address, bytes)
  setOut(out, FACILITY_DOUBLEWORDS - 1)
  return wanted < FACILITY_DOUBLEWORDS ? 3 : 0
}

const argument = (args: Uint32Array, index: number): number =>
  (args[index * 2 + 1] ?? 0) * 0x1_0000_0000 + (args[index * 2] ?? 0)

function setOut(out: Uint32Array, value: number): void {
  out[0] = value >>> 0
  out[1] = value < 0 ? 0xffff_ffff : 0
}
