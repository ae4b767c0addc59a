import { SEGMENT_SLOTS, SLOT_BYTES } from '@dmascope/dma'
import type { BringUp } from '../architecture/architecture.ts'
import { setUpBounceBuffers } from '../dma/bounce-buffers.ts'
import { type DmaPlatform, dmaOfAll } from '../dma/dma-platform.ts'
import { ContiguousMemory, ContiguousPages } from './contiguous-memory.ts'
import type { FrameList } from './frame-list.ts'
import type { XenCalls } from './xen-calls.ts'

const SEGMENT_BYTES = SEGMENT_SLOTS * SLOT_BYTES
/** 64 pages, and the address bits that their own number has. */
const SEGMENT_ORDER = 6
const LEAST_BITS = SEGMENT_ORDER + 12
const MOST_BITS = 32

/**
 * The DMA API of a domain that has devices (Linux's swiotlb-xen): bus addresses are the machine's, page by page; what
 * lies in frames that are not in a row is bounced through a pool whose segments are.
 */
export function setUpXenDma(context: BringUp, calls: XenCalls, frames: FrameList): DmaPlatform {
  const { bus, pages } = context
  const contiguous = new ContiguousMemory(calls, frames)
  // As low as Xen has them: what does for one segment is where the search goes on for the next (`xen_swiotlb_fixup`).
  let bits = LEAST_BITS
  const bounce = setUpBounceBuffers(context, {
    limited: true,
    forced: false,
    anywhere: true,
    open(start, length) {
      for (let at = start; at < start + length; at += SEGMENT_BYTES) {
        while (!contiguous.create(at, SEGMENT_ORDER, bits)) if (bits++ >= MOST_BITS) return false
      }
      return true
    },
  })
  return dmaOfAll({ view: frames, pages: new ContiguousPages(bus, pages, frames, contiguous), ...bounce })
}
