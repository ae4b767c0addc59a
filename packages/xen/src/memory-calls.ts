import { E820_ENTRY } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { DomainMemory } from './domain-memory.ts'
import { FRAME_OWNER, type FrameTable, MOST_ORDER } from './frame-table.ts'
import type { GuestHandles } from './guest-handle.ts'
import { DOMID_SELF, XEN_ERRNO } from './spec/hypercalls.ts'
import { XEN_MEMORY_EXCHANGE, XEN_MEMORY_MAP, XENMEM, XENMEMF } from './spec/memory.ts'

/** A range of the machine's memory map, as firmware told of it. */
export interface MapEntry {
  readonly base: number
  readonly length: number
  readonly type: number
}

export interface MemoryCallSite {
  /** The machine's. */
  readonly bus: CpuBus
  readonly handles: GuestHandles
  readonly memory: DomainMemory
  readonly frames: FrameTable
  readonly map: readonly MapEntry[]
}

const PAGE = 4096
/** The first domain's number. */
const FIRST_DOMAIN = 0
/** Pages that one exchange takes at most. */
const MOST_PAGES = 2 ** MOST_ORDER
const ENTRY_BYTES = 8
const ZEROS = new Uint8Array(PAGE)

/** One list of an exchange. */
interface Extents {
  readonly order: number
  /** Frame numbers, or pages, each the first of its extent. */
  readonly first: readonly number[]
  readonly handle: readonly [hi: number, lo: number]
}

/** `memory_op`. */
export class MemoryCalls {
  readonly #site: MemoryCallSite

  constructor(site: MemoryCallSite) {
    this.#site = site
  }

  /** @param hi - of the virtual address of the command's structure */
  call(command: number, hi: number, lo: number): number {
    const { frames, memory } = this.#site
    switch (command) {
      case XENMEM.maximum_ram_page:
        return frames.frames - 1
      case XENMEM.current_reservation:
      case XENMEM.maximum_reservation:
        return this.#reservation(hi, lo, memory.pages)
      case XENMEM.machine_memory_map:
        return this.#memoryMap(hi, lo)
      case XENMEM.exchange:
        return this.#exchange(hi, lo)
      default:
        return XEN_ERRNO.ENOSYS
    }
  }

