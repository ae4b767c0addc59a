import type { MmioHandler, PortHandler } from './contracts/mmio.ts'
import type { GuestRam } from './guest-ram.ts'

const ZEROES = new Uint8Array(4096)

/** What lies at an address beside RAM. */
export interface Region {
  readonly name: string
  readonly base: number
  readonly size: number
  readonly kind: 'rom' | 'mmio'
  readonly handler: MmioHandler
  /** Of a ROM: its contents, as many as `size`, so that they are copied at once. */
  readonly bytes?: Uint8Array
}

/** Something that answers for a whole window and decides by address, such as a PCI host bridge. */
export interface Window {
  readonly name: string
  readonly base: number
  readonly size: number
  /** The region in the window that holds `address`; null where nothing answers. */
  find(address: number): Region | null
}

const readOnly = (bytes: Uint8Array): MmioHandler => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    read: (offset, width) =>
      offset + width > bytes.length
        ? width === 1
          ? 0xff
          : 0xffff_ffff >>> (32 - width * 8)
        : width === 4
          ? view.getUint32(offset, true)
          : width === 2
            ? view.getUint16(offset, true)
            : view.getUint8(offset),
    write: () => {},
  }
}

/** A ROM of these bytes, which it keeps a view of. */
export const romRegion = (name: string, base: number, bytes: Uint8Array): Region => ({
  name,
  base,
  size: bytes.length,
  kind: 'rom',
  handler: readOnly(bytes),
  bytes,
})

/**
 * An address space: RAM, with regions laid over it, and windows below those. Of regions that overlap the one that was
 * added last wins. Where nothing answers, reads give all ones and writes are dropped.
 */
export class AddressSpace {
  readonly ram: GuestRam
  #regions: Region[] = []
  #windows: Window[] = []
  /** Bounds of what lies over RAM: addresses outside them are RAM or not without a search. */
  #overlayBase = Number.POSITIVE_INFINITY
  #overlayEnd = 0
  /** The last region that was found, where none lies over any of it. */
  #recent: Region | null = null

  constructor(ram: GuestRam) {
    this.ram = ram
  }

  /** Lays a region over what is there. Returns a function that takes it away again. */
  add(region: Region): () => void {
    this.#regions.unshift(region)
    this.#recent = null
    this.#widenOverlay(region)
    return () => this.#remove(region)
  }

  #remove(region: Region): void {
    const { base, size } = region
    const last = this.#regions.indexOf(region)
    if (last < 0) return
    this.#regions.splice(last, 1)
    this.#recent = null
    // What ends within the bounds does not bear on them.
    if (base > this.#overlayBase && base + size < this.#overlayEnd) return
    this.#overlayBase = Number.POSITIVE_INFINITY
    this.#overlayEnd = 0
    for (const other of this.#regions) this.#widenOverlay(other)
  }

  addWindow(window: Window): void {
    this.#windows.push(window)
  }

  #widenOverlay({ base, size }: Region): void {
    for (const range of this.ram.ranges) {
      if (base >= range.base + range.size || base + size <= range.base) continue
      this.#overlayBase = Math.min(this.#overlayBase, base)
      this.#overlayEnd = Math.max(this.#overlayEnd, base + size)
      return
    }
  }

  /** Whether `length` bytes at `address` are RAM with nothing over them. */
  isRam(address: number, length: number): boolean {
    if (!this.ram.covers(address, length)) return false
    if (address + length <= this.#overlayBase || address >= this.#overlayEnd) return true
    for (const { base, size } of this.#regions) if (address < base + size && address + length > base) return false
    return true
  }

  /** The region that answers at `address`; null for RAM and for holes: ask `isRam`. */
  find(address: number): Region | null {
    const recent = this.#recent
    if (recent !== null && address >= recent.base && address < recent.base + recent.size) return recent
    for (let index = 0; index < this.#regions.length; index++) {
      const region = this.#regions[index]!
      if (address < region.base || address >= region.base + region.size) continue
      if (!this.#isCovered(index)) this.#recent = region
      return region
    }
    if (this.ram.offsetToRead(address) >= 0) return null
    for (const window of this.#windows) {
      if (address >= window.base && address < window.base + window.size) {
        const found = window.find(address)
        if (found !== null) return found
      }
    }
    return null
  }

  /** Whether a region lies over any of this one. */
  #isCovered(index: number): boolean {
    const { base, size } = this.#regions[index]!
    for (let over = 0; over < index; over++) {
      const other = this.#regions[over]!
      if (other.base < base + size && other.base + other.size > base) return true
    }
    return false
  }

  #plain(address: number): boolean {
    return address < this.#overlayBase || address >= this.#overlayEnd
  }

  /** Little-endian, unsigned; at any alignment. */
  read(address: number, width: 1 | 2 | 4): number {
    if (this.#plain(address) && (address & 0xfff) <= 0x1000 - width) {
      const offset = this.ram.offsetToRead(address)
      if (offset >= 0) {
        const { view } = this.ram
        return width === 4
          ? view.getUint32(offset, true)
          : width === 2
            ? view.getUint16(offset, true)
            : view.getUint8(offset)
      }
    }
    return this.#readSlowly(address, width)
  }

  write(address: number, width: 1 | 2 | 4, value: number): void {
    if (this.#plain(address) && (address & 0xfff) <= 0x1000 - width) {
      const offset = this.ram.offsetToWrite(address, width)
      if (offset >= 0) {
        const { view } = this.ram
        if (width === 4) view.setUint32(offset, value, true)
        else if (width === 2) view.setUint16(offset, value, true)
        else view.setUint8(offset, value)
        return
      }
    }
    this.#writeSlowly(address, width, value)
  }

  #readSlowly(address: number, width: 1 | 2 | 4): number {
    if (width > 1 && (address & 0xfff) > 0x1000 - width) {
      let value = 0
      for (let index = 0; index < width; index++) value += this.read(address + index, 1) * 2 ** (8 * index)
      return value
    }
    const region = this.find(address)
    if (region !== null) return region.handler.read(address - region.base, width) >>> 0
    const offset = this.ram.offsetToRead(address)
    if (offset < 0) return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff
    const { view } = this.ram
    return width === 4
      ? view.getUint32(offset, true)
      : width === 2
        ? view.getUint16(offset, true)
        : view.getUint8(offset)
  }

