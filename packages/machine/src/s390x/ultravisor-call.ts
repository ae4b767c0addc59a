import type { AddressSpace } from '@dmascope/memory'
import { PROGRAM_INTERRUPTION } from '@dmascope/virtio-ccw/spec'
import type { Sharing } from '../confidential/protected-guest.ts'
import { QUI_CALLS, UVC, UVC_BIT, UVC_RC, UVCB, UVCB_SHARE } from './spec/instructions.ts'

const PAGE = 4096

/** Condition codes of UVC. */
const DONE = 0
const NOT_DONE = 1

/** A guest shares thousands of pages as it starts, a call each: what a call needs is here once. */
const bytes = new Uint8Array(UVCB_SHARE.size)
const block = new DataView(bytes.buffer)
const answer = bytes.subarray(0, UVCB.size)

/**
 * UVC: a protected guest's call on the ultravisor, with its control block at an absolute address.
 *
 * @returns the condition code, or a program interruption's code, negative
 */
export function ultravisorCall(space: AddressSpace, sharing: Sharing, address: number): number {
  if (address % 8 !== 0) return PROGRAM_INTERRUPTION.specification
  if (!space.isRam(address, UVCB.size)) return PROGRAM_INTERRUPTION.addressing
  const there = space.isRam(address, UVCB_SHARE.size)
  space.readBytes(address, there ? bytes : answer)
  const length = UVCB.fields.len.get(block, 0)
  const whole = length <= UVCB_SHARE.size ? there || length <= UVCB.size : space.isRam(address, length)
  const rc = whole ? carryOut(space, sharing, address, length) : UVC_RC.invalidLength
  UVCB.fields.rc.set(block, 0, rc)
  UVCB.fields.rrc.set(block, 0, 0)
  space.writeBytes(address, answer)
  return rc === UVC_RC.executed ? DONE : NOT_DONE
}

/** The block's first bytes were read. */
function carryOut(space: AddressSpace, sharing: Sharing, address: number, length: number): number {
  const command = UVCB.fields.cmd.get(block, 0)
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
      const { hi, lo } = UVCB_SHARE.fields.paddr
      const page = (hi.get(block, 0) * 0x1_0000_0000 + lo.get(block, 0)) / PAGE
      return sharing.setShared(page, command === UVC.SET_SHARED) ? UVC_RC.executed : UVC_RC.noPage
    }
    default:
      return UVC_RC.invalidCommand
  }
}
