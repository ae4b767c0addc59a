import { type DeviceTree, type DtNode, parseRanges, parseReg, pathOf, pciSpace } from '@dmascope/devicetree'

/** Linux’s `pci_ids` of fsl_pci, as far as they are this hardware. */
const COMPATIBLE = [
  'fsl,mpc8540-pci',
  'fsl,mpc8548-pcie',
  'fsl,qoriq-pcie',
  'fsl,qoriq-pcie-v2.1',
  'fsl,qoriq-pcie-v2.2',
]

/** Bus addresses [bus, bus + size) lie at CPU addresses from `cpu` on. */
export interface OutboundRange {
  readonly bus: number
  readonly cpu: number
  readonly size: number
}

/** A Freescale PCI controller, as its node tells of it. */
export interface FslBridge {
  readonly node: DtNode
  readonly path: string
  readonly registers: number
  readonly firstBus: number
  readonly lastBus: number
  readonly memory: OutboundRange
  /** Null without ports. */
  readonly ports: OutboundRange | null
}

/**
 * The first of the tree’s Freescale PCI controllers that has what Linux needs.
 *
 * DEVIATION: further controllers, domains of their own for Linux, are not looked at.
 */
export function findFslBridge(tree: DeviceTree, log: (line: string) => void): FslBridge | null {
  for (const node of tree.nodes()) {
    if (!node.strings('compatible').some((one) => COMPATIBLE.includes(one))) continue
    const path = pathOf(node)
    const found = readBridge(node, path)
    if (typeof found !== 'string') return found
    log(`${path}: ${found}`)
  }
  return null
}

function readBridge(node: DtNode, path: string): FslBridge | string {
  const registers = parseReg(node)[0]?.address
  if (typeof registers !== 'number') return "Can't get pci register base!"
  const [firstBus = 0, lastBus = 0xff] = node.cells('bus-range')
  let memory: OutboundRange | null = null
  let ports: OutboundRange | null = null
  for (const { childUpper, child, parent, size } of parseRanges(node, 'ranges').entries) {
    if (typeof child !== 'number' || typeof parent !== 'number' || typeof size !== 'number' || size === 0) continue
    const range = { bus: child, cpu: parent, size }
    if (pciSpace(childUpper) === 1) ports ??= range
    else memory ??= range
  }
  if (memory === null) return 'No outbound window space'
  return { node, path, registers, firstBus, lastBus, memory, ports }
}
