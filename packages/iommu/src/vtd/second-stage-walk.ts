import type { GuestRam } from '@dmascope/memory'
import type { VtdFeatures } from './options.ts'
import { FAULT_REASONS } from './spec/faults.ts'

const PS = 0x80
const SNP = 0x800
/** Bit 62, the retired TM field. Bit 63 and bits 61:52 are ignored. */
const TM_HI = 0x4000_0000
const NO_PERMISSION = { read: FAULT_REASONS.notReadable.value, write: FAULT_REASONS.notWritable.value } as const
const ENTRY_ACCESS = FAULT_REASONS.pagingEntryAccess.value
const ENTRY_RESERVED = FAULT_REASONS.pagingEntryReserved.value

/** The walk of the second-stage tables. An answer of 0 fills the fields; any other is the fault's reason. */
export class SecondStageWalk {
  /** Output page: int32 halves. */
  outHi = 0
  outLo = 0
  log2Size = 12
  /** What every level together grants. */
  rights = 0
  readonly #ram: GuestRam
  /** Reserved bits, by 2 * level + leaf. */
  readonly #reservedLo = new Int32Array(12)
  readonly #reservedHi = new Int32Array(12)
  /** Levels whose entries may be leaves by PS, as a bit mask. */
  readonly #largeLevels: number

  constructor(ram: GuestRam, features: VtdFeatures) {
    this.#ram = ram
    const { largestPage, addressWidth } = features
    this.#largeLevels = (largestPage === '4k' ? 0 : 1 << 2) | (largestPage === '1g' ? 1 << 3 : 0)
    const beyondWidth = (0xf_ffff & ~(2 ** (Math.min(addressWidth, 52) - 32) - 1)) | TM_HI
    const leafHi = features.transientMapping ? beyondWidth & ~TM_HI : beyondWidth
    const leafLo = features.snoopControl ? 0 : SNP
    for (let level = 1; level <= 5; level++) {
      const large = (this.#largeLevels & (1 << level)) !== 0
      this.#reservedHi[level * 2] = beyondWidth
      this.#reservedLo[level * 2] = SNP | (level > 1 && !large ? PS : 0)
      this.#reservedHi[level * 2 + 1] = leafHi
      // A large page's address has no bits below its size.
      this.#reservedLo[level * 2 + 1] = leafLo | (level > 1 ? 2 ** (12 + 9 * (level - 1)) - 4096 : 0)
    }
  }

  /**
   * Translates the input address (hi, lo), which lies within the tables' width.
   *
   * @param table - physical address of the top table
   * @param access - what is asked for; 0 asks what the page grants, and only an entry that grants nothing stops it
   */
  walk(table: number, levels: number, hi: number, lo: number, access: number): number {
    const ram = this.#ram
    const view = ram.view
    let base = table
    let rights = 3
    let level = levels
    let index = indexAt(level, hi, lo)
    while (true) {
      const offset = ram.offsetToRead(base + index * 8)
      if (offset < 0) return ENTRY_ACCESS
      const entryLo = view.getInt32(offset, true)
      const entryHi = view.getInt32(offset + 4, true)
      rights &= entryLo
      if ((rights & access) !== access || rights === 0) {
        return (access & ~rights & 2) !== 0 ? NO_PERMISSION.write : NO_PERMISSION.read
      }
      const leaf = level === 1 || ((entryLo & PS) !== 0 && (this.#largeLevels & (1 << level)) !== 0)
      const rule = level * 2 + (leaf ? 1 : 0)
      if (((entryLo & this.#reservedLo[rule]!) | (entryHi & this.#reservedHi[rule]!)) !== 0) return ENTRY_RESERVED
      if (leaf) {
        this.outHi = entryHi & 0xf_ffff
        this.outLo = entryLo & (-4096 << ((level - 1) * 9))
        this.log2Size = 3 + level * 9
        this.rights = rights
        return 0
      }
      base = (entryHi & 0xf_ffff) * 0x1_0000_0000 + ((entryLo & -4096) >>> 0)
      level--
      index = indexAt(level, hi, lo)
    }
  }
}

/** The nine address bits that a level translates. */
const indexAt = (level: number, hi: number, lo: number): number =>
  (level === 1
    ? lo >>> 12
    : level === 2
      ? lo >>> 21
      : level === 3
        ? (lo >>> 30) | (hi << 2)
        : level === 4
          ? hi >>> 7
          : hi >>> 16) & 511
