import type { AddressSpace } from '@dmascope/memory'
import { PROGRAM_INTERRUPTION } from '@dmascope/virtio-ccw/spec'
import type { Sharing } from '../confidential/protected-guest.ts'
import { QUI_CALLS, UVC, UVC_BIT, UVC_RC, UVCB, UVCB_SHARE } from './spec/instructions.ts'

const PAGE = 4096

/** Condition codes of UVC. */
const DONE = 0
const NOT_DONE = 1

/**
 * UVC: a protected guest's call on the ultravisor, with its control block at an absolute address.
 *
 * @returns the condition code, or a program interruption's code, negative
 */
export function ultravisorCall(space: AddressSpace, sharing: Sharing, address: number): number {
  if (address % 8 !== 0) return PROGRAM_INTERRUPTION.specification
  if (!space.isRam(address, UVCB.size)) return PROGRAM_INTERRUPTION.addressing
  const header = new DataView(new ArrayBuffer(UVCB.size))
  const bytes = new Uint8Array(header.buffer)
  space.readBytes(address, bytes)
  const length = UVCB.fields.len.get(header, 0)
  const rc = space.isRam(address, Math.max(length, 1))
    ? carryOut(space, sharing, UVCB.fields.cmd.get(header, 0), address, length)
    : UVC_RC.invalidLength
  UVCB.fields.rc.set(header, 0, rc)
  UVCB.fields.rrc.set(header, 0, 0)
  space.writeBytes(address, bytes)
  return rc === UVC_RC.executed ? DONE : NOT_DONE
}

function carryOut(space: AddressSpace, sharing: Sharing, command: number, address: number, length: number): number {
  switch (command) {
    case UVC.QUI: {
      if (length < QUI_CALLS.offset + QUI_CALLS.bytes) return UVC_RC.invalidLength
      const calls = new Uint8Array(QUI_CALLS.bytes)
      for (const bit of Object.values(UVC_BIT)) calls[bit >>> 3]! |= 0x80 >>> (bit & 7)
      space.writeBytes(address + QUI_CALLS.offset, calls)
      return UVC_RC.executed
    }
    case UVC.SET_SHARED:
    case UVC.REMOVE_SHARED: {
      if (length !== UVCB_SHARE.size) return UVC_RC.invalidLength
      const block = new DataView(new ArrayBuffer(UVCB_SHARE.size))
      space.readBytes(address, new Uint8Array(block.buffer))
      const { hi, lo } = UVCB_SHARE.fields.paddr
      const page = (hi.get(block, 0) * 0x1_0000_0000 + lo.get(block, 0)) / PAGE
      return sharing.setShared(page, command === UVC.SET_SHARED) ? UVC_RC.executed : UVC_RC.noPage
    }
    default:
      return UVC_RC.invalidCommand
  }
}
