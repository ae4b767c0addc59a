import type { CpuBus } from '@dmascope/memory/contracts'
import type { CpuInterruptController } from '../interrupts/vectors.ts'
import { CAUSE, CP0, STATUS } from '../spec/bmips.ts'

/** One word of a controller: where its registers are. */
interface L2Word {
  readonly enable: number
  readonly status: number
}

/** A second-level controller that the tree tells of, on one of the processor's own inputs. */
export interface L2Place {
  readonly input: number
  readonly words: readonly L2Word[]
  readonly path: string
}

const { IE, EXL, ERL, BEV, IM } = STATUS.fields
const WORD_INPUTS = 32
/** Interrupts of a controller have numbers from a multiple of this on: it has four words at most. */
const STRIDE = 128

/** Linux's `mips_cpu_irq` with `brcm,bcm3380-l2-intc` controllers chained to it: levels, and nothing to acknowledge. */
export class L2Interrupts implements CpuInterruptController {
  /** Every interrupt has a number of its own. */
  readonly dynamic = { first: 1, last: 0 }
  readonly #bus: CpuBus
  readonly #places: readonly L2Place[]
  /** Linux's `mask_cache`: of each word of each controller, what is let through. */
  readonly #enabled: readonly number[][]

  /** Lets nothing through, and then the processor be interrupted. */
  constructor(bus: CpuBus, places: readonly L2Place[]) {
    this.#bus = bus
    this.#places = places
    this.#enabled = places.map(({ words }) => words.map(() => 0))
    for (const { words } of places) for (const { enable } of words) bus.write32(enable, 0)
    const registers = bus.systemRegisters
    if (registers === undefined) return
    const inputs = places.reduce((mask, { input }) => mask | (1 << input), 0)
    const awake = registers.read(CP0.Status) & ~(BEV.loMask | ERL.loMask | EXL.loMask)
    registers.write(CP0.Status, IE.setLo(IM.setLo(awake >>> 0, inputs), 1))
  }

  /** The number of an input; null where the controller has no such input. */
  static numberOf(controller: number, input: number, { words }: L2Place): number | null {
    return input >= 0 && input < words.length * WORD_INPUTS ? controller * STRIDE + input : null
  }

  enable(number: number): void {
    this.#let(number, true)
  }

  disable(number: number): void {
    this.#let(number, false)
  }

  /** Asks the processor which of its inputs it is, then the controllers there. */
  take(): number {
    const bus = this.#bus
    const inputs = CAUSE.fields.IP.get(bus.systemRegisters?.read(CP0.Cause) ?? 0)
    for (const [controller, { input, words }] of this.#places.entries()) {
      if ((inputs & (1 << input)) === 0) continue
      for (const [index, { status }] of words.entries()) {
        const pending = bus.read32(status) & this.#enabled[controller]![index]!
        if (pending !== 0) {
          const lowest = 31 - Math.clz32(pending & -pending)
          return controller * STRIDE + index * WORD_INPUTS + lowest
        }
      }
    }
    return -1
  }

  endOfInterrupt(): void {
    // A level: it ends where the device lets go.
  }

  #let(number: number, through: boolean): void {
    const controller = Math.floor(number / STRIDE)
    const input = number % STRIDE
    const index = input >>> 5
    const enabled = this.#enabled[controller]
    const word = this.#places[controller]?.words[index]
    if (enabled === undefined || word === undefined) return
    const bit = 1 << (input & 31)
    const mask = (through ? enabled[index]! | bit : enabled[index]! & ~bit) >>> 0
    enabled[index] = mask
    this.#bus.write32(word.enable, mask)
  }
}