  #writeSlowly(address: number, width: 1 | 2 | 4, value: number): void {
    if (width > 1 && (address & 0xfff) > 0x1000 - width) {
      for (let index = 0; index < width; index++) this.write(address + index, 1, (value >>> (8 * index)) & 0xff)
      return
    }
    const region = this.find(address)
    if (region !== null) {
      region.handler.write(address - region.base, width, value >>> 0)
      return
    }
    const offset = this.ram.offsetToWrite(address, width)
    if (offset < 0) return
    const { view } = this.ram
    if (width === 4) view.setUint32(offset, value, true)
    else if (width === 2) view.setUint16(offset, value, true)
    else view.setUint8(offset, value)
  }

  /** Fills `into` from `address` on, whatever lies there. */
  readBytes(address: number, into: Uint8Array): void {
    if (this.isRam(address, into.length)) {
      this.ram.readBytes(address, into)
      return
    }
    let done = 0
    while (done < into.length) {
      const at = address + done
      const region = this.find(at)
      const contents = region === null ? null : region.bytes
      const run = Math.min(into.length - done, contents === undefined ? 1 : this.#runFrom(at, region))
      if (contents) into.set(contents.subarray(at - region!.base, at - region!.base + run), done)
      else if (contents === null && run > 0) this.ram.readBytes(at, into.subarray(done, done + run))
      else into[done] = this.read(at, 1)
      done += Math.max(run, 1)
    }
  }

  /** Writes `from` at `address`, whatever lies there; registers are written in aligned words where it can. */
  writeBytes(address: number, from: Uint8Array): void {
    if (this.isRam(address, from.length)) {
      this.ram.writeBytes(address, from)
      return
    }
    const view = new DataView(from.buffer, from.byteOffset, from.byteLength)
    let done = 0
    while (done < from.length) {
      const at = address + done
      const region = this.find(at)
      if (region === null || region.bytes !== undefined) {
        const run = Math.min(from.length - done, this.#runFrom(at, region))
        if (region === null && run > 0) this.ram.writeBytes(at, from.subarray(done, done + run))
        done += Math.max(run, 1)
      } else if ((at & 3) === 0 && from.length - done >= 4) {
        this.write(at, 4, view.getUint32(done, true))
        done += 4
      } else {
        this.write(at, 1, view.getUint8(done))
        done += 1
      }
    }
  }

  /** Zeroes what lies at `address`, as if zeroes were written; RAM that nobody has written is not backed for it. */
  clear(address: number, length: number): void {
    for (let done = 0; done < length; ) {
      const at = address + done
      const piece = Math.min(length - done, ZEROES.length)
      if (this.isRam(at, length - done)) done += this.ram.clear(at, length - done)
      else {
        this.writeBytes(at, piece === ZEROES.length ? ZEROES : ZEROES.subarray(0, piece))
        done += piece
      }
    }
  }

  /** Bytes from `at` on that are all of `region`, or all of RAM where it is null; 0 where that is a hole. */
  #runFrom(at: number, region: Region | null): number {
    let end = region === null ? at + this.ram.runLength(at) : region.base + region.size
    for (const { base } of this.#regions) if (base > at && base < end) end = base
    return end - at
  }
}

/** 65536 ports, answered by ranges. Where nothing answers, reads give all ones. */
export class PortSpace {
  #ranges: { first: number; count: number; handler: PortHandler }[] = []
  #fallback: ((port: number) => { handler: PortHandler; offset: number } | null) | undefined

  add(first: number, count: number, handler: PortHandler): void {
    this.#ranges.push({ first, count, handler })
  }

  /** Asked where no range answers: the I/O BARs behind a PCI host bridge. */
  setFallback(find: (port: number) => { handler: PortHandler; offset: number } | null): void {
    this.#fallback = find
  }

  read(port: number, width: 1 | 2 | 4): number {
    for (const { first, count, handler } of this.#ranges) {
      if (port >= first && port < first + count) return handler.read(port - first, width) >>> 0
    }
    const found = this.#fallback?.(port)
    if (found) return found.handler.read(found.offset, width) >>> 0
    return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff
  }

  write(port: number, width: 1 | 2 | 4, value: number): void {
    for (const { first, count, handler } of this.#ranges) {
      if (port >= first && port < first + count) {
        handler.write(port - first, width, value >>> 0)
        return
      }
    }
    const found = this.#fallback?.(port)
    if (found) found.handler.write(found.offset, width, value >>> 0)
  }
}
