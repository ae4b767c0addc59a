import type { DtNode } from '@dmascope/devicetree'
import {
  COMMAND,
  EXPANSION_ROM_BAR,
  HEADER_TYPE,
  IO_BAR,
  MEMORY_BAR,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
} from '@dmascope/pci/spec'
import { ASSIGNED, PREFETCHABLE, SPACE_IO, SPACE_MASK, SPACE_MEM32, SPACE_MEM64 } from '../spec/slof.ts'
import type { RtasConfig } from './rtas-config.ts'

const TYPE0 = PCI_HEADER_TYPE0.registers
const TYPE1 = PCI_HEADER_TYPE1.registers
/** What SLOF leaves in Command: errors are reported, nothing decodes. */
const COMMAND_LEFT = COMMAND.fields.SERR_ENABLE.loMask
const LEAST_MEMORY = 0x1_0000
const LEAST_IO = 0x10
const BRIDGE_MEMORY = 0x10_0000
const BRIDGE_IO = 0x1000
const RANGE_CELLS = 7

/** A stretch of bus addresses that is given out from below. */
interface Room {
  next: number
  readonly end: number
}

/** What is given out on one host bridge. */
interface Rooms {
  readonly io: Room
  readonly mem32: Room
  readonly mem64: Room
}

/** A BAR that has been placed, for reports. */
export interface SlofBar {
  /** Path of unit addresses below the host bridge, and offset of the register. */
  readonly node: string
  readonly offset: number
  readonly address: number
  readonly size: number
}

/**
 * Gives addresses to the BARs below a host bridge, as SLOF does with buses that are numbered already: function by
 * function in the order of the tree, register by register, then the expansion ROM. 64-bit prefetchable memory comes from
 * the window above 4 GiB, the rest from the one below; memory in steps of 64 KiB at least. Tells the tree, and answers
 * what was placed.
 */
export function placeBars(bridge: DtNode, config: RtasConfig, say: (line: string) => void): SlofBar[] {
  const [buidHi = 0, buidLo = 0] = bridge.cells('reg')
  const placer = new Placer(config, [buidHi, buidLo], roomsOf(bridge), say)
  placer.placeBus(bridge)
  return placer.placed
}

function roomsOf(bridge: DtNode): Rooms {
  const cells = bridge.cells('ranges')
  const room = (space: number): Room => {
    for (let at = 0; at + RANGE_CELLS <= cells.length; at += RANGE_CELLS) {
      if ((cells[at]! & SPACE_MASK) !== space) continue
      const start = cells[at + 1]! * 0x1_0000_0000 + cells[at + 2]!
      const end = start + cells[at + 5]! * 0x1_0000_0000 + cells[at + 6]!
      if (Number.isSafeInteger(end)) return { next: start, end }
    }
    return { next: 0, end: 0 }
  }
  const io = room(SPACE_IO)
  // Nothing goes to port 0.
  if (io.next === 0) io.next = LEAST_IO
  return { io, mem32: room(SPACE_MEM32), mem64: room(SPACE_MEM64) }
}

class Placer {
  readonly placed: SlofBar[] = []
  readonly #config: RtasConfig
  readonly #buid: readonly [number, number]
  readonly #rooms: Rooms
  readonly #say: (line: string) => void

  constructor(config: RtasConfig, buid: readonly [number, number], rooms: Rooms, say: (line: string) => void) {
    this.#config = config
    this.#buid = buid
    this.#rooms = rooms
    this.#say = say
  }

  placeBus(node: DtNode): void {
    for (const child of node.children) {
      const [address] = child.cells('reg')
      if (address !== undefined) this.#placeFunction(child, address & 0xff_ff00)
    }
  }

