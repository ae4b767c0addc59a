import { bits, field, reg32, registers } from '@dmascope/layout'

/** Bytes of the function's internal buffer, and so the longest transfer. */
export const BUS_MASTER_BUFFER_BYTES = 65_536
/** Bytes of the register block, which stands at offset 0 of a memory BAR. */
export const BUS_MASTER_BLOCK_BYTES = 64
/** What SIGNATURE reads: "DMAT" in ASCII, for DMA test block. */
export const BUS_MASTER_SIGNATURE = 0x5441_4d44

const SOURCE = 'dmascope DMA test block'

/** Fill the internal buffer with LENGTH bytes from SOURCE. */
export const BUS_MASTER_OPERATION_READ = 1
/** Write LENGTH bytes of the internal buffer to DESTINATION. */
export const BUS_MASTER_OPERATION_WRITE = 2
/** Read, then write, by way of the internal buffer. */
export const BUS_MASTER_OPERATION_COPY = 3

export const BUS_MASTER_CONTROL = bits(32, 'CONTROL', SOURCE, {
  /** Writing a non-zero value starts the transfer. */
  OPERATION: field([1, 0], 'rw', { 0: 'none', 1: 'read', 2: 'write', 3: 'copy' }),
})

/** Values of STATUS.ERROR. */
export const BUS_MASTER_ERROR_NONE = 0
export const BUS_MASTER_ERROR_FAULT = 1
export const BUS_MASTER_ERROR_DECODE = 2
export const BUS_MASTER_ERROR_DISABLED = 3
/** LENGTH is 0 or above the buffer's size. */
export const BUS_MASTER_ERROR_LENGTH = 4
/** An address does not fit in the function's DMA mask. */
export const BUS_MASTER_ERROR_MASK = 5

export const BUS_MASTER_STATUS = bits(32, 'STATUS', SOURCE, {
  BUSY: field(0, 'ro'),
  /** Set on completion, with or without error; write 1 to clear, which also lowers the interrupt pin. */
  DONE: field(1, 'rw1c'),
  /** The function has nothing to work with: no transfer starts. */
  NOT_READY: field(2, 'ro'),
  ERROR: field([7, 4], 'ro', {
    0: 'none',
    1: 'IOMMU fault',
    2: 'decode error',
    3: 'bus mastering disabled',
    4: 'bad length',
    5: 'address beyond the DMA mask',
  }),
})

export const BUS_MASTER_INTERRUPT_ENABLE = bits(32, 'INTERRUPT_ENABLE', SOURCE, { DONE: field(0, 'rw') })

/**
 * The test block. All registers are 32 bits wide and take accesses of 4 bytes. While STATUS.BUSY is set, writes are
 * ignored, but to INTERRUPT_ENABLE.
 */
export const BUS_MASTER_REGISTERS = registers('DMA test block', SOURCE, {
  SIGNATURE: reg32(0x00, 'ro', undefined, BUS_MASTER_SIGNATURE),
  SOURCE_LO: reg32(0x04, 'rw'),
  SOURCE_HI: reg32(0x08, 'rw'),
  DESTINATION_LO: reg32(0x0c, 'rw'),
  DESTINATION_HI: reg32(0x10, 'rw'),
  /** Bytes, 1 to BUS_MASTER_BUFFER_BYTES. */
  LENGTH: reg32(0x14, 'rw'),
  CONTROL: reg32(0x18, 'rw', BUS_MASTER_CONTROL),
  STATUS: reg32(0x1c, 'ro', BUS_MASTER_STATUS),
  INTERRUPT_ENABLE: reg32(0x20, 'rw', BUS_MASTER_INTERRUPT_ENABLE),
  /** CRC-32 (IEEE 802.3, reflected, all ones in and out) of what the last read brought. */
  CHECKSUM: reg32(0x24, 'ro'),
  /** Address bits that the function can drive. */
  DMA_MASK_BITS: reg32(0x28, 'ro'),
  /** Transfers that completed, in whatever way, since reset. Wraps. */
  COMPLETED: reg32(0x2c, 'ro'),
})
