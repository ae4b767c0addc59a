import type { PortBus } from '@dmascope/memory'
import { SparseBus } from './sparse-bus.ts'

/** Configuration space of one function: 4096 bytes, and masks of what a write changes. */
export class ConfigBytes {
  readonly bytes = new Uint8Array(4096)
  readonly writable = new Uint8Array(4096)

  set(offset: number, width: number, value: number): this {
    for (let index = 0; index < width; index++) this.bytes[offset + index] = (value >>> (index * 8)) & 0xff
    return this
  }

  allow(offset: number, width: number, mask: number): this {
    for (let index = 0; index < width; index++) this.writable[offset + index] = (mask >>> (index * 8)) & 0xff
    return this
  }

  /** A 32-bit BAR of this size. Flags are the low bits as they read. */
  bar(index: number, size: number, flags: number, base: number): this {
    const offset = 0x10 + index * 4
    return this.set(offset, 4, (base | flags) >>> 0).allow(offset, 4, (-size & ~0xf) >>> 0)
  }
}

/** An endpoint with IDs, class and a writable Command register. */
export const endpoint = (ids = 0x1042_1af4, header = 0): ConfigBytes =>
  new ConfigBytes().set(0, 4, ids).set(0x0e, 1, header).set(0x08, 4, 0x0100_0001).allow(4, 2, 0x0407)

/** A bus whose CF8 and CFC, and whose ECAM window, reach these functions, keyed `bus:device.function`. */
export function configBus(
  functions: Readonly<Record<string, ConfigBytes>>,
  options: { readonly ports?: boolean; readonly ecam?: number } = {},
): SparseBus {
  const bus = new SparseBus()
  const key = (b: number, d: number, f: number): string => `${b}:${d}.${f}`
  const read = (of: ConfigBytes | undefined, offset: number, width: number): number => {
    let value = 0
    for (let index = width - 1; index >= 0; index--) value = value * 256 + (of?.bytes[offset + index] ?? 0xff)
    return value
  }
  const write = (of: ConfigBytes | undefined, offset: number, width: number, value: number): void => {
    if (of === undefined) return
    for (let index = 0; index < width; index++) {
      const at = offset + index
      const mask = of.writable[at]!
      of.bytes[at] = (of.bytes[at]! & ~mask) | ((value >>> (index * 8)) & mask)
    }
  }
  let address = 0
  const at = (): ConfigBytes | undefined =>
    address >>> 31 === 0
      ? undefined
      : functions[key((address >>> 16) & 0xff, (address >>> 11) & 0x1f, (address >>> 8) & 7)]
  const input = (port: number, width: number): number => {
    if (port === 0xcf8) return address
    return port >= 0xcfc && port < 0xd00 ? read(at(), (address & 0xfc) + port - 0xcfc, width) : 2 ** (width * 8) - 1
  }
  const output = (port: number, width: number, value: number): void => {
    if (port === 0xcf8 && width === 4) address = value
    else if (port >= 0xcfc && port < 0xd00) write(at(), (address & 0xfc) + port - 0xcfc, width, value)
  }
  const ports: PortBus = {
    in8: (port) => input(port, 1),
    in16: (port) => input(port, 2),
    in32: (port) => input(port, 4),
    out8: (port, value) => output(port, 1, value),
    out16: (port, value) => output(port, 2, value),
    out32: (port, value) => output(port, 4, value),
  }
  if (options.ports !== false) bus.ports = ports
  const { ecam } = options
  if (ecam !== undefined) {
    const find = (where: number): ConfigBytes | undefined => {
      const offset = where - ecam
      return functions[key(Math.floor(offset / 0x10_0000), (offset >>> 15) & 0x1f, (offset >>> 12) & 7)]
    }
    const inside = (where: number): boolean => where >= ecam && where < ecam + 0x1000_0000
    bus.onRead = (where, width) => (inside(where) ? read(find(where), (where - ecam) & 0xfff, width) : undefined)
    bus.onWrite = (where, width, value) => {
      if (inside(where)) write(find(where), (where - ecam) & 0xfff, width, value)
    }
  }
  return bus
}
