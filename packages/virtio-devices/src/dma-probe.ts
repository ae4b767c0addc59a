import type { DmaPort, DmaResult, InterruptPort } from '@dmascope/memory'
import { DMA_DECODE_ERROR, DMA_DISABLED, DMA_OK, DMA_PENDING } from '@dmascope/memory'
import { ConfigSpace, Msi, type PciFunction } from '@dmascope/pci'
import { RegisterBlock } from './register-block.ts'
import {
  DMA_PROBE_BAR_BYTES,
  DMA_PROBE_CLASS_CODE,
  DMA_PROBE_COMMAND,
  DMA_PROBE_COMMAND_NONE,
  DMA_PROBE_COMMAND_READ,
  DMA_PROBE_COMMAND_WRITE,
  DMA_PROBE_COMMAND_WRITE_READ,
  DMA_PROBE_DEVICE_ID,
  DMA_PROBE_DOORBELL,
  DMA_PROBE_MAX_LENGTH,
  DMA_PROBE_READBACK,
  DMA_PROBE_READBACK_BYTES,
  DMA_PROBE_REGISTERS,
  DMA_PROBE_RESULT_BAD_COMMAND,
  DMA_PROBE_RESULT_BUSY,
  DMA_PROBE_RESULT_DECODE_ERROR,
  DMA_PROBE_RESULT_DISABLED,
  DMA_PROBE_RESULT_FAULT,
  DMA_PROBE_RESULT_MISMATCH,
  DMA_PROBE_RESULT_OK,
  DMA_PROBE_VENDOR_ID,
} from './spec/dma-probe.ts'

const R = DMA_PROBE_REGISTERS.registers
const { OPERATION, INTERRUPT } = DMA_PROBE_COMMAND.fields
const { START } = DMA_PROBE_DOORBELL.fields
const PAGE = 4096

/**
 * A PCI function that reads or writes one range of bus addresses when told to, and says how that ended: for testing an
 * IOMMU without a driver or a ring. `DMA_PROBE_REGISTERS` is its manual. On the idea of QEMU's `iommu-testdev`, but
 * with its own registers: transfers happen in `work` instead of inside a register read, may be one-way, and can end
 * in an interrupt.
 */
export class DmaProbe implements PciFunction {
  readonly config: ConfigSpace
  readonly msi: Msi
  readonly #registers = new RegisterBlock(DMA_PROBE_REGISTERS)
  readonly #buffer = new Uint8Array(DMA_PROBE_MAX_LENGTH)
  readonly #readback = new DataView(new ArrayBuffer(DMA_PROBE_READBACK_BYTES))
  readonly #maskHi: number
  readonly #maskLo: number
  readonly #dmaBits: number
  readonly #maxLength: number
  readonly #lateWrite: boolean
  /** Where the pages of a buffer go that is read with all that is around it; null for one that does not. */
  readonly #around: Uint8Array | null
  /** What a late write repeats; null where there was no write, or it was repeated. */
  #last: { readonly hi: number; readonly lo: number; readonly length: number; readonly pattern: number } | null = null
  #dma: DmaPort | null = null
  #interrupts: InterruptPort | null = null

