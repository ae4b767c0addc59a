import type { DeviceRecord } from '../device-record.ts'
import type { Kernel } from '../kernel.ts'
import { findTestBlock, probeBusMaster, statedMaskBits } from './bus-master-test.ts'
import type { BoundDriver } from './driver.ts'

/**
 * A function that no driver of the profile takes, such as one passed through from the host: its own driver, whatever
 * that is, would use the same DMA API, so that a copy through its test block tells where its DMA goes. It counts as
 * bound by no driver all the same.
 *
 * @returns null where it has no test block, or no interrupt to tell by
 */
export function testUnclaimed(kernel: Kernel, record: DeviceRecord): BoundDriver | null {
  const { fn } = record
  const block = findTestBlock(kernel, fn)
  if (block === null) return null
  kernel.witness.phase(fn.id, 'probe')
  record.why(
    `no driver of ${kernel.profile.kernel} here takes it: its DMA is tested without one`,
    'driver match tables',
  )
  const taken = probeBusMaster(kernel, record, statedMaskBits(block))
  if (typeof taken !== 'string') return taken
  record.io = { ...record.io, detail: `no driver for it, and no test: ${taken}` }
  return null
}
