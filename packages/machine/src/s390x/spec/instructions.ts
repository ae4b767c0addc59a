import { be16, be32, be64, bytes, struct, u8 } from '@dmascope/layout'

/**
 * Instructions beside the channel subsystem's that software of these machines traps to the machine with, by their
 * operation codes.
 */
export const INSTRUCTION = {
  /** General register 1 is left alone: R1 of the instruction is the function's own, and the code is the operand. */
  DIAGNOSE: 0x83,
  SERVC: 0xb220,
  STFLE: 0xb2b0,
  UVC: 0xb9a4,
} as const

/** Where the kernel looks for its command line: absolute address and bytes, as QEMU fills them. */
export const COMMAND_LINE = { address: 0x1_0480, bytes: 896 } as const

/** SERVC: the one command here, which tells of memory (as Linux's `SCLP_CMDW_READ_SCP_INFO`). */
export const READ_SCP_INFO = 0x0002_0001
export const SCLP_RESPONSE = { done: 0x0010, invalidCommand: 0x01f0, boundary: 0x0100, length: 0x0300 } as const

/** A service-call control block, with what READ SCP INFO answers: increments of memory, and their size in MiB. */
export const SCCB = struct('SCCB', 'Linux drivers/s390/char/sclp_early.c', {
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

/** Facility 158: ultravisor calls, of a guest that is protected (z/Architecture's facility indications). */
export const ULTRAVISOR_FACILITY = 158

/** An ultravisor control block, as long as the longest that is known here (Linux's `asm/uv.h`). */
export const UVCB = struct('UVCB', 'Linux arch/s390/include/asm/uv.h', { len: be16, cmd: be16, rc: be16, rrc: be16 })
export const UVCB_SHARE = struct('UVCB of a page', 'Linux arch/s390/include/asm/uv.h', {
  header: UVCB,
  reserved08: bytes(24),
  paddr: be64,
  reserved28: bytes(8),
})
/** Where the answer to QUI has the calls that there are, the first bit at the top. */
export const QUI_CALLS = { offset: 0x10, bytes: 32 } as const
export const UVC = { QUI: 0x0001, SET_SHARED: 0x1000, REMOVE_SHARED: 0x1001 } as const
/** Bits of these calls, in what QUI answers. */
export const UVC_BIT = { QUI: 0, SET_SHARED: 8, REMOVE_SHARED: 9 } as const
export const UVC_RC = { executed: 0x0001, invalidCommand: 0x0002, invalidLength: 0x0005, noPage: 0x0030 } as const
