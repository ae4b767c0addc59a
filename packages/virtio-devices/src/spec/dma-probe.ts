import { bits, field, reg32, registers } from '@dmascope/layout'

/** The probe's PCI identity. Red Hat's vendor ID, as QEMU's `iommu-testdev`, whose idea it follows. */
export const DMA_PROBE_VENDOR_ID = 0x1b36
export const DMA_PROBE_DEVICE_ID = 0x0005
/** Unassigned class: a device that does not fit in any defined class. */
export const DMA_PROBE_CLASS_CODE = 0xff0000

/** Bytes of BAR 0. */
export const DMA_PROBE_BAR_BYTES = 4096
/** Longest transfer of a probe that is not told otherwise, in bytes. */
export const DMA_PROBE_MAX_LENGTH = 65_536
/** Bytes of the readback window at DMA_PROBE_READBACK: the first bytes of what the last read brought. */
export const DMA_PROBE_READBACK = 0x40
export const DMA_PROBE_READBACK_BYTES = 64

const SOURCE = 'dmascope DMA probe'

/** What COMMAND asks for. */
export const DMA_PROBE_COMMAND_NONE = 0
/** Read LENGTH bytes at ADDRESS into the readback window. */
export const DMA_PROBE_COMMAND_READ = 1
/** Write LENGTH bytes at ADDRESS: the pattern word, little-endian, over and over. */
export const DMA_PROBE_COMMAND_WRITE = 2
/** Write as above, then read the same addresses again and compare. */
export const DMA_PROBE_COMMAND_WRITE_READ = 3

export const DMA_PROBE_COMMAND = bits(32, 'COMMAND', SOURCE, {
  OPERATION: field([1, 0], 'rw', { 0: 'none', 1: 'read', 2: 'write', 3: 'write, then read back' }),
  INTERRUPT: field(8, 'rw', { 1: 'raise vector 0 on completion' }),
})

/** Values of RESULT. Each way to fail has its own. */
export const DMA_PROBE_RESULT_OK = 0
/** The IOMMU refused the transfer. */
export const DMA_PROBE_RESULT_FAULT = 0xdead_0001
/** The address leads to no memory and no device. */
export const DMA_PROBE_RESULT_DECODE_ERROR = 0xdead_0002
/** Bus Master Enable was clear; nothing was issued. */
export const DMA_PROBE_RESULT_DISABLED = 0xdead_0003
/** What came back is not what was written. */
export const DMA_PROBE_RESULT_MISMATCH = 0xdead_0004
/** LENGTH is 0 or above MAX_LENGTH, or COMMAND asks for nothing. */
export const DMA_PROBE_RESULT_BAD_COMMAND = 0xdead_0005
export const DMA_PROBE_RESULT_BUSY = 0xffff_fffe
export const DMA_PROBE_RESULT_IDLE = 0xffff_ffff

export const DMA_PROBE_RESULT = bits(32, 'RESULT', SOURCE, {
  CODE: field([31, 0], 'ro', {
    [DMA_PROBE_RESULT_OK]: 'ok',
    [DMA_PROBE_RESULT_FAULT]: 'fault',
    [DMA_PROBE_RESULT_DECODE_ERROR]: 'decode error',
    [DMA_PROBE_RESULT_DISABLED]: 'disabled',
    [DMA_PROBE_RESULT_MISMATCH]: 'mismatch',
    [DMA_PROBE_RESULT_BAD_COMMAND]: 'bad command',
    [DMA_PROBE_RESULT_BUSY]: 'busy',
    [DMA_PROBE_RESULT_IDLE]: 'idle',
  }),
})

export const DMA_PROBE_DOORBELL = bits(32, 'DOORBELL', SOURCE, { START: field(0, 'wo') })

/**
 * BAR 0. All registers are 32 bits wide and take accesses of 4 bytes. While RESULT reads `busy`, writes to all
 * registers are ignored.
 */
export const DMA_PROBE_REGISTERS = registers('DMA probe, BAR 0', SOURCE, {
  /** Reads as "DMAP" in ASCII, so that a driver knows what it talks to. */
  SIGNATURE: reg32(0x00, 'ro', undefined, 0x5041_4d44),
  ADDRESS_LO: reg32(0x04, 'rw'),
  ADDRESS_HI: reg32(0x08, 'rw'),
  /** Bytes. */
  LENGTH: reg32(0x0c, 'rw'),
  RESULT: reg32(0x10, 'ro', DMA_PROBE_RESULT, DMA_PROBE_RESULT_IDLE),
  /** Writing START = 1 sets RESULT to `busy`; the transfer follows. */
  DOORBELL: reg32(0x14, 'wo', DMA_PROBE_DOORBELL),
  COMMAND: reg32(0x18, 'rw', DMA_PROBE_COMMAND),
  PATTERN: reg32(0x1c, 'rw', undefined, 0x1234_5678),
  /** Offset of the first byte that differed; all ones where none did. */
  MISMATCH_OFFSET: reg32(0x20, 'ro', undefined, 0xffff_ffff),
  /** Transfers that completed, in whatever way, since reset. Wraps. */
  COMPLETED: reg32(0x24, 'ro'),
  /** Address bits that the probe drives: it drops those above. */
  DMA_BITS: reg32(0x28, 'ro', undefined, 64),
  /** Bytes of the longest transfer. */
  MAX_LENGTH: reg32(0x2c, 'ro', undefined, DMA_PROBE_MAX_LENGTH),
})
