import type { CpuBus, PortBus } from '@dmascope/memory'

/** A function of the fake: 256 bytes of configuration space, and which of their bits can be written. */
export class FakeFunction {
  readonly config: Uint8Array = new Uint8Array(256)
  readonly mask: Uint8Array = new Uint8Array(256)
  readonly view: DataView = new DataView(this.config.buffer)
  readonly maskView: DataView = new DataView(this.mask.buffer)

  get isBridge(): boolean {
    return (this.config[0x0e]! & 0x7f) === 1
  }

  write(offset: number, width: number, value: number): void {
    for (let index = 0; index < width; index++) {
      const byte = (value >>> (8 * index)) & 0xff
      const mask = this.mask[offset + index]!
      this.config[offset + index] = (this.config[offset + index]! & ~mask) | (byte & mask)
    }
  }

  read(offset: number, width: number): number {
    let value = 0
    for (let index = width - 1; index >= 0; index--) value = value * 0x100 + this.config[offset + index]!
    return value
  }
}

/** A bus of the fake: functions by device and function number, bridges lead to further ones. */
export interface FakeBus {
  readonly functions: Map<number, FakeFunction>
  readonly below: Map<number, FakeBus>
}

/**
 * A PC for firmware alone: memory that is there where it is written, configuration space behind 0xcf8, fw_cfg. Written
 * apart from the machine's models, so that each can be wrong without the other.
 */
export class FakePc implements CpuBus {
  /** Root buses by number. */
  readonly roots: Map<number, FakeBus>
  readonly files: Map<string, Uint8Array>
  readonly items: Map<number, Uint8Array> = new Map()
  readonly portWrites: [port: number, value: number][] = []
  readonly mmio: {
    base: number
    size: number
    read(offset: number): number
    write(offset: number, value: number): void
  }[] = []
  readonly portDevices: {
    base(): number
    size: number
    read(offset: number): number
    write(offset: number, value: number): void
  }[] = []
  /** Runs once for each `nextInterrupt`. */
  onRun: () => void = () => {}
  readonly #pages = new Map<number, Uint8Array>()
  #address = 0
  #key = 0
  #offset = 0
  readonly ports: PortBus

  constructor(roots: Map<number, FakeBus>, files: Map<string, Uint8Array>, options: { dma: boolean; ram: number }) {
    this.roots = roots
    this.files = files
    const text = new TextEncoder()
    this.items.set(0, text.encode('QEMU'))
    this.items.set(1, Uint8Array.of(options.dma ? 3 : 1, 0, 0, 0))
    const ram = new DataView(new ArrayBuffer(8))
    ram.setUint32(0, options.ram % 2 ** 32, true)
    ram.setUint32(4, Math.floor(options.ram / 2 ** 32), true)
    this.items.set(3, new Uint8Array(ram.buffer))
    const directory = new DataView(new ArrayBuffer(4 + 64 * files.size))
    directory.setUint32(0, files.size)
    for (const [index, [name, data]] of [...files].entries()) {
      directory.setUint32(4 + 64 * index, data.length)
      directory.setUint16(8 + 64 * index, 0x20 + index)
      new Uint8Array(directory.buffer).set(text.encode(name), 12 + 64 * index)
      this.items.set(0x20 + index, data)
    }
    this.items.set(0x19, new Uint8Array(directory.buffer))
    const read = (port: number, width: number): number => this.#in(port, width)
    const write = (port: number, width: number, value: number): void => this.#out(port, width, value)
    this.ports = {
      in8: (port) => read(port, 1),
      in16: (port) => read(port, 2),
      in32: (port) => read(port, 4),
      out8: (port, value) => write(port, 1, value),
      out16: (port, value) => write(port, 2, value),
      out32: (port, value) => write(port, 4, value),
    }
  }

  /** The function that a configuration access reaches, following the bridges' bus numbers. */
  find(id: number): FakeFunction | undefined {
    const wanted = (id >> 8) & 0xff
    const descend = (bus: FakeBus): FakeBus | undefined => {
      for (const [devfn, inner] of bus.below) {
        const bridge = bus.functions.get(devfn)!
        const [, secondary, subordinate] = bridge.config.subarray(0x18, 0x1b)
        if (secondary === wanted) return inner
        if (wanted > secondary! && wanted <= subordinate!) return descend(inner)
      }
      return undefined
    }
    const root = this.roots.get(wanted)
    if (root !== undefined) return root.functions.get(id & 0xff)
    for (const one of this.roots.values()) {
      const found = descend(one)
      if (found !== undefined) return found.functions.get(id & 0xff)
    }
    return undefined
  }

