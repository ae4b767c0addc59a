import {
  BOOT_FLAG,
  BOOT_HEADER_MAGIC,
  BOOT_PARAMS,
  BOOT_PARAMS_ADDRESS,
  checksum,
  E820_TYPE,
  parseLoaderScript,
} from '@dmascope/acpi'
import type { CpuBus, PortBus } from '@dmascope/memory'

/**
 * The least firmware that a kernel can be booted after: BARs, bridge windows, tables from fw_cfg, a memory map. It knows
 * only the bus, but does not place things where real firmware would.
 */
export function runMiniFirmware(bus: CpuBus, machine: { readonly memory: number; readonly express: boolean }): void {
  const ports = bus.ports!
  const at = (b: number, d: number, f: number, offset: number): void =>
    ports.out32(0xcf8, (0x8000_0000 | (b << 16) | (d << 11) | (f << 8) | (offset & 0xfc)) >>> 0)
  const read = (b: number, d: number, f: number, offset: number): number => {
    at(b, d, f, offset)
    return ports.in32(0xcfc)
  }
  const write = (b: number, d: number, f: number, offset: number, value: number): void => {
    at(b, d, f, offset)
    ports.out32(0xcfc, value >>> 0)
  }
  const write8 = (b: number, d: number, f: number, offset: number, value: number): void => {
    at(b, d, f, offset)
    ports.out8(0xcfc + (offset & 3), value)
  }
  // RAM behind the BIOS area: PAM0 to PAM6.
  for (let index = 0; index < 7; index++) write8(0, 0, 0, (machine.express ? 0x90 : 0x59) + index, 0x33)
  if (machine.express) {
    write(0, 0, 0, 0x64, 0)
    write(0, 0, 0, 0x60, 0xb000_0001)
  }

  let nextMemory = 0xf000_0000
  let nextPort = 0xc000
  let lastBus = 0
  const align = (value: number, to: number): number => Math.ceil(value / to) * to
  const placeBars = (b: number, d: number, f: number, count: number): void => {
    for (let bar = 0; bar < count; bar++) {
      const offset = 0x10 + bar * 4
      write(b, d, f, offset, 0xffff_ffff)
      const mask = read(b, d, f, offset)
      if (mask === 0) continue
      if (mask & 1) {
        const size = (~(mask & 0xfffc) & 0xffff) + 1
        nextPort = align(nextPort, size)
        write(b, d, f, offset, nextPort)
        nextPort += size
        continue
      }
      const size = (~(mask & 0xffff_fff0) >>> 0) + 1
      nextMemory = align(nextMemory, size)
      write(b, d, f, offset, nextMemory)
      nextMemory += size
      if ((mask & 6) === 4) {
        write(b, d, f, offset + 4, 0)
        bar++
      }
    }
  }
  const scan = (b: number): void => {
    for (let d = 0; d < 32; d++) {
      for (let f = 0; f < 8; f++) {
        if ((read(b, d, f, 0) & 0xffff) === 0xffff) {
          if (f === 0) break
          continue
        }
        const header = (read(b, d, f, 0x0c) >>> 16) & 0xff
        const bridge = (header & 0x7f) === 1
        placeBars(b, d, f, bridge ? 2 : 6)
        if (bridge) {
          const secondary = ++lastBus
          const start = align(nextMemory, 0x10_0000)
          const ioStart = align(nextPort, 0x1000)
          nextMemory = start
          nextPort = ioStart
          write(b, d, f, 0x18, b | (secondary << 8) | (0xff << 16))
          scan(secondary)
          write(b, d, f, 0x18, b | (secondary << 8) | (lastBus << 16))
          nextMemory = align(Math.max(nextMemory, start + 1), 0x10_0000)
          nextPort = align(nextPort, 0x1000)
          write(b, d, f, 0x20, ((start >>> 16) & 0xfff0) | ((nextMemory - 1) & 0xfff0_0000))
          write(b, d, f, 0x24, 0x0001_fff1)
          const limit = nextPort > ioStart ? nextPort - 1 : 0
          write(b, d, f, 0x1c, limit === 0 ? 0x00f0 : (ioStart >>> 8) | (limit & 0xf000))
        }
        write(b, d, f, 0x04, 0x103)
        if (f === 0 && (header & 0x80) === 0) break
      }
    }
  }
  scan(0)

  const firmwareConfig = new FirmwareConfig(ports)
  const tablesTop = loadTables(bus, firmwareConfig, machine.memory)
  writeBootParams(bus, firmwareConfig.commandLine(), machine.memory, tablesTop)
}

