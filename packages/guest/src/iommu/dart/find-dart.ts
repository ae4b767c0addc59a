import { type DeviceTree, parseReg, pathOf, translateAddress } from '@dmascope/devicetree'

/** A DART, as the tree tells of it. */
export interface DartPlace {
  readonly path: string
  readonly registers: number
}

/** The node that Linux’s `iommu_init_early_dart` looks for; null without one, or without registers. */
export function findDart(tree: DeviceTree): DartPlace | null {
  for (const node of tree.nodes()) {
    if (node.string('device_type') !== 'dart' || !node.strings('compatible').includes('u3-dart')) continue
    const register = parseReg(node)[0]
    if (register === undefined || node.parent === null) continue
    const found = translateAddress(node.parent, register.address, 'ranges', register.upper)
    if (found.ok && typeof found.address === 'number') return { path: pathOf(node), registers: found.address }
  }
  return null
}