  #reservation(hi: number, lo: number, pages: number): number {
    const domain = this.#site.handles.read(hi, lo, 2)
    if (domain === null) return XEN_ERRNO.EFAULT
    return isSelf(domain.getUint16(0, true)) ? pages : XEN_ERRNO.ESRCH
  }

  #memoryMap(hi: number, lo: number): number {
    const { handles, map } = this.#site
    const asked = handles.read(hi, lo, XEN_MEMORY_MAP.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const { nr_entries, buffer } = XEN_MEMORY_MAP.fields
    const count = Math.min(nr_entries.get(asked, 0), map.length)
    const entries = new DataView(new ArrayBuffer(count * E820_ENTRY.size))
    for (const [index, { base, length, type }] of map.slice(0, count).entries()) {
      const at = index * E820_ENTRY.size
      E820_ENTRY.fields.addr.number.set(entries, at, base)
      E820_ENTRY.fields.size.number.set(entries, at, length)
      E820_ENTRY.fields.type.set(entries, at, type)
    }
    if (!handles.write(buffer.hi.get(asked, 0), buffer.lo.get(asked, 0), entries)) return XEN_ERRNO.EFAULT
    nr_entries.set(asked, 0, count)
    return handles.write(hi, lo, asked) ? 0 : XEN_ERRNO.EFAULT
  }

  /** Takes frames back and gives others for them, all or none. */
  #exchange(hi: number, lo: number): number {
    const { handles, frames } = this.#site
    const asked = handles.read(hi, lo, XEN_MEMORY_EXCHANGE.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const { in: given, out: wanted, nr_exchanged } = XEN_MEMORY_EXCHANGE.fields
    if (!isSelf(given.fields.domid.get(asked, 0)) || !isSelf(wanted.fields.domid.get(asked, 0))) return XEN_ERRNO.EPERM
    if (nr_exchanged.lo.get(asked, 0) !== 0 || nr_exchanged.hi.get(asked, 0) !== 0) return XEN_ERRNO.EINVAL
    const inputs = this.#extents(asked, given.fields)
    if (typeof inputs === 'number') return inputs
    const outputs = this.#extents(asked, wanted.fields)
    if (typeof outputs === 'number') return outputs
    if (inputs.first.length * 2 ** inputs.order !== outputs.first.length * 2 ** outputs.order) return XEN_ERRNO.EINVAL
    const old = each(inputs)
    const pages = each(outputs)
    // DEVIATION: Xen lets a domain forget frames that it still has. Here a page has one frame at any time.
    if (!this.#areBehind(pages, old)) return XEN_ERRNO.EINVAL
    const bits = XENMEMF.fields.address_bits.get(wanted.fields.mem_flags.get(asked, 0))
    const limit = bits === 0 || bits > 52 ? 2 ** 40 : Math.floor(2 ** bits / PAGE)
    const got: number[] = []
    for (let index = 0; index < outputs.first.length; index++) {
      const first = frames.allocate(outputs.order, limit)
      if (first < 0) {
        for (const one of each({ order: outputs.order, first: got })) frames.release(one)
        return XEN_ERRNO.ENOMEM
      }
      got.push(first)
    }
    return this.#commit(old, { ...outputs, pages }, got, asked, hi, lo)
  }

  /** Whether these frames are the domain's, each once, and each is behind one of these pages. */
  #areBehind(pages: readonly number[], old: readonly number[]): boolean {
    const { memory, frames } = this.#site
    // What was seen is marked as free, and is the domain's again at the end.
    let seen = 0
    for (; seen < old.length && frames.ownerOf(old[seen]!) === FRAME_OWNER.domain; seen++) {
      frames.give(old[seen]!, 1, FRAME_OWNER.free)
    }
    let found = 0
    if (seen === old.length) {
      for (const page of pages) {
        const frame = memory.frameOf(page)
        if (frame < 0 || frames.ownerOf(frame) !== FRAME_OWNER.free) break
        frames.give(frame, 1, FRAME_OWNER.domain)
        found++
      }
    }
    for (let index = 0; index < seen; index++) frames.give(old[index]!, 1, FRAME_OWNER.domain)
    return seen === old.length && found === old.length
  }

  #commit(
    old: readonly number[],
    outputs: Extents & { readonly pages: readonly number[] },
    got: readonly number[],
    asked: DataView,
    hi: number,
    lo: number,
  ): number {
    const { bus, handles, memory, frames } = this.#site
    for (const frame of old) frames.release(frame)
    for (const [index, frame] of each({ order: outputs.order, first: got }).entries()) {
      memory.map(outputs.pages[index]!, frame)
      if (frames.takeDirt(frame)) bus.writeBytes(frame * PAGE, ZEROS)
    }
    const answer = new DataView(new ArrayBuffer(got.length * ENTRY_BYTES))
    for (const [index, frame] of got.entries()) answer.setUint32(index * ENTRY_BYTES, frame, true)
    const { nr_exchanged, in: given } = XEN_MEMORY_EXCHANGE.fields
    nr_exchanged.lo.set(asked, 0, given.fields.nr_extents.lo.get(asked, 0))
    const told = handles.write(...outputs.handle, answer) && handles.write(hi, lo, asked)
    return told ? 0 : XEN_ERRNO.EFAULT
  }

  /** @returns the error, where the list is none */
  #extents(asked: DataView, fields: (typeof XEN_MEMORY_EXCHANGE.fields)['in']['fields']): Extents | number {
    const order = fields.extent_order.get(asked, 0)
    const count = fields.nr_extents.lo.get(asked, 0)
    // Above this Xen lets no domain go in one piece either.
    if (order > MOST_ORDER) return XEN_ERRNO.EPERM
    if (fields.nr_extents.hi.get(asked, 0) !== 0 || count * 2 ** order > MOST_PAGES || count === 0) {
      return XEN_ERRNO.EINVAL
    }
    const handle = [fields.extent_start.hi.get(asked, 0), fields.extent_start.lo.get(asked, 0)] as const
    const list = this.#site.handles.read(...handle, count * ENTRY_BYTES)
    if (list === null) return XEN_ERRNO.EFAULT
    const first: number[] = []
    for (let at = 0; at < list.byteLength; at += ENTRY_BYTES) {
      const low = list.getUint32(at, true)
      if (list.getUint32(at + 4, true) !== 0) return XEN_ERRNO.EINVAL
      first.push(low)
    }
    return { order, first, handle }
  }
}

const isSelf = (domain: number): boolean => domain === DOMID_SELF || domain === FIRST_DOMAIN

/** Every frame, or page, of these extents. */
function each({ order, first }: Pick<Extents, 'order' | 'first'>): number[] {
  const all: number[] = []
  for (const start of first) for (let index = 0; index < 2 ** order; index++) all.push(start + index)
  return all
}