  #in(port: number, width: number): number {
    if (port >= 0xcfc && port < 0xd00 && this.#address >= 0x8000_0000) {
      const found = this.find((this.#address >> 8) & 0xffff)
      return found?.read((this.#address & 0xfc) + (port & 3), width) ?? 2 ** (8 * width) - 1
    }
    const device = this.portDevices.find((one) => port >= one.base() && port < one.base() + one.size)
    if (device !== undefined) return device.read(port - device.base())
    if (port === 0x511) return this.items.get(this.#key)?.[this.#offset++] ?? 0
    return 2 ** (8 * width) - 1
  }

  #out(port: number, width: number, value: number): void {
    if (port === 0xcf8 && width === 4) this.#address = value >>> 0
    else if (port >= 0xcfc && port < 0xd00 && this.#address >= 0x8000_0000) {
      this.find((this.#address >> 8) & 0xffff)?.write((this.#address & 0xfc) + (port & 3), width, value)
    } else if (port === 0x510) {
      this.#key = value
      this.#offset = 0
    } else if (port === 0x518) {
      const request = new DataView(new ArrayBuffer(4))
      request.setUint32(0, value, true)
      this.#dma(request.getUint32(0, false))
    } else {
      const device = this.portDevices.find((one) => port >= one.base() && port < one.base() + one.size)
      if (device !== undefined) device.write(port - device.base(), value)
      else this.portWrites.push([port, value])
    }
  }

  #dma(at: number): void {
    const request = new Uint8Array(16)
    this.readBytes(at, request)
    const view = new DataView(request.buffer)
    const control = view.getUint32(0)
    if ((control & 8) !== 0) {
      this.#key = control >>> 16
      this.#offset = 0
    }
    const length = view.getUint32(4)
    const data = new Uint8Array(length)
    data.set((this.items.get(this.#key) ?? new Uint8Array(0)).subarray(this.#offset, this.#offset + length))
    this.#offset += length
    this.writeBytes(view.getUint32(8) * 2 ** 32 + view.getUint32(12), data)
    this.writeBytes(at, new Uint8Array(4))
  }

  #device(address: number): FakePc['mmio'][number] | undefined {
    return this.mmio.find(({ base, size }) => address >= base && address < base + size)
  }

  readBytes(address: number, into: Uint8Array): void {
    for (let index = 0; index < into.length; index++) {
      const at = address + index
      into[index] = this.#pages.get(Math.floor(at / 4096))?.[at % 4096] ?? 0
    }
  }

  writeBytes(address: number, from: Uint8Array): void {
    for (let index = 0; index < from.length; index++) {
      const at = address + index
      let page = this.#pages.get(Math.floor(at / 4096))
      if (page === undefined) {
        page = new Uint8Array(4096)
        this.#pages.set(Math.floor(at / 4096), page)
      }
      page[at % 4096] = from[index]!
    }
  }

  #read(address: number, width: number): number {
    const device = this.#device(address)
    if (device !== undefined) return device.read(address - device.base)
    const bytes = new Uint8Array(width)
    this.readBytes(address, bytes)
    return bytes.reduceRight((sum, byte) => sum * 0x100 + byte, 0)
  }

  #write(address: number, width: number, value: number): void {
    const device = this.#device(address)
    if (device !== undefined) device.write(address - device.base, value)
    else
      this.writeBytes(
        address,
        Uint8Array.from({ length: width }, (_, index) => (value >>> (8 * index)) & 0xff),
      )
  }

  read8 = (address: number): number => this.#read(address, 1)
  read16 = (address: number): number => this.#read(address, 2)
  read32 = (address: number): number => this.#read(address, 4)
  write8 = (address: number, value: number): void => this.#write(address, 1, value)
  write16 = (address: number, value: number): void => this.#write(address, 2, value)
  write32 = (address: number, value: number): void => this.#write(address, 4, value)

  nextInterrupt(): number {
    this.onRun()
    return -1
  }

  idle(): boolean {
    return true
  }
}
