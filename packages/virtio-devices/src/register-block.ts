import { nextValue, type Register, type Registers, readValue } from '@dmascope/layout'

/**
 * A file of 32-bit registers as it stands. Software's accesses of 4 bytes reach a register; all others, and those
 * between registers, read as zero and are dropped, as QEMU does where a region takes 4-byte accesses alone.
 */
export class RegisterBlock {
  readonly #values: Uint32Array
  readonly #byWord: (Register | undefined)[]

  /** @throws RangeError where a register is not 32 bits wide and aligned */
  constructor(file: Registers) {
    this.#values = new Uint32Array(file.size / 4)
    this.#byWord = new Array(file.size / 4)
    for (const register of Object.values(file.registers)) {
      if (register.width !== 32 || register.offset % 4 !== 0) {
        throw new RangeError(`${file.name}: ${register.name} is not 32 bits wide and aligned`)
      }
      this.#byWord[register.offset / 4] = register
    }
    this.reset()
  }

  reset(): void {
    for (const register of this.#byWord) if (register !== undefined) this.set(register, register.resetLo)
  }

  /** What is stored. */
  get(register: Register): number {
    return this.#values[register.offset / 4]!
  }

  /** Stores a value whatever the write rule says. */
  set(register: Register, value: number): void {
    this.#values[register.offset / 4] = value
  }

  /** What software reads. */
  read(offset: number, width: number): number {
    const register = this.at(offset, width)
    return register === undefined ? 0 : readValue(register, this.get(register))
  }

  /** The register that software's access falls on. */
  at(offset: number, width: number): Register | undefined {
    return width === 4 && offset % 4 === 0 ? this.#byWord[offset / 4] : undefined
  }

  /** Software's write, each bit by its rule. */
  write(register: Register, value: number): void {
    this.set(register, nextValue(register, this.get(register), value))
  }
}
