import type { CpuBus } from '@dmascope/memory/contracts'
import { VIRT_BASE_HI, VIRT_BASE_LO, XEN_ERRNO } from '@dmascope/xen/spec'

const PAGE = 4096

/** Where the kernel's image lies, and its data that stand at fixed places: arguments of hypercalls are the first. */
export const KERNEL_IMAGE = { start: 0x100_0000, end: 0x200_0000 } as const
/** A page for the structure of a call, and two for each of its lists. */
const STRUCTURE = KERNEL_IMAGE.start
export const FIRST_LIST = STRUCTURE + PAGE
export const SECOND_LIST = FIRST_LIST + 2 * PAGE
/** Numbers of 64 bits that a list holds. */
export const LIST_ENTRIES = (2 * PAGE) / 8

/** Sets a 64-bit field to the virtual address of memory of the kernel's image. */
export function setPointer(
  field: {
    readonly lo: { set(view: DataView, base: number, value: number): void }
    readonly hi: { set(view: DataView, base: number, value: number): void }
  },
  view: DataView,
  address: number,
): void {
  field.lo.set(view, 0, VIRT_BASE_LO + address)
  field.hi.set(view, 0, VIRT_BASE_HI)
}

/** Hypercalls that take a command and a structure. */
export class XenCalls {
  readonly #bus: CpuBus
  readonly #args = new Uint32Array(4)
  readonly #out = new Uint32Array(2)

  constructor(bus: CpuBus) {
    this.#bus = bus
  }

  /** @param structure - is what Xen answers, afterwards @returns 0, or an error number below 0 */
  call(number: number, command: number, structure: DataView): number {
    const bytes = new Uint8Array(structure.buffer, structure.byteOffset, structure.byteLength)
    this.#bus.writeBytes(STRUCTURE, bytes)
    this.#args.set([command, 0, VIRT_BASE_LO + STRUCTURE, VIRT_BASE_HI])
    const code = this.#bus.hypercall?.(number, this.#args, this.#out) ?? XEN_ERRNO.ENOSYS
    this.#bus.readBytes(STRUCTURE, bytes)
    return code
  }

  /** Writes numbers below 2^32, 64 bits each. */
  writeList(address: number, entries: readonly number[]): void {
    const view = new DataView(new ArrayBuffer(entries.length * 8))
    for (const [index, entry] of entries.entries()) view.setUint32(index * 8, entry, true)
    this.#bus.writeBytes(address, new Uint8Array(view.buffer))
  }

  readList(address: number, count: number): number[] {
    const view = new DataView(new ArrayBuffer(count * 8))
    this.#bus.readBytes(address, new Uint8Array(view.buffer))
    return Array.from({ length: count }, (_, index) => view.getUint32(index * 8, true))
  }
}
