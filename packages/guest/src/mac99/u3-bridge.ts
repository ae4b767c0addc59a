import { type DeviceTree, type DtNode, parseRanges, pathOf, pciSpace } from '@dmascope/devicetree'

/** Bus addresses are the processor’s; ports are memory at `cpu`. */
interface Range {
  readonly bus: number
  readonly cpu: number
  readonly size: number
}

/** A G5’s AGP host bridge, behind which QEMU has all of PCI. */
export interface U3Bridge {
  readonly node: DtNode
  readonly path: string
  readonly memory: Range
  readonly ports: Range | null
}

/** Null without one, or without memory behind it. */
export function findU3Bridge(tree: DeviceTree): U3Bridge | null {
  for (const node of tree.nodes()) {
    if (!node.strings('compatible').includes('u3-agp')) continue
    let memory: Range | null = null
    let ports: Range | null = null
    for (const { childUpper, child, parent, size } of parseRanges(node, 'ranges').entries) {
      if (typeof child !== 'number' || typeof parent !== 'number' || typeof size !== 'number') continue
      const range = { bus: child, cpu: parent, size }
      if (pciSpace(childUpper) === 1) ports ??= range
      else if (child === parent) memory ??= range
    }
    if (memory !== null) return { node, path: pathOf(node), memory, ports }
  }
  return null
}
