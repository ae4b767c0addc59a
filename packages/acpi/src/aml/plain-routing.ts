import { OP } from './opcodes.ts'
import type { PciRoute } from './pci-route.ts'

const NONE = -1

/** Reads what stands there as plain bytes; -1 for anything else, and where bytes end. */
class PlainBytes {
  readonly #data: Uint8Array
  position: number
  readonly #end: number

  constructor(data: Uint8Array, start: number, end: number) {
    this.#data = data
    this.position = start
    this.#end = end
  }

  #byte(): number {
    return this.position < this.#end ? this.#data[this.position++]! : NONE
  }

  /** An integer of at most 32 bits. */
  integer(): number {
    const op = this.#byte()
    if (op === OP.ZeroOp) return 0
    if (op === OP.OneOp) return 1
    const size = op === OP.BytePrefix ? 1 : op === OP.WordPrefix ? 2 : op === OP.DWordPrefix ? 4 : 0
    if (size === 0 || this.position + size > this.#end) return NONE
    let value = 0
    for (let index = 0; index < size; index++) value |= this.#data[this.position++]! << (8 * index)
    return value >>> 0
  }

  /** Enters a package; answers where it ends. */
  packageEnd(): number {
    if (this.#byte() !== OP.PackageOp) return NONE
    const start = this.position
    const lead = this.#byte()
    if (lead === NONE) return NONE
    const extra = lead >> 6
    let length = extra === 0 ? lead & 0x3f : lead & 0xf
    for (let index = 0; index < extra; index++) {
      const byte = this.#byte()
      if (byte === NONE) return NONE
      length |= byte << (4 + 8 * index)
    }
    // The number of elements follows; they are read as far as they go.
    const end = start + length
    return this.#byte() === NONE || end > this.#end || end < this.position ? NONE : end
  }
}

/**
 * The routes of a `_PRT` that is a package of packages of four plain integers, the third of them 0: what most firmware
 * writes for an I/O APIC, in hundreds of entries. Null where anything else is in it, which is for the interpreter.
 *
 * @param start - of the package's operator in `data`
 */
export function plainRoutes(data: Uint8Array, start: number, end: number): PciRoute[] | null {
  const bytes = new PlainBytes(data, start, end)
  const tableEnd = bytes.packageEnd()
  if (tableEnd === NONE) return null
  const routes: PciRoute[] = []
  while (bytes.position < tableEnd) {
    const entryEnd = bytes.packageEnd()
    const address = bytes.integer()
    const pin = bytes.integer()
    const source = bytes.integer()
    const gsi = bytes.integer()
    // What was read beyond the entry's end, or none, makes this differ.
    if (address === NONE || pin === NONE || source !== 0 || gsi === NONE || bytes.position !== entryEnd) return null
    routes.push({ device: address >>> 16, pin, gsi })
  }
  return bytes.position === tableEnd ? routes : null
}
