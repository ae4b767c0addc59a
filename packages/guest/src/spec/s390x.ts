import { be16, be32, be64, bytes, struct, u8 } from '@dmascope/layout'

/**
 * Instructions that trap to the machine, beside those of channel I/O, by their operation codes. On the CPU seam they are
 * hypercalls of these numbers, which answer the condition code, or, negative, the code of a program interruption.
 */
export const INSTRUCTION = { DIAGNOSE: 0x83, SERVC: 0xb220, STFLE: 0xb2b0, UVC: 0xb9a4 } as const

/** Where a boot loader leaves the command line: absolute address and bytes (Linux's `COMMAND_LINE`). */
export const COMMAND_LINE = { address: 0x1_0480, bytes: 896 } as const

/** Control register with the interruption subclasses that the processor takes, the first at the top of the low word. */
export const CONTROL_REGISTER_6 = 6

/** SERVC's command that tells of memory, and what its block then holds (Linux's sclp_early). */
export const SCLP_CMDW_READ_SCP_INFO = 0x0002_0001
export const SCLP_RESPONSE_DONE = 0x0010
export const READ_INFO_SCCB = struct('read_info_sccb', 'Linux drivers/s390/char/sclp_early.c', {
  length: be16,
  function_code: u8,
  control_mask: bytes(3),
  response_code: be16,
  rnmax: be16,
  rnsize: u8,
  reserved: bytes(89),
  rnsize2: be32,
  rnmax2: be64,
})

/** Facility bit of ultravisor calls, and those calls (Linux's asm/uv.h). */
export const ULTRAVISOR_FACILITY = 158
export const UVC_CMD = { QUI: 0x0001, SET_SHARED_ACCESS: 0x1000, REMOVE_SHARED_ACCESS: 0x1001 } as const
export const UVC_RC_EXECUTED = 0x0001
/** Of QUI's answer, bits counted from the top. */
export const UVC_BIT = { SET_SHARED_ACCESS: 8, REMOVE_SHARED_ACCESS: 9 } as const

const HEADER = struct('uv_cb_header', 'Linux asm/uv.h', { len: be16, cmd: be16, rc: be16, rrc: be16 })
export const UV_CB_HEADER = HEADER
export const UV_CB_QUI = struct('uv_cb_qui', 'Linux asm/uv.h', {
  header: HEADER,
  reserved08: bytes(8),
  inst_calls_list: bytes(32),
  reserved30: bytes(0xa0 - 0x30),
})
export const UV_CB_SHARE = struct('uv_cb_share', 'Linux asm/uv.h', {
  header: HEADER,
  reserved08: bytes(24),
  paddr: be64,
  reserved28: bytes(8),
})
