import type { AddressSpace, Region } from '@dmascope/memory'
import type { ConfigSpace } from '@dmascope/pci'

const FIRST = 0xc_0000
const AREA = 0x4000
const AREAS = 13
const READ_RAM = 1

/**
 * The ROM's regions, an area each: 0xf0000 to 0xfffff is one, under the first register's high nibble; the others are of
 * 16 KiB.
 */
export const shadowAreas = (romAt: (base: number, size: number) => Region): readonly Region[] => [
  ...Array.from({ length: AREAS - 1 }, (_, index) => romAt(FIRST + index * AREA, AREA)),
  romAt(0xf_0000, 0x1_0000),
]

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
  readonly #rom: readonly Region[]
  readonly #spaces: readonly AddressSpace[]
  /** By area: what takes the ROM away again; undefined where RAM is read. */
  readonly #laid: ((() => void)[] | undefined)[] = new Array(AREAS).fill(undefined)

  /**
   * @param register - offset of the first attribute register in `config`
   * @param rom - the ROM's regions, as `shadowAreas` makes them; they may be others' as well
   */
  constructor(config: ConfigSpace, register: number, spaces: readonly AddressSpace[], rom: readonly Region[]) {
    this.#config = config
    this.#register = register
    this.#spaces = spaces
    this.#rom = rom
    config.onWrite(register, 7, () => this.update())
    this.update()
  }

  update(): void {
    for (let area = 0; area < this.#rom.length; area++) {
      const readsRam = (this.#nibble(area) & READ_RAM) !== 0
      const laid = this.#laid[area]
      if (readsRam && laid !== undefined) {
        for (const take of laid) take()
        this.#laid[area] = undefined
      } else if (!readsRam && laid === undefined) {
        const region = this.#rom[area]!
        this.#laid[area] = this.#spaces.map((space) => space.add(region))
      }
    }
  }

  #nibble(area: number): number {
    if (area === AREAS - 1) return this.#config.peek(this.#register, 1) >>> 4
    const value = this.#config.peek(this.#register + 1 + (area >>> 1), 1)
    return (area & 1) === 0 ? value & 0xf : value >>> 4
  }
}