class FirmwareConfig {
  readonly #ports: PortBus
  constructor(ports: PortBus) {
    this.#ports = ports
  }
  #bytes(selector: number, size: number): Uint8Array {
    this.#ports.out16(0x510, selector)
    return Uint8Array.from({ length: size }, () => this.#ports.in8(0x511))
  }
  commandLine(): Uint8Array {
    const size = new DataView(this.#bytes(0x14, 4).buffer).getUint32(0, true)
    return this.#bytes(0x15, size)
  }
  file(name: string): Uint8Array {
    const count = new DataView(this.#bytes(0x19, 4).buffer).getUint32(0)
    const directory = new DataView(this.#bytes(0x19, 4 + count * 64).buffer)
    for (let index = 0; index < count; index++) {
      const base = 4 + index * 64
      const text = String.fromCharCode(...new Uint8Array(directory.buffer, base + 8, 56)).split('\0')[0]
      if (text === name) return this.#bytes(directory.getUint16(base + 4), directory.getUint32(base))
    }
    throw new Error(`fw_cfg has no ${name}`)
  }
}

/** Runs the loader script; answers the lowest address that tables take. */
function loadTables(bus: CpuBus, config: FirmwareConfig, memory: number): number {
  const files = new Map<string, { address: number; bytes: Uint8Array }>()
  const top = Math.min(memory, 0x8000_0000)
  let high = top - 0x2_0000
  let segment = 0xf_5000
  for (const one of parseLoaderScript(config.file('etc/table-loader'))) {
    if (one.command === 'allocate') {
      const bytes = config.file(one.file)
      const room = Math.ceil(bytes.length / 64) * 64
      const address = one.zone === 'fseg' ? segment : high
      if (one.zone === 'fseg') segment += room
      else high += room
      files.set(one.file, { address, bytes })
    } else if (one.command === 'add-pointer') {
      const { bytes } = files.get(one.file)!
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      view.setUint32(one.offset, view.getUint32(one.offset, true) + files.get(one.source)!.address, true)
    } else if (one.command === 'add-checksum') {
      const { bytes } = files.get(one.file)!
      bytes[one.offset] = checksum(bytes.subarray(one.start, one.start + one.length))
    }
  }
  for (const { address, bytes } of files.values()) bus.writeBytes(address, bytes)
  return top - 0x2_0000
}

function writeBootParams(bus: CpuBus, commandLine: Uint8Array, memory: number, tables: number): void {
  const page = new DataView(new ArrayBuffer(BOOT_PARAMS.size))
  const { fields } = BOOT_PARAMS
  fields.boot_flag.set(page, 0, BOOT_FLAG)
  fields.header.set(page, 0, BOOT_HEADER_MAGIC)
  fields.cmd_line_ptr.set(page, 0, 0x9_1000)
  const low = Math.min(memory, 0x8000_0000)
  const map: [number, number, number][] = [
    [0, 0x9_fc00, E820_TYPE.ram],
    [0x9_fc00, 0x400, E820_TYPE.reserved],
    [0xf_0000, 0x1_0000, E820_TYPE.reserved],
    [0x10_0000, tables - 0x10_0000, E820_TYPE.ram],
    [tables, low - tables, E820_TYPE.reserved],
    [0xb000_0000, 0x1000_0000, E820_TYPE.reserved],
  ]
  if (memory > low) map.push([0x1_0000_0000, memory - low, E820_TYPE.ram])
  fields.e820_entries.set(page, 0, map.length)
  map.forEach(([base, length, type], index) => {
    const entry = fields.e820_table.at(index).fields
    entry.addr.number.set(page, 0, base)
    entry.size.number.set(page, 0, length)
    entry.type.set(page, 0, type)
  })
  bus.writeBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(page.buffer))
  bus.writeBytes(0x9_1000, commandLine)
}
