import type { AddressSpace } from '@dmascope/memory'
import { PROGRAM_INTERRUPTION } from '@dmascope/virtio-ccw/spec'
import { READ_SCP_INFO, SCCB, SCLP_RESPONSE } from './spec/instructions.ts'

const MIB = 0x10_0000
const PAGE = 4096
const ADDRESS_LIMIT = 0x8000_0000
/** Increments that QEMU's answer can have. */
const MOST_INCREMENTS = 1020

/** Bytes of one increment of memory: as few MiB as there can be of them. */
export function incrementBytes(memory: number): number {
  let size = MIB
  while (memory / size > MOST_INCREMENTS) size *= 2
  return size
}

/**
 * SERVC: a command to the service processor, whose block is at an absolute address.
 *
 * DEVIATION: it is done when the instruction ends, and no interruption tells of that.
 *
 * @returns the condition code, or a program interruption's code, negative
 */
export function serviceCall(space: AddressSpace, memory: number, command: number, address: number): number {
  if (address % 8 !== 0 || address >= ADDRESS_LIMIT) return PROGRAM_INTERRUPTION.specification
  if (!space.isRam(address, SCCB.size)) return PROGRAM_INTERRUPTION.addressing
  const bytes = new Uint8Array(SCCB.size)
  const block = new DataView(bytes.buffer)
  space.readBytes(address, bytes)
  const { fields } = SCCB
  const length = fields.length.get(block, 0)
  const within = Math.floor(address / PAGE) === Math.floor((address + Math.max(length, 1) - 1) / PAGE)
  if (command !== READ_SCP_INFO) fields.response_code.set(block, 0, SCLP_RESPONSE.invalidCommand)
  else if (!within) fields.response_code.set(block, 0, SCLP_RESPONSE.boundary)
  else if (length < SCCB.size) fields.response_code.set(block, 0, SCLP_RESPONSE.length)
  else {
    const size = incrementBytes(memory)
    fields.rnmax.set(block, 0, memory / size)
    fields.rnsize.set(block, 0, size / MIB)
    fields.response_code.set(block, 0, SCLP_RESPONSE.done)
  }
  space.writeBytes(address, bytes)
  return 0
}
