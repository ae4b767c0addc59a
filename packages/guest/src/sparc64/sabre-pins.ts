import { type DtNode, pathOf } from '@dmascope/devicetree'
import type { ConnectedPin, PinInterrupts } from '../interrupts/pin-interrupts.ts'
import type { InterruptHandler, Vector, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { SabreInterrupts } from './sabre-interrupts.ts'

/** A child's address and pin, the controller, and its one cell. */
const MAP_CELLS = 6
const KEY_CELLS = 4
const PINS = 4
const ADDRESS_MASK = 0x00ff_f800

/**
 * Interrupt pins by the maps of the bridges above, as Linux's `build_one_device_irq` walks them: the first bridge that has
 * a map tells; a bridge without one turns the pin by the number of the device below it.
 */
export class SabrePins implements PinInterrupts {
  readonly #nodes: ReadonlyMap<PciFunction, DtNode>
  readonly #interrupts: SabreInterrupts
  readonly #vectors: Vectors
  readonly #lines = new Map<number, Vector>()

  constructor(nodes: ReadonlyMap<PciFunction, DtNode>, interrupts: SabreInterrupts, vectors: Vectors) {
    this.#nodes = nodes
    this.#interrupts = interrupts
    this.#vectors = vectors
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    const found = this.#resolve(fn)
    if (typeof found === 'string') return found
    const { ino, by } = found
    const shared = this.#lines.get(ino)
    if (shared !== undefined) {
      shared.handlers.push(handler)
      return { gsi: ino, vector: shared.number, by }
    }
    const number = this.#interrupts.vectorOf(ino)
    const vector = this.#vectors.claim(number, 'level', () => this.#interrupts.disable(ino))
    if (vector === null) return `interrupt 0x${number.toString(16)} is taken`
    vector.handlers.push(handler)
    this.#lines.set(ino, vector)
    this.#interrupts.enable(ino)
    return { gsi: ino, vector: number, by }
  }

  #resolve(fn: PciFunction): { readonly ino: number; readonly by: string } | string {
    let pin = this.#nodes.get(fn)?.cell('interrupts') ?? 0
    if (pin === 0) return 'the function’s node has no interrupt'
    for (let at = fn; at.parent !== null; at = at.parent) {
      const above = this.#nodes.get(at.parent)
      const map = above?.cells('interrupt-map') ?? []
      if (above !== undefined && map.length > 0) {
        const ino = lookUp(map, above.cells('interrupt-map-mask'), at, pin)
        const by = `interrupt-map of ${pathOf(above)}`
        if (ino === null) return `${by} has no entry for INT${'ABCD'[pin - 1] ?? '?'} of ${at.id}`
        return { ino, by: `${by}: INT${'ABCD'[pin - 1] ?? '?'} of ${at.id} is interrupt 0x${ino.toString(16)}` }
      }
      pin = ((pin - 1 + at.device) % PINS) + 1
    }
    return 'no bridge above has an interrupt-map'
  }
}

function lookUp(
  map: readonly number[],
  [mask = 0, , , pinMask = 0]: readonly number[],
  { bus, device }: PciFunction,
  pin: number,
): number | null {
  const address = ((bus << 16) | (device << 11)) & mask & ADDRESS_MASK
  for (let at = 0; at + MAP_CELLS <= map.length; at += MAP_CELLS) {
    const [entry, , , entryPin] = map.slice(at, at + KEY_CELLS) as [number, number, number, number]
    if (entry === address && entryPin === (pin & pinMask)) return map[at + MAP_CELLS - 1]!
  }
  return null
}
