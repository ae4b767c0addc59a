import { buildDtb, type DtNode } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { readTree } from '../device-tree/read-tree.ts'
import { SKIBOOT_BASE, SKIBOOT_TREE } from '../spec/opal.ts'
import { OpalConfig } from './opal-config.ts'
import { probeBus } from './probe-bus.ts'

export interface SkibootOptions {
  /** Where the machine has put its device tree. */
  readonly deviceTree: number
}

/** What skiboot did. */
export interface SkibootResult {
  /** Where the tree for the kernel stands; null where the machine gave none that can be read. */
  readonly deviceTree: number | null
  /** The tree itself, as bytes. */
  readonly blob: Uint8Array | null
  /** Why there is none, else nothing. */
  readonly log: readonly string[]
}

const LARGEST_TREE = 0x100_0000

/**
 * Brings a machine with OPAL up to where a kernel takes over, as skiboot does: it numbers the buses below each host
 * bridge, and tells of what it found in the tree. BARs and windows it leaves to the kernel. Learns of the machine through
 * the bus alone; never throws for what the machine does.
 */
export function runSkiboot(bus: CpuBus, { deviceTree }: SkibootOptions): SkibootResult {
  const tree = readTree(bus, deviceTree, LARGEST_TREE)
  if (typeof tree === 'string') return { deviceTree: null, blob: null, log: [tree] }
  for (const node of tree.root.children) {
    if (node.strings('compatible').includes('ibm,ioda3-phb')) addFunctions(bus, node)
  }
  const blob = buildDtb(tree)
  bus.writeBytes(SKIBOOT_TREE, blob)
  return { deviceTree: SKIBOOT_TREE, blob, log: [] }
}

function addFunctions(bus: CpuBus, node: DtNode): void {
  const [, phb = 0] = node.cells('ibm,opal-phbid')
  const [first = 0, messages = 0] = node.cells('ibm,opal-msi-ranges')
  const bridge = {
    config: new OpalConfig(bus, phb, SKIBOOT_BASE),
    // The bridge's sources that are no messages' begin with those of its pins.
    firstLsi: first + messages,
    interruptController: node.cell('interrupt-parent') ?? 0,
  }
  for (const one of probeBus(bridge, 0, true, 0)) node.append(one)
}
