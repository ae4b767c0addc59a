import type { CpuBus } from '@dmascope/memory/contracts'
import type { PageSharing } from '../dma/shared-memory.ts'
import {
  ULTRAVISOR_FACILITY,
  UV_CB_HEADER,
  UV_CB_QUI,
  UV_CB_SHARE,
  UVC_BIT,
  UVC_CMD,
  UVC_RC_EXECUTED,
} from '../spec/s390x.ts'
import type { Instructions } from './instructions.ts'

const PAGE = 4096
const FACILITY_DOUBLEWORDS = 4
const WORD = 0x1_0000_0000

const bitOf = (bytes: Uint8Array, bit: number): boolean => ((bytes[bit >>> 3] ?? 0) & (0x80 >>> (bit & 7))) !== 0

/**
 * Linux's `uv_query_uv_info`: the guest is protected where its facilities have ultravisor calls, and those that share
 * pages are among them.
 *
 * @param block - memory for the call
 */
export function isProtectedGuest(bus: CpuBus, instructions: Instructions, block: number): boolean {
  const facilities = new Uint8Array(FACILITY_DOUBLEWORDS * 8)
  bus.writeBytes(block, facilities)
  if (instructions.storeFacilities(FACILITY_DOUBLEWORDS, block) < 0) return false
  bus.readBytes(block, facilities)
  if (!bitOf(facilities, ULTRAVISOR_FACILITY)) return false
  const query = new Uint8Array(UV_CB_QUI.size)
  const view = new DataView(query.buffer)
  UV_CB_HEADER.fields.len.set(view, 0, UV_CB_QUI.size)
  UV_CB_HEADER.fields.cmd.set(view, 0, UVC_CMD.QUI)
  bus.writeBytes(block, query)
  if (instructions.ultravisorCall(block) < 0) return false
  bus.readBytes(block, query)
  if (UV_CB_HEADER.fields.rc.get(view, 0) !== UVC_RC_EXECUTED) return false
  const calls = query.subarray(UV_CB_QUI.fields.inst_calls_list.offset)
  return bitOf(calls, UVC_BIT.SET_SHARED_ACCESS) && bitOf(calls, UVC_BIT.REMOVE_SHARED_ACCESS)
}

/**
 * Sharing by ultravisor calls, a page each (`uv_set_shared`, `uv_remove_shared`).
 *
 * @param block - memory for the calls
 */
export function sharingByUltravisor(bus: CpuBus, instructions: Instructions, block: number): PageSharing {
  const bytes = new Uint8Array(UV_CB_SHARE.size)
  const view = new DataView(bytes.buffer)
  const { paddr } = UV_CB_SHARE.fields
  const each = (command: number, start: number, length: number): boolean => {
    for (let at = start; at < start + length; at += PAGE) {
      bytes.fill(0)
      UV_CB_HEADER.fields.len.set(view, 0, UV_CB_SHARE.size)
      UV_CB_HEADER.fields.cmd.set(view, 0, command)
      paddr.hi.set(view, 0, Math.floor(at / WORD))
      paddr.lo.set(view, 0, at % WORD)
      bus.writeBytes(block, bytes)
      if (instructions.ultravisorCall(block) !== 0) return false
    }
    return true
  }
  return {
    share: (start, length) => each(UVC_CMD.SET_SHARED_ACCESS, start, length),
    unshare: (start, length) => each(UVC_CMD.REMOVE_SHARED_ACCESS, start, length),
  }
}
