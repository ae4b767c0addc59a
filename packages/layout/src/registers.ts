import type { Access, Bits } from './bits.ts'
import { highWord, lowWord } from './kinds.ts'

/** One register of a register file. `access` holds for the bits that no field of `bits` claims for itself. */
export interface Register {
  readonly name: string
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly width: 8 | 16 | 32 | 64
  readonly access: Access
  readonly bits: Bits | undefined
  readonly resetLo: number
  readonly resetHi: number
  /** What software's writes may change, and which bits a written one clears: the write rule, as four masks. */
  readonly rule: WriteRule
}

/** Per half: `rw` takes the written bit, `rw1c` clears where one is written, `wo` reads as zero. */
export interface WriteRule {
  readonly rwLo: number
  readonly rwHi: number
  readonly rw1cLo: number
  readonly rw1cHi: number
  readonly woLo: number
  readonly woHi: number
}

export interface RegisterSpec {
  readonly offset: number
  readonly width: Register['width']
  readonly access: Access
  readonly bits?: Bits | undefined
  /** Reset value, a Number below 2^53, or a [hi, lo] pair. */
  readonly reset?: number | readonly [hi: number, lo: number] | undefined
}

const maker =
  (width: Register['width']) =>
  (offset: number, access: Access, word?: Bits, reset?: RegisterSpec['reset']): RegisterSpec => ({
    offset,
    width,
    access,
    bits: word,
    reset,
  })
export const reg8 = maker(8)
export const reg16 = maker(16)
export const reg32 = maker(32)
export const reg64 = maker(64)

/** A register file's registers by name, and its span in bytes. */
export interface Registers<Name extends string = string> {
  readonly name: string
  readonly source: string
  readonly size: number
  readonly registers: Readonly<Record<Name, Register>>
}

function ruleOf(spec: RegisterSpec): WriteRule {
  const widthLo = spec.width >= 32 ? 0xffff_ffff : 2 ** spec.width - 1
  const widthHi = spec.width === 64 ? 0xffff_ffff : 0
  const rule = { rwLo: 0, rwHi: 0, rw1cLo: 0, rw1cHi: 0, woLo: 0, woHi: 0 }
  const claim = (access: Access, lo: number, hi: number): void => {
    if (access === 'rw' || access === 'wo') {
      rule.rwLo |= lo
      rule.rwHi |= hi
    }
    if (access === 'wo') {
      rule.woLo |= lo
      rule.woHi |= hi
    }
    if (access === 'rw1c') {
      rule.rw1cLo |= lo
      rule.rw1cHi |= hi
    }
  }
  let restLo = widthLo
  let restHi = widthHi
  for (const made of Object.values(spec.bits?.fields ?? {})) {
    claim(made.access ?? spec.access, made.loMask, made.hiMask)
    restLo &= ~made.loMask
    restHi &= ~made.hiMask
  }
  // Bits that no field names are reserved, unless the register is declared as a plain word.
  if (spec.bits === undefined) claim(spec.access, restLo, restHi)
  return {
    rwLo: rule.rwLo >>> 0,
    rwHi: rule.rwHi >>> 0,
    rw1cLo: rule.rw1cLo >>> 0,
    rw1cHi: rule.rw1cHi >>> 0,
    woLo: rule.woLo >>> 0,
    woHi: rule.woHi >>> 0,
  }
}

/**
 * Declares a register file. Offsets ascend; space between registers is a gap that reads as zero.
 *
 * @throws RangeError where a register overlaps the one before it, is out of order, or its bits differ in width
 */
export function registers<const Spec extends Record<string, RegisterSpec>>(
  name: string,
  source: string,
  spec: Spec,
): Registers<keyof Spec & string> {
  const made: Record<string, Register> = {}
  let end = 0
  for (const [registerName, one] of Object.entries(spec)) {
    if (one.offset < end) {
      throw new RangeError(
        `registers ${name}: ${registerName} at 0x${one.offset.toString(16)} starts before 0x${end.toString(16)}`,
      )
    }
    if (one.bits !== undefined && one.bits.width !== one.width) {
      throw new RangeError(`registers ${name}: ${registerName} is ${one.width} bits wide, its fields ${one.bits.width}`)
    }
    const reset = one.reset ?? 0
    const [resetHi, resetLo] = typeof reset === 'number' ? [highWord(reset), lowWord(reset)] : reset
    made[registerName] = {
      name: registerName,
      offset: one.offset,
      width: one.width,
      access: one.access,
      bits: one.bits,
      resetLo: resetLo >>> 0,
      resetHi: resetHi >>> 0,
      rule: ruleOf(one),
    }
    end = one.offset + one.width / 8
  }
  return { name, source, size: end, registers: made as Record<keyof Spec & string, Register> }
}

/**
 * What a register's low word holds after software wrote `written` over `old`: read-write bits take the written value,
 * write-one-to-clear bits are cleared where a one is written, all others stay. Pure.
 */
export const nextValue = (register: Register, old: number, written: number): number => {
  const { rwLo, rw1cLo } = register.rule
  return (((old & ~rwLo) | (written & rwLo)) & ~(written & rw1cLo)) >>> 0
}

/** The same for the high word of a 64-bit register. */
export const nextValueHigh = (register: Register, old: number, written: number): number => {
  const { rwHi, rw1cHi } = register.rule
  return (((old & ~rwHi) | (written & rwHi)) & ~(written & rw1cHi)) >>> 0
}

/** What software reads: the stored low word without its write-only bits. */
export const readValue = (register: Register, stored: number): number => (stored & ~register.rule.woLo) >>> 0

/** The same for the high word. */
export const readValueHigh = (register: Register, stored: number): number => (stored & ~register.rule.woHi) >>> 0
