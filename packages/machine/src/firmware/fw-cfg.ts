import { be16, be32, be64, bytes, struct } from '@dmascope/layout'
import type { AddressSpace, PortHandler } from '@dmascope/memory'
import type { FirmwareFiles } from './firmware-file.ts'

/** Selectors of QEMU's firmware configuration device (QEMU docs/specs/fw_cfg). */
const FW_CFG = {
  SIGNATURE: 0x0000,
  ID: 0x0001,
  RAM_SIZE: 0x0003,
  NB_CPUS: 0x0005,
  MAX_CPUS: 0x000f,
  CMDLINE_SIZE: 0x0014,
  CMDLINE_DATA: 0x0015,
  FILE_DIR: 0x0019,
  FILE_FIRST: 0x0020,
} as const

const FW_CFG_FILE = struct('FWCfgFile', 'QEMU docs/specs/fw_cfg', {
  size: be32,
  select: be16,
  reserved: be16,
  name: bytes(56),
})
const FW_CFG_DMA_ACCESS = struct('FWCfgDmaAccess', 'QEMU docs/specs/fw_cfg', {
  control: be32,
  length: be32,
  address: be64,
})

const CONTROL_ERROR = 1
const CONTROL_READ = 2
const CONTROL_SKIP = 4
const CONTROL_SELECT = 8
const CONTROL_WRITE = 16
/** Addresses from 2^53 on lead nowhere. */
const FIRST_UNREACHABLE_HIGH = 0x20_0000
const PAGE = 0x1000
/** Offsets of its registers, from the first port. */
export const FW_CFG_PORT = { select: 0, data: 1, dmaHigh: 4, dmaLow: 8 } as const

/** Ports that the device answers, from its base 0x510. */
export const FW_CFG_PORT_BASE = 0x510
export const FW_CFG_PORT_COUNT = 12

const little = (value: number, size: 2 | 4 | 8): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let index = 0, rest = value; index < size; index++, rest = Math.floor(rest / 0x100)) bytes[index] = rest
  return bytes
}

/** DMA, and the interface of old beside it. */
const INTERFACES = little(3, 4)
const text = new TextEncoder()
const SIGNATURE = text.encode('QEMU')

const NOTHING = new Uint8Array(0)

/** Files that are made anew when one of them is first selected: by then firmware has placed PCI. */
export interface FileRefresh {
  readonly names: readonly string[]
  /** Files by name, as large as they were. */
  make(): FirmwareFiles
}

/** The device through which firmware gets its files: by byte at a port, or by DMA into guest memory. */
export class FwCfg implements PortHandler {
  /** Items by selector; each reads as zeros from its end on, and so do the zeros that a file ends with. */
  readonly #entries = new Map<number, Uint8Array>()
  readonly #memory: AddressSpace
  readonly #selectors = new Map<string, number>()
  readonly #request = new Uint8Array(FW_CFG_DMA_ACCESS.size)
  readonly #requested = new DataView(this.#request.buffer)
  #refresh: FileRefresh | null
  #selector = 0
  #offset = 0
  #dmaHigh = 0

