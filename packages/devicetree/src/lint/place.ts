import { type DeviceTree, pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import type { LintFinding, LintRule } from './rule.ts'

/** Makes findings with the places that a tree's blob has. */
export class Places {
  readonly #tree: DeviceTree

  constructor(tree: DeviceTree) {
    this.#tree = tree
  }

  /** At a property, or at cells of it. */
  at(rule: LintRule, node: DtNode, name: string, message: string, cell = 0, cells?: number): LintFinding {
    const { blob } = this.#tree
    const property = node.property(name)
    const isInBlob = blob !== null && property !== undefined && property.data === blob.bytes
    const length =
      property === undefined ? 0 : Math.min(cells === undefined ? property.length : cells * 4, property.length)
    const offset = isInBlob ? property.start + Math.min(cell * 4, property.length - length) : null
    return { rule, node: pathOf(node), property: name, offset, length, message }
  }
}

/** Whether a node may be used: Linux's of_device_is_available. */
export const isEnabled = (node: DtNode): boolean => ['okay', 'ok', undefined].includes(node.string('status'))
