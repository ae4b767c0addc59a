import { type DeviceTree, parseDtb } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'

const HEADER_BYTES = 8

/**
 * Reads the tree that the machine has put into memory. A text is why there is none.
 *
 * @param largest - bytes that a tree has at most
 */
export function readTree(bus: CpuBus, address: number, largest: number): DeviceTree | string {
  const header = new Uint8Array(HEADER_BYTES)
  bus.readBytes(address, header)
  const size = new DataView(header.buffer).getUint32(4)
  if (size > largest) return `no device tree at 0x${address.toString(16)}`
  const blob = new Uint8Array(size)
  bus.readBytes(address, blob)
  try {
    return parseDtb(blob)
  } catch (error) {
    if (error instanceof DmascopeError) return error.message
    throw error
  }
}
