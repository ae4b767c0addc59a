import { type DeviceTree, parseDtb, parseReg, reservedRegions, type U64 } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { type AddressRange, mergeRanges, subtractRanges } from './memory-map.ts'

const PAGE = 4096
const HEADER_BYTES = 8

/**
 * Reads the tree that the boot loader tells of. A text is why there is none.
 *
 * @param largest - bytes that the kernel takes a tree to have at most
 */
export function readDeviceTree(bus: CpuBus, address: number, largest: number): DeviceTree | string {
  const header = new Uint8Array(HEADER_BYTES)
  bus.readBytes(address, header)
  const size = new DataView(header.buffer).getUint32(4)
  if (size > largest) return `no device tree at 0x${address.toString(16)}`
  const blob = new Uint8Array(size)
  bus.readBytes(address, blob)
  try {
    return parseDtb(blob, { source: `device tree at 0x${address.toString(16)}` })
  } catch (error) {
    if (error instanceof DmascopeError) return error.message
    throw error
  }
}

function range(address: U64, size: U64): AddressRange[] {
  if (typeof address !== 'number' || typeof size !== 'number' || !Number.isSafeInteger(address + size)) return []
  return size > 0 ? [{ start: address, end: address + size }] : []
}

/** RAM, as the memory nodes of a tree have it. */
export const memoryNodes = (tree: DeviceTree): AddressRange[] =>
  mergeRanges(
    tree.root.children
      .filter((node) => node.string('device_type') === 'memory')
      .flatMap((node) => parseReg(node).flatMap(({ address, size }) => range(address, size))),
  )

/** What a tree says must not be used, and the tree itself. */
export const reservedByTree = (tree: DeviceTree, address: number): AddressRange[] => [
  ...tree.reservations.flatMap((one) => range(one.address, one.size)),
  ...reservedRegions(tree).flatMap(({ places }) => places.flatMap((one) => range(one.address, one.size))),
  { start: address, end: address + (tree.blob?.bytes.length ?? 0) },
]

/** Whole pages of `ram` without `holes`, ascending. */
export const wholePages = (ram: readonly AddressRange[], holes: readonly AddressRange[]): AddressRange[] =>
  subtractRanges(
    ram,
    holes.map(({ start, end }) => ({ start: Math.floor(start / PAGE) * PAGE, end: Math.ceil(end / PAGE) * PAGE })),
  )
    .map(({ start, end }) => ({ start: Math.ceil(start / PAGE) * PAGE, end: Math.floor(end / PAGE) * PAGE }))
    .filter(({ start, end }) => end > start)
