import { DtNode, type DtProperty, type PropertyInput, property } from '@dmascope/devicetree'

/**
 * A node in the making, as libfdt makes one: each property and each subnode goes before those that were put in earlier,
 * so that a tree comes out the other way round.
 */
export class TreeNode {
  readonly #name: string
  readonly #properties: DtProperty[] = []
  readonly #children: TreeNode[] = []

  constructor(name: string) {
    this.#name = name
  }

  set(name: string, value: PropertyInput): void {
    this.#properties.unshift(property(name, value))
  }

  /** A pair of cells for a number below 2^53. */
  setU64(name: string, value: number): void {
    this.set(name, u64Cells(value))
  }

  add(name: string): TreeNode {
    const child = new TreeNode(name)
    this.#children.unshift(child)
    return child
  }

  build(): DtNode {
    return new DtNode(
      this.#name,
      this.#properties,
      this.#children.map((child) => child.build()),
    )
  }
}

/** The upper cell, then the lower, of a number below 2^53. */
export const u64Cells = (value: number): readonly [number, number] => [
  Math.floor(value / 0x1_0000_0000),
  value % 0x1_0000_0000,
]