  constructor(
    memory: AddressSpace,
    facts: { readonly memoryBytes: number; readonly cpus: number; readonly commandLine: string },
    files: FirmwareFiles,
    refresh: FileRefresh | null = null,
  ) {
    this.#memory = memory
    this.#refresh = refresh
    const commandLine = text.encode(`${facts.commandLine}\0`)
    const cpus = little(facts.cpus, 2)
    this.#entries.set(FW_CFG.SIGNATURE, SIGNATURE)
    this.#entries.set(FW_CFG.ID, INTERFACES)
    this.#entries.set(FW_CFG.RAM_SIZE, little(facts.memoryBytes, 8))
    this.#entries.set(FW_CFG.NB_CPUS, cpus)
    this.#entries.set(FW_CFG.MAX_CPUS, cpus)
    this.#entries.set(FW_CFG.CMDLINE_SIZE, little(commandLine.length, 4))
    this.#entries.set(FW_CFG.CMDLINE_DATA, commandLine)
    const names = [...files.keys()].sort()
    const directory = new Uint8Array(4 + names.length * FW_CFG_FILE.size)
    const view = new DataView(directory.buffer)
    view.setUint32(0, names.length, false)
    for (const [index, name] of names.entries()) {
      const base = 4 + index * FW_CFG_FILE.size
      const { bytes, size } = files.get(name)!
      const { fields } = FW_CFG_FILE
      fields.size.set(view, base, size)
      fields.select.set(view, base, FW_CFG.FILE_FIRST + index)
      const letters = Math.min(name.length, fields.name.size)
      for (let at = 0; at < letters; at++) directory[base + fields.name.offset + at] = name.charCodeAt(at)
      this.#entries.set(FW_CFG.FILE_FIRST + index, bytes)
      this.#selectors.set(name, FW_CFG.FILE_FIRST + index)
    }
    this.#entries.set(FW_CFG.FILE_DIR, directory)
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (offset === FW_CFG_PORT.data && width === 1) return this.#entries.get(this.#selector)?.[this.#offset++] ?? 0
    // The DMA address register reads as "QEMU CFG" where the interface exists.
    if (offset === FW_CFG_PORT.dmaHigh && width === 4) return 0x554d_4551
    if (offset === FW_CFG_PORT.dmaLow && width === 4) return 0x4746_4320
    return 0xffff_ffff >>> (32 - 8 * width)
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset === FW_CFG_PORT.select && width === 2) this.#pick(value)
    else if (offset === FW_CFG_PORT.dmaHigh && width === 4) this.#dmaHigh = swap(value)
    else if (offset === FW_CFG_PORT.dmaLow && width === 4) {
      const high = this.#dmaHigh
      this.#dmaHigh = 0
      if (high < FIRST_UNREACHABLE_HIGH) this.#transfer(high * 0x1_0000_0000 + swap(value))
    }
  }

  #pick(selector: number): void {
    this.#selector = selector & 0x3fff
    if (this.#refresh?.names.some((name) => this.#selectors.get(name) === this.#selector)) this.#makeAnew()
    this.#offset = 0
  }

  #makeAnew(): void {
    const made: FirmwareFiles = this.#refresh?.make() ?? new Map()
    this.#refresh = null
    for (const [name, { bytes }] of made) {
      const selector = this.#selectors.get(name)
      if (selector !== undefined) this.#entries.set(selector, bytes)
    }
  }

  #transfer(at: number): void {
    this.#memory.readBytes(at, this.#request)
    const view = this.#requested
    const control = FW_CFG_DMA_ACCESS.fields.control.get(view, 0)
    const length = FW_CFG_DMA_ACCESS.fields.length.get(view, 0)
    const { lo, hi } = FW_CFG_DMA_ACCESS.fields.address
    if ((control & CONTROL_SELECT) !== 0) this.#pick(control >>> 16)
    let result = 0
    if ((control & CONTROL_WRITE) !== 0) result = CONTROL_ERROR
    else if ((control & CONTROL_READ) !== 0) {
      if (!this.#deliver(hi.get(view, 0), lo.get(view, 0), length)) result = CONTROL_ERROR
      this.#skip(length)
    } else if ((control & CONTROL_SKIP) !== 0) this.#skip(length)
    // Big-endian, as all of a request.
    this.#memory.write(at, 4, swap(result))
  }

  #skip(length: number): void {
    this.#offset = Math.min(this.#offset + length, 0xffff_ffff)
  }

  /** Copies the item's next `length` bytes to memory, zeros beyond its end. False where the target is not memory. */
  #deliver(hi: number, lo: number, length: number): boolean {
    if (hi >= FIRST_UNREACHABLE_HIGH) return false
    const target = hi * 0x1_0000_0000 + lo
    const entry = this.#entries.get(this.#selector) ?? NOTHING
    const whole = this.#offset === 0 && length >= entry.length
    const rest = whole
      ? entry
      : entry.subarray(Math.min(this.#offset, entry.length), Math.min(this.#offset + length, entry.length))
    this.#memory.writeBytes(target, rest)
    const zeroed = this.#clear(target + rest.length, length - rest.length)
    return zeroed && this.#memory.ram.covers(target, rest.length)
  }

  /** A request may name 4 GiB: RAM that nobody has written is zero already, and is not backed to be written so. */
  #clear(address: number, length: number): boolean {
    const { ram } = this.#memory
    for (let done = 0; done < length; ) {
      const at = address + done
      const run = Math.min(ram.runLength(at), length - done)
      if (run === 0) return false
      if (this.#memory.isRam(at, run)) ram.clear(at, run)
      else this.#clearAround(at, run)
      done += run
    }
    return true
  }

  /** The same where ROM or registers lie over some of the RAM. */
  #clearAround(address: number, length: number): void {
    for (let done = 0; done < length; ) {
      const at = address + done
      const run = Math.min(PAGE - (at % PAGE), length - done)
      if (this.#memory.isRam(at, run)) this.#memory.ram.clear(at, run)
      else this.#memory.writeBytes(at, new Uint8Array(run))
      done += run
    }
  }
}

const swap = (value: number): number =>
  (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
