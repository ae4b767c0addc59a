import type { InterruptHandler, Vector, Vectors } from './vectors.ts'

/** A controller whose inputs have vectors of the same number. */
interface LineController {
  disable(line: number): void
}

/** Inputs of an interrupt controller that several devices may share: the first claims the vector, others join it. */
export class SharedLines {
  readonly #vectors: Vectors
  readonly #controller: LineController
  readonly #joined = new Map<number, Vector>()

  constructor(vectors: Vectors, controller: LineController) {
    this.#vectors = vectors
    this.#controller = controller
  }

  /**
   * Adds a handler to those of a line.
   *
   * @param enable - makes the controller let the line through, for its first handler; false where it does not, and the
   *   next one has to try again
   * @returns whether the handler will be asked; `taken`: the vector has another use
   */
  join(
    line: number,
    trigger: Vector['trigger'],
    handler: InterruptHandler,
    enable: () => boolean,
  ): 'joined' | 'taken' | 'refused' {
    const shared = this.#joined.get(line)
    if (shared !== undefined) {
      shared.handlers.push(handler)
      return 'joined'
    }
    const vector = this.#vectors.claim(line, trigger, () => this.#controller.disable(line))
    if (vector === null) return 'taken'
    vector.handlers.push(handler)
    if (!enable()) {
      this.#vectors.release(vector)
      return 'refused'
    }
    this.#joined.set(line, vector)
    return 'joined'
  }
}
