import {
  COMMAND,
  EXPANSION_ROM_BAR,
  HEADER_TYPE,
  IO_BAR,
  MEMORY_BAR,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
} from '@dmascope/pci/spec'
import type { SabreConfig } from './sabre-config.ts'

const TYPE0 = PCI_HEADER_TYPE0.registers
const TYPE1 = PCI_HEADER_TYPE1.registers
const LEAST_MEMORY = 0x1_0000
const LEAST_IO = 0x80
const BARS = 6
const BRIDGE_BARS = 2
const MEM64 = 2

/** The addresses that are given out on one bus and below it, from below. */
export interface Room {
  memory: number
  io: number
}

/** A register that was placed. */
export interface PlacedBar {
  readonly offset: number
  readonly kind: 'io' | 'mem32' | 'mem64'
  readonly prefetchable: boolean
  readonly address: number
  readonly size: number
}

export const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to

/**
 * Gives addresses to a function's BARs, and to its ROM, as OpenBIOS does: in their order, memory in steps of 64 KiB at
 * least, all of it below 4 GiB; and lets the function decode them.
 *
 * @returns the BARs, without the ROM
 */
export function placeBars(config: SabreConfig, id: number, room: Room): PlacedBar[] {
  const isBridge = HEADER_TYPE.fields.HEADER_LAYOUT.get(config.read(id, TYPE0.HEADER_TYPE.offset, 1)) === 1
  const placed: PlacedBar[] = []
  const first = TYPE0.BAR0.offset
  for (let index = 0; index < (isBridge ? BRIDGE_BARS : BARS); index++) {
    const one = placeBar(config, id, first + index * 4, room)
    if (one === null) continue
    placed.push(one)
    if (one.kind === 'mem64') index++
  }
  placeRom(config, id, (isBridge ? TYPE1 : TYPE0).EXPANSION_ROM_BASE_ADDRESS.offset, room)
  const { MEMORY_SPACE_ENABLE, IO_SPACE_ENABLE } = COMMAND.fields
  const command = config.read(id, TYPE0.COMMAND.offset, 2)
  config.write(id, TYPE0.COMMAND.offset, 2, command | MEMORY_SPACE_ENABLE.loMask | IO_SPACE_ENABLE.loMask)
  return placed
}

function placeBar(config: SabreConfig, id: number, offset: number, room: Room): PlacedBar | null {
  config.write(id, offset, 4, 0xffff_ffff)
  const mask = config.read(id, offset, 4)
  config.write(id, offset, 4, 0)
  if (mask === 0 || mask === 0xffff_ffff) return null
  const isIo = IO_BAR.fields.IO.get(mask) === 1
  const size = sizeOf(mask, isIo ? 0x3 : 0xf)
  const address = take(room, isIo ? 'io' : 'memory', size)
  config.write(id, offset, 4, address)
  if (isIo) return { offset, kind: 'io', prefetchable: false, address, size }
  const wide = MEMORY_BAR.fields.TYPE.get(mask) === MEM64
  if (wide) config.write(id, offset + 4, 4, 0)
  const prefetchable = MEMORY_BAR.fields.PREFETCHABLE.get(mask) === 1
  return { offset, kind: wide ? 'mem64' : 'mem32', prefetchable, address, size }
}

function placeRom(config: SabreConfig, id: number, offset: number, room: Room): void {
  const { BASE } = EXPANSION_ROM_BAR.fields
  config.write(id, offset, 4, BASE.loMask)
  const mask = config.read(id, offset, 4)
  config.write(id, offset, 4, 0)
  if (mask !== 0 && mask !== 0xffff_ffff) config.write(id, offset, 4, take(room, 'memory', sizeOf(mask, 1)))
}

/** What the lowest bit says that can be written. */
const sizeOf = (mask: number, flags: number): number => {
  const bits = (mask & ~flags) >>> 0
  return bits === 0 ? 0 : (bits & -bits) >>> 0
}

function take(room: Room, which: keyof Room, bytes: number): number {
  const size = Math.max(bytes, which === 'io' ? LEAST_IO : LEAST_MEMORY)
  const address = alignUp(room[which], size)
  room[which] = address + size
  return address
}
