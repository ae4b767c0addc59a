import { FRAME_OWNER, type FrameTable } from './frame-table.ts'

export interface DealOptions {
  /** Pages that the first domain gets. */
  readonly pages: number
  /** How many of them, from its first on, lie in a row: where its kernel starts. */
  readonly boot: number
  /** Frames in a row that go to one owner: a power of two. */
  readonly piece: number
}

const MIB_FRAMES = 256
/** Below are real-mode memory, Xen's image and what it keeps for devices with few address bits. */
const IMAGE_END = 16 * MIB_FRAMES
/** What is free once domains run. */
const FREE_FRAMES = 80 * MIB_FRAMES
const SEED = 0x2545_f491

/** Frames that stay free. */
const freeOf = (frames: number): number => Math.min(FREE_FRAMES, frames >>> 2)

/**
 * The most pages that the first domain can get of a machine with this many frames: seven eighths of what is dealt out,
 * less what holes in the machine's memory may take of that.
 */
export const mostPages = (frames: number): number =>
  Math.max(0, Math.floor(((frames - IMAGE_END - freeOf(frames)) * 7) / 8))

/**
 * Deals a machine's memory out as it lies on a host that has run for a while: what a domain starts with in one row, as
 * Xen gives it, and the rest in pieces, without order, to the first domain, to another one, and to the hypervisor itself.
 * The same machine is dealt out in the same way each time.
 *
 * DEVIATION: Xen's heap hands out the largest runs that it has, from the top. Which frames a domain gets depends on all
 * that ever ran; that they are neither the guest's own numbers nor in a row is what software must reckon with.
 *
 * @returns frame numbers by page of the domain
 */
export function dealFrames(table: FrameTable, { pages, boot, piece }: DealOptions): Uint32Array {
  const free = IMAGE_END + boot
  const start = free + freeOf(table.frames)
  table.give(IMAGE_END, boot, FRAME_OWNER.domain)
  table.give(free, start - free, FRAME_OWNER.free)
  const all = new Uint32Array(Math.ceil(table.frames / piece))
  let count = 0
  for (let first = Math.ceil(start / piece) * piece; first + piece <= table.frames; first += piece) {
    let whole = true
    for (let frame = first; frame < first + piece && whole; frame++) {
      whole = table.ownerOf(frame) === FRAME_OWNER.hypervisor
    }
    if (whole) all[count++] = first
  }
  const pieces = all.subarray(0, count)
  shuffle(pieces)
  const list = new Uint32Array(pages)
  let page = 0
  while (page < boot) list[page] = IMAGE_END + page++
  let used = 0
  for (; page < pages && used < pieces.length; used++) {
    const first = pieces[used]!
    table.give(first, piece, FRAME_OWNER.domain)
    for (let index = 0; index < piece && page < pages; index++) list[page++] = first + index
  }
  if (page < pages) throw new RangeError(`${pages} pages for the first domain: the machine has ${page} for it`)
  for (const first of pieces.subarray(used, used + ((count - used) >>> 1))) table.give(first, piece, FRAME_OWNER.other)
  return list
}

function shuffle(list: Uint32Array): void {
  let state = SEED
  for (let index = list.length - 1; index > 0; index--) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const other = (state >>> 0) % (index + 1)
    const held = list[index]!
    list[index] = list[other]!
    list[other] = held
  }
}
