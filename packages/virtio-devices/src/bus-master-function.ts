import type { DmaPort, DmaResult, InterruptPort } from '@dmascope/memory'
import { DMA_DECODE_ERROR, DMA_DISABLED, DMA_OK, DMA_PENDING } from '@dmascope/memory'
import {
  ConfigSpace,
  type ConfigSpaceOptions,
  type Msi,
  type Msix,
  type PciFunction,
  type PhysicalFunction,
  ROM_BAR,
  type SriovCapability,
} from '@dmascope/pci'
import { PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import { addCapabilities, type CapabilityDescription } from './capability-description.ts'
import { crc32 } from './crc32.ts'
import { RegisterBlock } from './register-block.ts'
import {
  BUS_MASTER_BLOCK_BYTES,
  BUS_MASTER_BUFFER_BYTES,
  BUS_MASTER_CONTROL,
  BUS_MASTER_ERROR_DECODE,
  BUS_MASTER_ERROR_DISABLED,
  BUS_MASTER_ERROR_FAULT,
  BUS_MASTER_ERROR_LENGTH,
  BUS_MASTER_ERROR_MASK,
  BUS_MASTER_ERROR_NONE,
  BUS_MASTER_INTERRUPT_ENABLE,
  BUS_MASTER_OPERATION_COPY,
  BUS_MASTER_OPERATION_READ,
  BUS_MASTER_OPERATION_WRITE,
  BUS_MASTER_REGISTERS,
  BUS_MASTER_STATUS,
} from './spec/bus-master.ts'

export interface BusMasterOptions {
  /** Identity, class, BARs, interrupt pin. */
  readonly config: ConfigSpaceOptions
  /** In the order in which they are added. Default none. */
  readonly capabilities?: readonly CapabilityDescription[]
  /** False for functions that never master the bus: bridges to other buses, LPC. Default true. */
  readonly dma?: boolean
  /** Address bits that the function can drive, 1 to 64. Default 64. */
  readonly dmaMaskBits?: number
  /** The BAR at whose start the test block stands. Default: the first memory BAR with 64 free bytes there. */
  readonly testBlockBar?: number
  /** Of a function with the SR-IOV capability: one for each of TotalVFs. Default none. */
  readonly virtualFunctions?: readonly PciFunction[]
  /** Its software has nothing to work with yet: the test block says so, and starts no transfer. Default false. */
  readonly notReady?: boolean
}

const R = BUS_MASTER_REGISTERS.registers
const { OPERATION } = BUS_MASTER_CONTROL.fields
const { BUSY, DONE, ERROR, NOT_READY } = BUS_MASTER_STATUS.fields
const INTERRUPT_ON_DONE = BUS_MASTER_INTERRUPT_ENABLE.fields.DONE

/**
 * Stands in for a PCI function that is not modelled: it looks like it in configuration space, interrupts as it does,
 * and masters the bus where it does. What of its DMA matters here, where it lands and whether the guest learns of it,
 * is driven through a test block of registers (`BUS_MASTER_REGISTERS`): read memory into a buffer and report its
 * checksum, write the buffer elsewhere, interrupt. One interrupt vector, the first, is used.
 *
 * DEVIATION: the registers of the real device are not emulated; the test block stands in their place, at the start of
 * the first memory BAR with room for it. A function with `dma: false`, or without such a BAR, has none.
 */
export class BusMasterFunction implements PhysicalFunction {
  readonly config: ConfigSpace
  readonly msi: Msi | null
  readonly msix: Msix | null
  readonly sriov: SriovCapability | null
  readonly virtualFunctions: readonly PciFunction[]
  /** The BAR that holds the test block; null where the function has none. */
  readonly testBlockBar: number | null
  readonly #maskBits: number
  readonly #notReady: boolean
  readonly #registers = new RegisterBlock(BUS_MASTER_REGISTERS)
  #buffer: Uint8Array | null = null
  #dma: DmaPort | null = null
  #interrupts: InterruptPort | null = null
  #pin = false

  /** @throws RangeError for an impossible configuration, mask, or test block BAR */
  constructor(options: BusMasterOptions) {
    const { dmaMaskBits = 64, capabilities = [] } = options
    if (!Number.isInteger(dmaMaskBits) || dmaMaskBits < 1 || dmaMaskBits > 64) {
      throw new RangeError(`dmaMaskBits is ${dmaMaskBits}, not an integer in [1, 64]`)
    }
    this.#maskBits = dmaMaskBits
    this.#notReady = options.notReady === true
    this.virtualFunctions = options.virtualFunctions ?? []
    this.config = new ConfigSpace(options.config)
    const { msi, msix, sriov } = addCapabilities(this.config, capabilities, () => this.reset('function'))
    this.msi = msi
    this.msix = msix
    this.sriov = sriov
    this.testBlockBar = options.dma === false ? null : placeTestBlock(this.config, options.testBlockBar, msix)
    this.config.onWrite(PCI_HEADER_TYPE0.registers.COMMAND.offset, 2, () => this.#drivePin())
    this.#resetRegisters()
  }

  connect(dma: DmaPort, interrupts: InterruptPort): void {
    this.#dma = dma
    this.#interrupts = interrupts
  }

  readBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    out[0] = this.#read(bar, offset, width === 8 ? 4 : width)
    if (width === 8) out[1] = this.#read(bar, offset + 4, 4)
  }

  writeBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number, hi: number): void {
    this.#write(bar, offset, width === 8 ? 4 : width, lo)
    if (width === 8) this.#write(bar, offset + 4, 4, hi)
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    const registers = this.#registers
    if (BUSY.get(registers.get(R.STATUS)) === 0) return 'idle'
    if (budget <= 0) return 'more'
    const error = this.#transfer()
    if (error === null) return 'waiting'
    registers.set(R.STATUS, ERROR.setLo(DONE.setLo(0, 1), error))
    registers.set(R.COMPLETED, registers.get(R.COMPLETED) + 1)
    this.#interruptOnDone()
    return 'idle'
  }

  reset(_kind: 'function' | 'bus'): void {
    this.config.reset()
    this.msix?.reset()
    this.sriov?.reset()
    this.#resetRegisters()
    this.#drivePin()
  }

  #resetRegisters(): void {
    this.#registers.reset()
    this.#registers.set(R.DMA_MASK_BITS, this.#maskBits)
    if (this.#notReady) this.#registers.set(R.STATUS, NOT_READY.setLo(0, 1))
    this.#buffer?.fill(0)
  }

  #read(bar: number, offset: number, width: 1 | 2 | 4): number {
    const msix = this.msix
    if (msix !== null && (msix.containsTable(bar, offset) || msix.containsPba(bar, offset))) {
      return msix.read(offset, width, bar)
    }
    return bar === this.testBlockBar ? this.#registers.read(offset, width) : 0
  }

  #write(bar: number, offset: number, width: 1 | 2 | 4, value: number): void {
    if (this.msix?.containsTable(bar, offset)) {
      this.msix.write(offset, width, value, bar)
      return
    }
    if (bar !== this.testBlockBar) return
    const registers = this.#registers
    const register = registers.at(offset, width)
    if (register === undefined) return
    if (BUSY.get(registers.get(R.STATUS)) === 1 && register !== R.INTERRUPT_ENABLE) return
    registers.write(register, value)
    if (register === R.CONTROL && OPERATION.get(value) !== 0 && !this.#notReady)
      registers.set(R.STATUS, BUSY.setLo(0, 1))
    if (register === R.STATUS || register === R.INTERRUPT_ENABLE || register === R.CONTROL) this.#drivePin()
  }

  /** The error; null where the transfer waits for remote memory, and is to be done again. */
  #transfer(): number | null {
    const registers = this.#registers
    const operation = OPERATION.get(registers.get(R.CONTROL))
    const length = registers.get(R.LENGTH)
    const dma = this.#dma
    if (length === 0 || length > BUS_MASTER_BUFFER_BYTES) return BUS_MASTER_ERROR_LENGTH
    if (dma === null) return BUS_MASTER_ERROR_DISABLED
    this.#buffer ??= new Uint8Array(BUS_MASTER_BUFFER_BYTES)
    const data = this.#buffer.subarray(0, length)
    const reads = operation === BUS_MASTER_OPERATION_READ || operation === BUS_MASTER_OPERATION_COPY
    const writes = operation === BUS_MASTER_OPERATION_WRITE || operation === BUS_MASTER_OPERATION_COPY
    const source: Address = [registers.get(R.SOURCE_HI), registers.get(R.SOURCE_LO)]
    const destination: Address = [registers.get(R.DESTINATION_HI), registers.get(R.DESTINATION_LO)]
    if ((reads && !this.#reaches(source, length)) || (writes && !this.#reaches(destination, length))) {
      return BUS_MASTER_ERROR_MASK
    }
    if (reads) {
      const result = dma.read(source[0], source[1], data)
      if (result === DMA_PENDING) return null
      if (result !== DMA_OK) return errorOf(result)
      registers.set(R.CHECKSUM, crc32(data))
    }
    if (writes) {
      const result = dma.write(destination[0], destination[1], data)
      if (result === DMA_PENDING) return null
      if (result !== DMA_OK) return errorOf(result)
    }
    return BUS_MASTER_ERROR_NONE
  }

  /** Whether all of the range lies under the DMA mask. */
  #reaches([hi, lo]: Address, length: number): boolean {
    const end = lo + length - 1
    const endHi = end > 0xffff_ffff ? hi + 1 : hi
    if (endHi > 0xffff_ffff) return false
    if (this.#maskBits === 64) return true
    return this.#maskBits > 32 ? endHi < 2 ** (this.#maskBits - 32) : endHi === 0 && end < 2 ** this.#maskBits
  }

  get #wantsInterrupt(): boolean {
    const registers = this.#registers
    return DONE.get(registers.get(R.STATUS)) === 1 && INTERRUPT_ON_DONE.get(registers.get(R.INTERRUPT_ENABLE)) === 1
  }

  #interruptOnDone(): void {
    if (this.#interrupts === null || !this.#wantsInterrupt) return
    if (this.msix?.trigger(0, this.#interrupts)) return
    if (this.msi?.trigger(0, this.#interrupts)) return
    this.#drivePin()
  }

  /** The interrupt pin follows the registers, as long as no message-signaled interrupts are on. */
  #drivePin(): void {
    if (this.config.interruptPin === 0) return
    const messages = this.msix?.enabled === true || this.msi?.enabled === true
    const pending = this.#wantsInterrupt && !messages
    this.config.setInterruptStatus(pending)
    const level = pending && !this.config.interruptDisabled
    if (level === this.#pin) return
    this.#pin = level
    this.#interrupts?.intx(level)
  }
}

/** Bus address, an unsigned pair. */
type Address = readonly [hi: number, lo: number]

const errorOf = (result: DmaResult): number =>
  result === DMA_DECODE_ERROR
    ? BUS_MASTER_ERROR_DECODE
    : result === DMA_DISABLED
      ? BUS_MASTER_ERROR_DISABLED
      : BUS_MASTER_ERROR_FAULT

/** The BAR for the test block: the one asked for, else the first memory BAR that has room; null where none has. */
function placeTestBlock(config: ConfigSpace, asked: number | undefined, msix: Msix | null): number | null {
  const overlaps = (bar: number, tableBar: number, start: number): boolean =>
    bar === tableBar && start < BUS_MASTER_BLOCK_BYTES
  const found = config.bars.find(
    ({ bar, space, size }) =>
      space === 'memory' &&
      bar !== ROM_BAR &&
      bar === (asked ?? bar) &&
      size >= BUS_MASTER_BLOCK_BYTES &&
      !(
        msix !== null &&
        (overlaps(bar, msix.tableBar, msix.tableOffset) || overlaps(bar, msix.pbaBar, msix.pbaOffset))
      ),
  )
  if (found === undefined && asked !== undefined) {
    throw new RangeError(
      `testBlockBar is ${asked}: no memory BAR with ${BUS_MASTER_BLOCK_BYTES} free bytes at its start`,
    )
  }
  return found?.bar ?? null
}
