import { FRAME_OWNER, type FrameTable } from './frame-table.ts'

export interface DealOptions {
  /** Pages that the first domain gets. */
  readonly pages: number
  /** Frames in a row that go to one owner: a power of two. */
  readonly piece: number
}

const MIB_FRAMES = 256
/** Below are real-mode memory, Xen's image and what it keeps for devices with few address bits. */
const IMAGE_END = 16 * MIB_FRAMES
/** What is free once domains run. */
const FREE_FRAMES = 80 * MIB_FRAMES
const SEED = 0x2545_f491

/** The frames of RAM that are dealt out, from this one on. */
const dealtFrom = (frames: number): number => IMAGE_END + Math.min(FREE_FRAMES, frames >>> 2)

/** The most pages that the first domain can get of a machine with this many frames: there are others. */
export const mostPages = (frames: number): number => Math.max(0, Math.floor((frames - dealtFrom(frames)) / 2))

/**
 * Deals a machine's memory out as it lies on a host that has run for a while: in pieces, without order, to the first
 * domain, to another one, and to the hypervisor itself. The same machine is dealt out in the same way each time.
 *
 * DEVIATION: Xen's heap hands out the largest runs that it has, from the top. Which frames a domain gets depends on all
 * that ever ran; that they are neither the guest's own numbers nor in a row is what software must reckon with.
 *
 * @returns frame numbers by page of the domain
 */
export function dealFrames(table: FrameTable, { pages, piece }: DealOptions): Uint32Array {
  const start = dealtFrom(table.frames)
  table.give(IMAGE_END, start - IMAGE_END, FRAME_OWNER.free)
  const pieces: number[] = []
  for (let first = Math.ceil(start / piece) * piece; first + piece <= table.frames; first += piece) {
    let whole = true
    for (let frame = first; frame < first + piece && whole; frame++) {
      whole = table.ownerOf(frame) === FRAME_OWNER.hypervisor
    }
    if (whole) pieces.push(first)
  }
  shuffle(pieces)
  const list = new Uint32Array(pages)
  let page = 0
  let used = 0
  for (; page < pages && used < pieces.length; used++) {
    const first = pieces[used]!
    table.give(first, piece, FRAME_OWNER.domain)
    for (let index = 0; index < piece && page < pages; index++) list[page++] = first + index
  }
  if (page < pages) throw new RangeError(`${pages} pages for the first domain: the machine has ${page} for it`)
  const left = pieces.slice(used)
  for (const first of left.slice(0, left.length >>> 1)) table.give(first, piece, FRAME_OWNER.other)
  return list
}

function shuffle(list: number[]): void {
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
