import { SEGMENT_SLOTS, SLOT_BYTES, Swiotlb } from '@dmascope/dma'
import type { BringUp } from '../architecture/architecture.ts'
import { ANYWHERE } from '../early/page-allocator.ts'
import type { DmaParts } from './dma-platform.ts'

const PAGE = 4096
const FOUR_GIB = 0x1_0000_0000
/** Linux's IO_TLB_DEFAULT_SIZE, and the smallest pool that it makes do with. */
const DEFAULT_BYTES = 0x400_0000
const LEAST_SLOTS = 512

/** What the architecture found that calls for bounce buffers. */
export interface BounceNeeds {
  /** Devices may not reach all memory. */
  readonly limited: boolean
  /** All direct DMA is to be bounced, whatever a device reaches. */
  readonly forced: boolean
  /** Bytes of the pool where the command line does not say; 64 MiB unless given. */
  readonly bytes?: number
  /** The pool may lie above 4 GiB. */
  readonly anywhere?: boolean
  /** The pool lies below this address, where that is not 4 GiB. */
  readonly below?: number
  /** Opens the pool to devices, where memory is closed to them. False where that failed. */
  open?(start: number, length: number): boolean
}

/**
 * Sets bounce buffers up as Linux's `swiotlb_init` does: where memory or the command line calls for them, a pool below
 * 4 GiB or what devices reach, of half the size as long as memory does not suffice.
 *
 * @returns what direct DMA takes of it; nothing where there is no pool
 */
export function setUpBounceBuffers(
  { bus, pages, options, log }: Pick<BringUp, 'bus' | 'pages' | 'options' | 'log'>,
  { limited, forced, bytes = DEFAULT_BYTES, anywhere = false, below = FOUR_GIB, open }: BounceNeeds,
): Pick<DmaParts, 'bounce' | 'bounceAll'> {
  const { slots: stated, force, disabled } = options.swiotlb
  if (disabled || !(limited || forced || force)) return {}
  let slots = stated ?? Math.ceil(bytes / SLOT_BYTES / SEGMENT_SLOTS) * SEGMENT_SLOTS
  const end = anywhere ? ANYWHERE : below
  let start = reserve(pages, slots, end)
  while (start === null && slots > LEAST_SLOTS) {
    slots = Math.ceil(slots / 2 / SEGMENT_SLOTS) * SEGMENT_SLOTS
    start = reserve(pages, slots, end)
  }
  const length = slots * SLOT_BYTES
  if (start === null) {
    log(`software IO TLB: cannot allocate a pool of ${length} bytes`)
    return {}
  }
  if (open?.(start, length) === false) {
    log('software IO TLB: the pool cannot be opened to devices')
    return {}
  }
  log(
    `software IO TLB: mapped [mem 0x${start.toString(16)}-0x${(start + length - 1).toString(16)}] (${length / 0x10_0000}MB)`,
  )
  const bounceAll = forced || force
  if (bounceAll) log('PCI-DMA: all direct DMA is bounced')
  return { bounce: new Swiotlb({ memory: bus, start, slots }), bounceAll }
}

const reserve = (pages: BringUp['pages'], slots: number, end: number): number | null =>
  slots === 0 ? null : pages.reserve((slots * SLOT_BYTES) / PAGE, end)