  /**
   * @param dmaBits - address bits that it drives; 64 unless given
   * @param lateWrite - a fault of the device: a write that was done is done once more before the next transfer, whoever
   *   has the memory by then. How that ends is not told. It has none unless given
   * @param readsAround - a fault of the device: of a buffer that it has read it reads the whole pages, too, whoever has the
   *   rest of them. How that ends is not told. It has none unless given
   * @param maxLength - bytes of its longest transfer; 65,536 unless given
   * @throws RangeError for address bits outside [12, 64], or a length that is none
   */
  constructor({
    dmaBits = R.DMA_BITS.resetLo,
    lateWrite = false,
    readsAround = false,
    maxLength = DMA_PROBE_MAX_LENGTH,
  }: {
    readonly dmaBits?: number
    readonly lateWrite?: boolean
    readonly readsAround?: boolean
    readonly maxLength?: number
  } = {}) {
    if (!Number.isInteger(maxLength) || maxLength < DMA_PROBE_READBACK_BYTES || maxLength > DMA_PROBE_MAX_LENGTH) {
      throw new RangeError(
        `a DMA probe transfers ${DMA_PROBE_READBACK_BYTES} to ${DMA_PROBE_MAX_LENGTH} bytes at most, got ${maxLength}`,
      )
    }
    if (!Number.isInteger(dmaBits) || dmaBits < 12 || dmaBits > 64) {
      throw new RangeError(`a DMA probe drives 12 to 64 address bits, got ${dmaBits}`)
    }
    this.#dmaBits = dmaBits
    this.#lateWrite = lateWrite
    this.#maxLength = maxLength
    this.#around = readsAround ? new Uint8Array(maxLength + 2 * PAGE) : null
    this.#maskHi = dmaBits <= 32 ? 0 : 2 ** (dmaBits - 32) - 1
    this.#maskLo = 2 ** Math.min(dmaBits, 32) - 1
    this.#registers.set(R.DMA_BITS, dmaBits)
    this.#registers.set(R.MAX_LENGTH, maxLength)
    this.config = new ConfigSpace({
      vendorId: DMA_PROBE_VENDOR_ID,
      deviceId: DMA_PROBE_DEVICE_ID,
      classCode: DMA_PROBE_CLASS_CODE,
      bars: [{ bar: 0, kind: 'memory32', size: DMA_PROBE_BAR_BYTES }],
    })
    this.msi = new Msi(this.config)
  }

  connect(dma: DmaPort, interrupts: InterruptPort): void {
    this.#dma = dma
    this.#interrupts = interrupts
  }

  readBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    out[0] = bar === 0 ? this.#read(offset, Math.min(width, 4)) : 0
    if (width === 8) out[1] = bar === 0 ? this.#read(offset + 4, 4) : 0
  }

  writeBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number, hi: number): void {
    if (bar !== 0) return
    this.#write(offset, Math.min(width, 4), lo)
    if (width === 8) this.#write(offset + 4, 4, hi)
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    if (this.#registers.get(R.RESULT) !== DMA_PROBE_RESULT_BUSY) return 'idle'
    if (budget <= 0) return 'more'
    const result = this.#transfer()
    if (result === null) return 'waiting'
    this.#registers.set(R.RESULT, result)
    this.#registers.set(R.COMPLETED, this.#registers.get(R.COMPLETED) + 1)
    if (INTERRUPT.get(this.#registers.get(R.COMMAND)) === 1 && this.#interrupts !== null) {
      this.msi.trigger(0, this.#interrupts)
    }
    return 'idle'
  }

  reset(_kind: 'function' | 'bus'): void {
    this.config.reset()
    this.#registers.reset()
    this.#registers.set(R.DMA_BITS, this.#dmaBits)
    this.#registers.set(R.MAX_LENGTH, this.#maxLength)
    this.#clearReadback()
    this.#last = null
  }

  #read(offset: number, width: number): number {
    const at = offset - DMA_PROBE_READBACK
    if (at >= 0 && at + width <= DMA_PROBE_READBACK_BYTES) {
      return width === 4
        ? this.#readback.getUint32(at, true)
        : width === 2
          ? this.#readback.getUint16(at, true)
          : this.#readback.getUint8(at)
    }
    return this.#registers.read(offset, width)
  }

  #write(offset: number, width: number, value: number): void {
    const register = this.#registers.at(offset, width)
    if (register === undefined || this.#registers.get(R.RESULT) === DMA_PROBE_RESULT_BUSY) return
    if (register === R.DOORBELL) {
      if (START.get(value) === 1) this.#registers.set(R.RESULT, DMA_PROBE_RESULT_BUSY)
      return
    }
    this.#registers.write(register, value)
  }

  /** The result code; null where the transfer waits for remote memory, and is to be done again. */
  #transfer(): number | null {
    const registers = this.#registers
    const operation = OPERATION.get(registers.get(R.COMMAND))
    const length = registers.get(R.LENGTH)
    const dma = this.#dma
    registers.set(R.MISMATCH_OFFSET, R.MISMATCH_OFFSET.resetLo)
    if (operation === DMA_PROBE_COMMAND_NONE || length === 0 || length > this.#maxLength) {
      return DMA_PROBE_RESULT_BAD_COMMAND
    }
    if (dma === null) return DMA_PROBE_RESULT_DISABLED
    if (!this.#repeatWrite(dma)) return null
    const hi = (registers.get(R.ADDRESS_HI) & this.#maskHi) >>> 0
    const lo = (registers.get(R.ADDRESS_LO) & this.#maskLo) >>> 0
    const data = this.#buffer.subarray(0, length)
    let result: DmaResult = DMA_OK
    if (operation === DMA_PROBE_COMMAND_WRITE || operation === DMA_PROBE_COMMAND_WRITE_READ) {
      fillPattern(data, registers.get(R.PATTERN))
      result = dma.write(hi, lo, data)
      if (this.#lateWrite && result === DMA_OK) this.#last = { hi, lo, length, pattern: registers.get(R.PATTERN) }
    }
    if (result === DMA_OK && (operation === DMA_PROBE_COMMAND_READ || operation === DMA_PROBE_COMMAND_WRITE_READ)) {
      data.fill(0)
      result = dma.read(hi, lo, data)
      this.#clearReadback()
      if (result === DMA_OK) {
        new Uint8Array(this.#readback.buffer).set(data.subarray(0, DMA_PROBE_READBACK_BYTES))
        if (!this.#readAround(dma, hi, lo, length)) return null
      }
    }
    if (result === DMA_PENDING) return null
    if (result !== DMA_OK) return resultOf(result)
    if (operation !== DMA_PROBE_COMMAND_WRITE_READ) return DMA_PROBE_RESULT_OK
    const mismatch = firstMismatch(data, registers.get(R.PATTERN))
    if (mismatch < 0) return DMA_PROBE_RESULT_OK
    registers.set(R.MISMATCH_OFFSET, mismatch)
    return DMA_PROBE_RESULT_MISMATCH
  }

  /** False where the write waits for remote memory, and is to be done again. */
  #repeatWrite(dma: DmaPort): boolean {
    if (this.#last === null) return true
    const { hi, lo, length, pattern } = this.#last
    const data = this.#buffer.subarray(0, length)
    fillPattern(data, pattern)
    if (dma.write(hi, lo, data) === DMA_PENDING) return false
    this.#last = null
    return true
  }

  /** False where the read waits for remote memory, and is to be done again. */
  #readAround(dma: DmaPort, hi: number, lo: number, length: number): boolean {
    if (this.#around === null) return true
    const before = lo % PAGE
    const pages = Math.ceil((before + length) / PAGE)
    return dma.read(hi, lo - before, this.#around.subarray(0, pages * PAGE)) !== DMA_PENDING
  }

  #clearReadback(): void {
    new Uint8Array(this.#readback.buffer).fill(0)
  }
}

const resultOf = (result: DmaResult): number =>
  result === DMA_DECODE_ERROR
    ? DMA_PROBE_RESULT_DECODE_ERROR
    : result === DMA_DISABLED
      ? DMA_PROBE_RESULT_DISABLED
      : DMA_PROBE_RESULT_FAULT

/** The byte of the pattern at `index`: the word over and over, little-endian. */
const patternByte = (pattern: number, index: number): number => (pattern >>> ((index % 4) * 8)) & 0xff

function fillPattern(into: Uint8Array, pattern: number): void {
  for (let index = 0; index < into.length; index++) into[index] = patternByte(pattern, index)
}

function firstMismatch(data: Uint8Array, pattern: number): number {
  for (let index = 0; index < data.length; index++) if (data[index] !== patternByte(pattern, index)) return index
  return -1
}
