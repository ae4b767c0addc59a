import type { AddressSpace, Region } from '@dmascope/memory'
import type { ConfigSpace } from '@dmascope/pci'

const FIRST = 0xc_0000
const END = 0x10_0000
const AREA = 0x4000
const AREAS = 13
const READ_RAM = 1

/** Area of 0xf0000 to 0xfffff, which is one, under the first register's high nibble; the others are of 16 KiB. */
const LAST = AREAS - 1
const NONE: readonly (() => void)[] = []

const areaBase = (area: number): number => FIRST + area * AREA

/** A region of the ROM that lies at `base`; the same one each time that it is asked for the same. */
export type RomPart = (base: number, size: number) => Region

/** Parts of the ROM below 1 MiB, each made once. */
export function romParts(romAt: RomPart): RomPart {
  const made = new Map<number, Region>()
  return (base, size) => {
    const key = base + size / AREA
    let part = made.get(key)
    if (part === undefined) {
      part = romAt(base, size)
      made.set(key, part)
    }
    return part
  }
}

/**
 * The programmable attribute map: which parts of 0xc0000 to 0xfffff read the ROM, and which read RAM that firmware has
 * copied itself to. Seven registers of two nibbles; bit 0 of a nibble sends reads to RAM, bit 1 writes (82441FX §3.2.13,
 * Q35 MCH §5.1.19).
 *
 * DEVIATION: an area whose reads go to the ROM drops writes too. Firmware always sets both bits at once.
 */
export class ShadowMap {
  readonly #config: ConfigSpace
  readonly #register: number
  readonly #romAt: RomPart
  readonly #spaces: readonly AddressSpace[]
  /** A bit for each area that reads the ROM; -1 before it is first asked. */
  #reads = -1
  /** What takes the ROM away again. */
  #laid = NONE

  /** @param register - offset of the first attribute register in `config` */
  constructor(config: ConfigSpace, register: number, spaces: readonly AddressSpace[], romAt: RomPart) {
    this.#config = config
    this.#register = register
    this.#spaces = spaces
    this.#romAt = romAt
    config.onWrite(register, 7, () => this.update())
    this.update()
  }

  update(): void {
    let reads = 0
    for (let area = 0; area < AREAS; area++) if ((this.#nibble(area) & READ_RAM) === 0) reads |= 1 << area
    if (reads === this.#reads) return
    this.#reads = reads
    for (const take of this.#laid) take()
    const laid: (() => void)[] = []
    for (let area = 0; area < AREAS; area++) {
      if ((reads & (1 << area)) === 0) continue
      const first = area
      while ((reads & (1 << (area + 1))) !== 0) area++
      const end = area === LAST ? END : areaBase(area + 1)
      const part = this.#romAt(areaBase(first), end - areaBase(first))
      for (const space of this.#spaces) laid.push(space.add(part))
    }
    this.#laid = laid
  }

  #nibble(area: number): number {
    if (area === LAST) return this.#config.peek(this.#register, 1) >>> 4
    const value = this.#config.peek(this.#register + 1 + (area >>> 1), 1)
    return (area & 1) === 0 ? value & 0xf : value >>> 4
  }
}
