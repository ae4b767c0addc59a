import { DtNode, property } from '@dmascope/devicetree'
import { HEADER_TYPE, PCI_HEADER_TYPE0, PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'
import { describeFunction } from './node-properties.ts'
import { alignUp, placeBars, type Room } from './place-bars.ts'
import type { SabreConfig } from './sabre-config.ts'

const TYPE0 = PCI_HEADER_TYPE0.registers
const TYPE1 = PCI_HEADER_TYPE1.registers
const PCI_BRIDGE = 0x0604
const LAST_BUS = 0xff
const BRIDGE_MEMORY = 0x10_0000
const BRIDGE_IO = 0x1000
const PINS = 4

/** The bus numbers that are given out. */
export interface Numbering {
  last: number
}

/** Function IDs on a bus, in order. */
function functionsOf(config: SabreConfig, bus: number): number[] {
  const found: number[] = []
  for (let device = 0; device < 32; device++) {
    for (let fn = 0; fn < 8; fn++) {
      const id = (bus << 8) | (device << 3) | fn
      const ids = config.read(id, TYPE0.VENDOR_ID.offset, 4)
      const isThere = ids !== 0 && (ids & 0xffff) !== 0xffff
      if (isThere) found.push(id)
      const header = isThere ? config.read(id, TYPE0.HEADER_TYPE.offset, 1) : 0
      if (fn === 0 && HEADER_TYPE.fields.MULTI_FUNCTION.get(header) === 0) break
    }
  }
  return found
}

/** Places, numbers and describes what is on a bus and below it, depth first. */
function scanBus(config: SabreConfig, bus: number, room: Room, numbering: Numbering): DtNode[] {
  return functionsOf(config, bus).map((id) => configureFunction(config, id, room, numbering))
}

function configureFunction(config: SabreConfig, id: number, room: Room, numbering: Numbering): DtNode {
  const pin = config.read(id, TYPE0.INTERRUPT_PIN.offset, 1)
  if (pin !== 0) config.write(id, TYPE0.INTERRUPT_LINE.offset, 1, (((id >>> 3) & 31) + pin - 1) % PINS)
  const { name, properties } = describeFunction(config, id, placeBars(config, id, room))
  const unit = unitOf(id)
  const isBridge = config.read(id, TYPE0.REVISION_ID.offset, 4) >>> 16 === PCI_BRIDGE
  if (!isBridge || numbering.last >= LAST_BUS) return new DtNode(`${name}@${unit}`, properties)
  room.memory = alignUp(room.memory, BRIDGE_MEMORY)
  room.io = alignUp(room.io, BRIDGE_IO)
  const below = scanBehind(config, id, room, numbering)
  return new DtNode(`${name}@${unit}`, [...properties, property('bus-range', below.buses)], below.nodes)
}

/** Numbers the bus behind a bridge, scans it, and closes the bridge's windows around what was placed there. */
export function scanBehind(
  config: SabreConfig,
  id: number,
  room: Room,
  numbering: Numbering,
): { readonly nodes: DtNode[]; readonly buses: readonly [number, number] } {
  const { memory, io } = room
  const secondary = ++numbering.last
  config.write(id, TYPE1.PRIMARY_BUS_NUMBER.offset, 1, id >>> 8)
  config.write(id, TYPE1.SECONDARY_BUS_NUMBER.offset, 1, secondary)
  config.write(id, TYPE1.SUBORDINATE_BUS_NUMBER.offset, 1, LAST_BUS)
  const nodes = scanBus(config, secondary, room, numbering)
  config.write(id, TYPE1.SUBORDINATE_BUS_NUMBER.offset, 1, numbering.last)
  room.memory = alignUp(room.memory, BRIDGE_MEMORY)
  room.io = alignUp(room.io, BRIDGE_IO)
  config.write(id, TYPE1.MEMORY_BASE.offset, 2, (memory >>> 16) & 0xfff0)
  config.write(id, TYPE1.MEMORY_LIMIT.offset, 2, ((room.memory - 1) >>> 16) & 0xfff0)
  config.write(id, TYPE1.IO_BASE.offset, 1, (io >>> 8) & 0xf0)
  config.write(id, TYPE1.IO_LIMIT.offset, 1, ((room.io - 1) >>> 8) & 0xf0)
  config.write(id, TYPE1.IO_BASE_UPPER_16.offset, 2, io >>> 16)
  config.write(id, TYPE1.IO_LIMIT_UPPER_16.offset, 2, (room.io - 1) >>> 16)
  return { nodes, buses: [secondary, numbering.last] }
}

/** Device, and function where it is not 0. */
export const unitOf = (id: number): string => {
  const [device, fn] = [((id >>> 3) & 31).toString(16), id & 7]
  return fn === 0 ? device : `${device},${fn}`
}