  #read(address: number, offset: number, width: 1 | 2 | 4): number {
    return this.#config.read(this.#buid, address, offset, width)
  }

  #write(address: number, offset: number, width: 1 | 2 | 4, value: number): void {
    this.#config.write(this.#buid, address, offset, width, value)
  }

  #placeFunction(node: DtNode, address: number): void {
    if (this.#read(address, TYPE0.VENDOR_ID.offset, 4) === 0xffff_ffff) return
    this.#write(address, TYPE0.COMMAND.offset, 2, COMMAND_LEFT)
    const isBridge = HEADER_TYPE.fields.HEADER_LAYOUT.get(this.#read(address, TYPE0.HEADER_TYPE.offset, 1)) === 1
    const assigned: number[] = []
    for (let bar = 0; bar < (isBridge ? 2 : 6); bar++) {
      if (this.#placeBar(node, address, TYPE0.BAR0.offset + bar * 4, assigned)) bar++
    }
    if (isBridge) this.#placeBridge(node, address)
    else this.#placeRom(node, address, assigned)
    if (assigned.length > 0) node.set('assigned-addresses', assigned)
  }

  #probe(address: number, offset: number): number {
    const before = this.#read(address, offset, 4)
    this.#write(address, offset, 4, 0xffff_ffff)
    const mask = this.#read(address, offset, 4)
    this.#write(address, offset, 4, before)
    return mask
  }

  /** Answers whether the register took the next one, too. */
  #placeBar(node: DtNode, address: number, offset: number, assigned: number[]): boolean {
    const mask = this.#probe(address, offset)
    if (mask === 0 || mask === 0xffff_ffff) return false
    const { io, mem32, mem64 } = this.#rooms
    if (IO_BAR.fields.IO.get(mask) === 1) {
      const size = (mask & IO_BAR.fields.BASE.loMask & 0xffff & -(mask & IO_BAR.fields.BASE.loMask & 0xffff)) >>> 0
      this.#assign(node, address, offset, io, size, size, SPACE_IO, assigned)
      return false
    }
    const low = (mask & MEMORY_BAR.fields.BASE.loMask) >>> 0
    const wide = MEMORY_BAR.fields.TYPE.get(mask) === 2
    const high = wide ? this.#probe(address, offset + 4) : 0
    const size = low !== 0 ? (low & -low) >>> 0 : ((high & -high) >>> 0) * 0x1_0000_0000
    const prefetchable = MEMORY_BAR.fields.PREFETCHABLE.get(mask) === 1
    const room = wide && prefetchable && mem64.end > mem64.next ? mem64 : mem32
    const space = (wide ? SPACE_MEM64 : SPACE_MEM32) | (prefetchable ? PREFETCHABLE : 0)
    this.#assign(node, address, offset, room, size, Math.max(size, LEAST_MEMORY), space, assigned)
    return wide
  }

  #placeRom(node: DtNode, address: number, assigned: number[]): void {
    const { offset } = TYPE0.EXPANSION_ROM_BASE_ADDRESS
    this.#write(address, offset, 4, EXPANSION_ROM_BAR.fields.BASE.loMask)
    const mask = (this.#read(address, offset, 4) & EXPANSION_ROM_BAR.fields.BASE.loMask) >>> 0
    this.#write(address, offset, 4, 0)
    if (mask === 0 || mask === EXPANSION_ROM_BAR.fields.BASE.loMask) return
    const size = (mask & -mask) >>> 0
    const { mem32 } = this.#rooms
    this.#assign(node, address, offset, mem32, size, Math.max(size, LEAST_MEMORY), SPACE_MEM32, assigned)
  }

  #assign(
    node: DtNode,
    address: number,
    offset: number,
    room: Room,
    size: number,
    alignment: number,
    space: number,
    assigned: number[],
  ): void {
    const start = Math.ceil(room.next / alignment) * alignment
    if (size === 0 || start + size > room.end) {
      this.#say(`${node.name}: no room for ${size} bytes of the register at 0x${offset.toString(16)}`)
      return
    }
    room.next = start + size
    const [hi, lo] = [Math.floor(start / 0x1_0000_0000), start % 0x1_0000_0000]
    this.#write(address, offset, 4, lo)
    if ((space & SPACE_MEM64) === SPACE_MEM64) this.#write(address, offset + 4, 4, hi)
    const sizeCells = [Math.floor(size / 0x1_0000_0000), size % 0x1_0000_0000]
    assigned.push((ASSIGNED | space | address | offset) >>> 0, hi, lo, ...sizeCells)
    this.placed.push({ node: node.name, offset, address: start, size })
  }

  /** What is below a bridge gets room in whole megabytes and pages of ports, which its windows then open. */
  #placeBridge(node: DtNode, address: number): void {
    const { io, mem32, mem64 } = this.#rooms
    const rooms = [
      { room: io, unit: BRIDGE_IO },
      { room: mem32, unit: BRIDGE_MEMORY },
      { room: mem64, unit: BRIDGE_MEMORY },
    ]
    for (const one of rooms) this.#align(one.room, one.unit)
    const starts = rooms.map(({ room }) => room.next)
    this.placeBus(node)
    for (const one of rooms) this.#align(one.room, one.unit)
    const windows = rooms.map(({ room }, index) => ({ start: starts[index]!, end: room.next }))
    this.#openIo(address, windows[0]!)
    this.#openMemory(address, TYPE1.MEMORY_BASE.offset, windows[1]!)
    this.#openMemory(address, TYPE1.PREFETCHABLE_MEMORY_BASE.offset, windows[2]!)
    const upper = (value: number): number => Math.floor(value / 0x1_0000_0000)
    this.#write(address, TYPE1.PREFETCHABLE_BASE_UPPER_32.offset, 4, upper(windows[2]!.start))
    this.#write(address, TYPE1.PREFETCHABLE_LIMIT_UPPER_32.offset, 4, upper(Math.max(windows[2]!.end - 1, 0)))
    const secondary = this.#read(address, TYPE1.SECONDARY_BUS_NUMBER.offset, 1)
    const subordinate = this.#read(address, TYPE1.SUBORDINATE_BUS_NUMBER.offset, 1)
    node.set('bus-range', [secondary, subordinate])
    node.set(
      'ranges',
      windows.flatMap(({ start, end }, index) => {
        if (end <= start) return []
        const space = [SPACE_IO, SPACE_MEM32, SPACE_MEM64 | PREFETCHABLE][index]!
        const cells = [space, upper(start), start % 0x1_0000_0000]
        return [...cells, ...cells, upper(end - start), (end - start) % 0x1_0000_0000]
      }),
    )
  }

  #align(room: Room, unit: number): void {
    room.next = Math.min(Math.ceil(room.next / unit) * unit, room.end)
  }

  /** A base above the limit is a window that is shut. */
  #openIo(address: number, { start, end }: { readonly start: number; readonly end: number }): void {
    const isOpen = end > start
    this.#write(address, TYPE1.IO_BASE.offset, 1, isOpen ? (start >>> 8) & 0xf0 : 0xf0)
    this.#write(address, TYPE1.IO_LIMIT.offset, 1, isOpen ? ((end - 1) >>> 8) & 0xf0 : 0)
  }

  #openMemory(address: number, offset: number, { start, end }: { readonly start: number; readonly end: number }): void {
    const isOpen = end > start
    const field = (value: number): number => Math.floor((value % 0x1_0000_0000) / 0x1_0000) & 0xfff0
    this.#write(address, offset, 2, isOpen ? field(start) : 0xfff0)
    this.#write(address, offset + 2, 2, isOpen ? field(end - 1) : 0)
  }
}
