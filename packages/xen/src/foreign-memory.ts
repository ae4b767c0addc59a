import type { CpuBus } from '@dmascope/memory/contracts'
import { FRAME_OWNER, type FrameOwner, type FrameTable } from './frame-table.ts'

const PAGE = 4096
/** Frames that a ring and a page of data take, in this order: descriptors, available ring, used ring, data. */
const GROUP = 4
const DESCRIPTORS = 256
/** Requests that have gone through each ring. */
const REQUESTS = 24
const DESCRIPTOR_BYTES = 16
const DESC_F_NEXT = 1
const DESC_F_WRITE = 2
const LARGEST_BUFFER = PAGE

const NAMES: Readonly<Record<FrameOwner, string | null>> = {
  [FRAME_OWNER.none]: null,
  [FRAME_OWNER.free]: 'nobody',
  [FRAME_OWNER.hypervisor]: 'the hypervisor',
  [FRAME_OWNER.domain]: 'the guest',
  [FRAME_OWNER.other]: 'another domain',
}

/**
 * Memory of those who are not the guest. It is no row of zeros, as on no host in use: the other domain has virtio rings
 * in it, whose requests lead to memory of its own, and the hypervisor tables of its own. What a page holds is put there
 * when a device first comes to it, for nobody else can look.
 */
export class ForeignMemory {
  readonly #bus: CpuBus
  readonly #frames: FrameTable
  readonly #filled: Uint8Array

  constructor(bus: CpuBus, frames: FrameTable) {
    this.#bus = bus
    this.#frames = frames
    this.#filled = new Uint8Array(frames.frames)
  }

  /** Whose the memory at a machine address is, for reports; null where there is no RAM. */
  ownerOf(address: number): string | null {
    return NAMES[this.#frames.ownerOf(Math.floor(address / PAGE))]
  }

  /** A device that was not given this memory is about to access it. */
  touch(address: number, length: number): void {
    const end = Math.min(Math.ceil((address + length) / PAGE), this.#frames.frames)
    for (let frame = Math.floor(address / PAGE); frame < end; frame++) {
      const owner = this.#frames.ownerOf(frame)
      if (owner === FRAME_OWNER.free) this.#frames.soil(frame)
      if (this.#filled[frame] === 1 || (owner !== FRAME_OWNER.hypervisor && owner !== FRAME_OWNER.other)) continue
      this.#filled[frame] = 1
      this.#bus.writeBytes(frame * PAGE, owner === FRAME_OWNER.other ? ringPage(frame) : tablePage(frame))
    }
  }
}

/** One page of a ring's group. */
function ringPage(frame: number): Uint8Array {
  const bytes = new Uint8Array(PAGE)
  const view = new DataView(bytes.buffer)
  const first = frame - (frame % GROUP)
  switch (frame % GROUP) {
    case 0:
      for (let index = 0; index < DESCRIPTORS; index++) putDescriptor(view, index, first)
      return bytes
    case 1:
      // flags, idx, and the heads of chains of three.
      view.setUint16(2, REQUESTS, true)
      for (let index = 0; index < REQUESTS; index++) view.setUint16(4 + index * 2, index * 3, true)
      return bytes
    case 2:
      view.setUint16(2, REQUESTS, true)
      for (let index = 0; index < REQUESTS; index++) view.setUint32(4 + index * 8, index * 3, true)
      return bytes
    default:
      return dataPage(frame)
  }
}

/** A chain of three, as of a disk: a header to read, a buffer and a status to write; all in the group's page of data. */
function putDescriptor(view: DataView, index: number, first: number): void {
  const at = index * DESCRIPTOR_BYTES
  const part = index % 3
  const data = (first + GROUP - 1) * PAGE
  const offset = part === 0 ? 0 : part === 1 ? 512 : LARGEST_BUFFER - 1
  view.setUint32(at, data + offset, true)
  view.setUint32(at + 4, Math.floor((data + offset) / 0x1_0000_0000), true)
  view.setUint32(at + 8, part === 0 ? 16 : part === 1 ? 1024 : 1, true)
  view.setUint16(at + 12, part === 0 ? DESC_F_NEXT : part === 1 ? DESC_F_NEXT | DESC_F_WRITE : DESC_F_WRITE, true)
  view.setUint16(at + 14, part === 2 ? 0 : index + 1, true)
}

/** A request's header, of a read from the disk's start, and a text. */
function dataPage(frame: number): Uint8Array {
  const bytes = new Uint8Array(PAGE)
  const text = `data of another domain in frame ${frame.toString(16)}; `
  for (let at = 64; at < PAGE; at++) bytes[at] = text.charCodeAt((at - 64) % text.length)
  return bytes
}

/** Bytes of what Xen knows of a frame (`struct page_info`). */
const RECORD_BYTES = 32
/** Of its counter: the frame is allocated. */
const ALLOCATED_HI = 0x8000_0000
/** Where Xen's heap has its virtual addresses, the upper half. */
const HEAP_HI = 0xffff_8300

/** A page of the hypervisor's largest tables: what domains call each frame, and who has it and how often. */
function tablePage(frame: number): Uint8Array {
  const bytes = new Uint8Array(PAGE)
  const view = new DataView(bytes.buffer)
  if (frame % 2 === 0) {
    for (let at = 0; at < PAGE; at += 8) view.setUint32(at, (frame * 512 + at / 8) % 0xc000, true)
    return bytes
  }
  for (let at = 0; at < PAGE; at += RECORD_BYTES) {
    view.setUint32(at, 1 + ((at / RECORD_BYTES) % 3), true)
    view.setUint32(at + 4, ALLOCATED_HI, true)
    view.setUint32(at + 16, (frame % 64) * PAGE, true)
    view.setUint32(at + 20, HEAP_HI, true)
  }
  return bytes
}
