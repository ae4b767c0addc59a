import type { CpuBus } from '@dmascope/memory/contracts'
import { READ_INFO_SCCB, SCLP_CMDW_READ_SCP_INFO, SCLP_RESPONSE_DONE } from '../spec/s390x.ts'
import type { Instructions } from './instructions.ts'

const MIB = 0x10_0000
const BLOCK_BYTES = 4096

/**
 * Bytes of memory, as the service processor tells of increments (Linux's `sclp_early_facilities_detect`).
 *
 * @param block - a page of low memory for the request
 * @returns 0 where it does not say
 */
export function readMemorySize(bus: CpuBus, instructions: Instructions, block: number): number {
  const bytes = new Uint8Array(BLOCK_BYTES)
  const view = new DataView(bytes.buffer)
  const { fields } = READ_INFO_SCCB
  fields.length.set(view, 0, BLOCK_BYTES)
  bus.writeBytes(block, bytes)
  if (instructions.serviceCall(SCLP_CMDW_READ_SCP_INFO, block) !== 0) return 0
  bus.readBytes(block, bytes)
  if (fields.response_code.get(view, 0) !== SCLP_RESPONSE_DONE) return 0
  const size = fields.rnsize.get(view, 0) || fields.rnsize2.get(view, 0)
  const many = fields.rnmax2.lo.get(view, 0) + fields.rnmax2.hi.get(view, 0) * 0x1_0000_0000
  const bytesOfAll = (fields.rnmax.get(view, 0) || many) * size * MIB
  return Number.isSafeInteger(bytesOfAll) ? bytesOfAll : 0
}
