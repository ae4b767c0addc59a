import type { CpuBus, PortBus } from '@dmascope/memory/contracts'
import {
  FW_CFG_DMA_ACCESS,
  FW_CFG_DMA_CONTROL,
  FW_CFG_FILE,
  FW_CFG_ID,
  FW_CFG_KEY,
  FW_CFG_NAME,
  FW_CFG_PORT_DATA,
  FW_CFG_PORT_DMA_HIGH,
  FW_CFG_PORT_DMA_LOW,
  FW_CFG_PORT_SEL,
  FW_CFG_SIGNATURE,
} from './spec/fw-cfg.ts'

/** A file that the machine offers. */
export interface FwCfgFile {
  readonly name: string
  readonly key: number
  readonly size: number
}

/** Real-mode memory for requests and for what they bring. */
const REQUEST = 0x7000
const SCRATCH = 0x1_0000
const SCRATCH_SIZE = 0x1_0000
/** What a directory may hold; QEMU allows fewer. */
const MAX_FILES = 4096
const MAX_ITEM = 0x100_0000
const { KEY, SELECT, READ, ERROR } = FW_CFG_DMA_CONTROL.fields

const swap = (value: number): number =>
  (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0

/** Selector, big-endian, behind the data register: QEMU's docs/specs/fw_cfg. */
const MMIO_SELECTOR = 8

type Registers = Pick<PortBus, 'in8' | 'out16' | 'out32'>

/** The two registers that reading byte by byte takes, as ports would have them. */
const portsInMemory = (bus: CpuBus, base: number): Registers => ({
  in8: () => bus.read8(base),
  out16: (_port, value) => bus.write16(base + MMIO_SELECTOR, ((value & 0xff) << 8) | (value >>> 8)),
  out32() {},
})

const WANTED: readonly string[] = Object.values(FW_CFG_NAME)

/** A name in [start, end), which a NUL ends. Those that firmware looks for are not spelt out letter by letter. */
function nameIn(bytes: Uint8Array, start: number, end: number): string {
  for (const name of WANTED) if (holdsName(bytes, start, name)) return name
  let text = ''
  for (let at = start; at < end && bytes[at] !== 0; at++) text += String.fromCharCode(bytes[at]!)
  return text
}

function holdsName(bytes: Uint8Array, start: number, name: string): boolean {
  if (bytes[start + name.length] !== 0) return false
  for (let index = 0; index < name.length; index++) if (bytes[start + index] !== name.charCodeAt(index)) return false
  return true
}

/** QEMU's firmware configuration device, read by DMA where it can, else byte by byte. */
export class FwCfg {
  readonly files: ReadonlyMap<string, FwCfgFile>
  readonly #bus: CpuBus
  readonly #ports: Registers
  readonly #dma: boolean
  readonly #request = new Uint8Array(FW_CFG_DMA_ACCESS.size)
  readonly #requested = new DataView(this.#request.buffer)

  private constructor(bus: CpuBus, ports: Registers, dma: boolean) {
    this.#bus = bus
    this.#ports = ports
    this.#dma = dma
    this.files = this.#directory()
  }

  /**
   * The device; null where none answers.
   *
   * @param registers - where its registers are memory; then it is read byte by byte
   */
  static find(bus: CpuBus, registers: number | null = null): FwCfg | null {
    const ports = registers === null ? bus.ports : portsInMemory(bus, registers)
    if (ports === undefined) return null
    ports.out16(FW_CFG_PORT_SEL, FW_CFG_KEY.SIGNATURE)
    for (const letter of FW_CFG_SIGNATURE) if (ports.in8(FW_CFG_PORT_DATA) !== letter.charCodeAt(0)) return null
    ports.out16(FW_CFG_PORT_SEL, FW_CFG_KEY.ID)
    let id = 0
    for (let shift = 0; shift < 32; shift += 8) id |= ports.in8(FW_CFG_PORT_DATA) << shift
    return new FwCfg(bus, ports, registers === null && FW_CFG_ID.fields.DMA.get(id >>> 0) !== 0)
  }

  #directory(): Map<string, FwCfgFile> {
    const files = new Map<string, FwCfgFile>()
    const head = new DataView(this.item(FW_CFG_KEY.FILE_DIR, 4).buffer)
    const count = Math.min(head.getUint32(0, false), MAX_FILES)
    const bytes = this.item(FW_CFG_KEY.FILE_DIR, 4 + count * FW_CFG_FILE.size)
    const view = new DataView(bytes.buffer)
    const { size, select, name } = FW_CFG_FILE.fields
    for (let index = 0; index < count; index++) {
      const base = 4 + index * FW_CFG_FILE.size
      const text = nameIn(bytes, base + name.offset, base + FW_CFG_FILE.size)
      files.set(text, { name: text, key: select.get(view, base), size: size.get(view, base) })
    }
    return files
  }

  /** A copy of the first `length` bytes of an item. */
  item(key: number, length: number): Uint8Array {
    const size = Math.min(length, MAX_ITEM)
    const bytes = new Uint8Array(size)
    if (!this.#dma) {
      this.#ports.out16(FW_CFG_PORT_SEL, key)
      for (let index = 0; index < size; index++) bytes[index] = this.#ports.in8(FW_CFG_PORT_DATA)
      return bytes
    }
    for (let done = 0; done < size; done += SCRATCH_SIZE) {
      const part = size <= SCRATCH_SIZE ? bytes : bytes.subarray(done, Math.min(done + SCRATCH_SIZE, size))
      if (!this.#transfer(done === 0 ? key : null, part.length, SCRATCH)) break
      this.#bus.readBytes(SCRATCH, part)
    }
    return bytes
  }

  /** A copy of a file; null where there is no such file. */
  file(name: string): Uint8Array | null {
    const file = this.files.get(name)
    return file === undefined ? null : this.item(file.key, file.size)
  }

  /** A file that holds a little-endian number of at most eight bytes; `otherwise` where there is none. */
  number(name: string, otherwise: number): number {
    const bytes = this.file(name)
    if (bytes === null || bytes.length === 0 || bytes.length > 8) return otherwise
    const value = bytes.reduceRight((sum, byte) => sum * 0x100 + byte, 0)
    return Number.isSafeInteger(value) ? value : otherwise
  }

  /** Puts a whole file at a guest-physical address. False where the device refused. */
  loadInto(file: FwCfgFile, address: number): boolean {
    if (this.#dma) return this.#transfer(file.key, file.size, address)
    this.#bus.writeBytes(address, this.item(file.key, file.size))
    return true
  }

  /** One request: select `key` (null: go on where the last one ended) and read `length` bytes to an address. */
  #transfer(key: number | null, length: number, address: number): boolean {
    const request = this.#request
    const view = this.#requested
    const select = key === null ? 0 : (SELECT.loMask | KEY.setLo(0, key)) >>> 0
    FW_CFG_DMA_ACCESS.fields.control.set(view, 0, (READ.loMask | select) >>> 0)
    FW_CFG_DMA_ACCESS.fields.length.set(view, 0, length)
    FW_CFG_DMA_ACCESS.fields.address.number.set(view, 0, address)
    this.#bus.writeBytes(REQUEST, request)
    // The address goes out high half first, big-endian; writing the low half starts the transfer.
    this.#ports.out32(FW_CFG_PORT_DMA_HIGH, 0)
    this.#ports.out32(FW_CFG_PORT_DMA_LOW, swap(REQUEST))
    this.#bus.readBytes(REQUEST, request)
    const control = FW_CFG_DMA_ACCESS.fields.control.get(view, 0)
    return ERROR.get(control) === 0
  }
}
