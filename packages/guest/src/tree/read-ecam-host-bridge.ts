import { type DeviceTree, type DtNode, findCoherency, parseRanges, pathOf, pciSpace } from '@dmascope/devicetree'
import { ECAM_BUS_SIZE } from '@dmascope/pci/spec'
import type { EcamHostBridge } from '../pci/ecam-host-bridge.ts'
import { busWindows } from './bus-windows.ts'
import { places } from './places.ts'
import { restrictedPoolOf } from './restricted-pools.ts'

export const ECAM_HOST_BRIDGE = 'pci-host-ecam-generic'

/** Reads a node of such a bridge. Null for one without configuration space. */
export function readEcamHostBridge(
  tree: DeviceTree,
  node: DtNode,
  log: (line: string) => void,
): { readonly node: DtNode; readonly bridge: EcamHostBridge } | null {
  const [window] = places(node)
  const path = pathOf(node)
  if (window === undefined) {
    log(`pci-host-generic: ${path} has no configuration space`)
    return null
  }
  const [first = 0, last = 0xff] = node.cells('bus-range')
  const segment = node.cell('linux,pci-domain') ?? 0
  const end = Math.min(last, first + Math.floor(window.size / ECAM_BUS_SIZE) - 1, 0xff)
  log(`pci-host-generic: host bridge ${path} ranges:`)
  let ports = 0
  let portBase: number | null = null
  let memory: EcamHostBridge['windows']['memory'] = null
  let memory64: EcamHostBridge['windows']['memory64'] = null
  for (const { childUpper, child, parent, size } of parseRanges(node, 'ranges').entries) {
    if (typeof child !== 'number' || typeof parent !== 'number' || typeof size !== 'number') continue
    const space = pciSpace(childUpper)
    const what = `0x${parent.toString(16)}..0x${(parent + size - 1).toString(16)} -> 0x${child.toString(16)}`
    log(`pci-host-generic: ${space === 1 ? 'IO ' : 'MEM'} ${what}`)
    if (space === 1 && child === 0) [ports, portBase] = [size, parent]
    // DEVIATION: a window whose bus addresses differ from the processor's is left out.
    else if (space >= 2 && child === parent && child < 2 ** 32) memory ??= { base: child, size }
    else if (space >= 2 && child === parent) memory64 ??= { base: child, size }
  }
  const inbound = busWindows(node, log)
  const restrictedPool = restrictedPoolOf(tree, node, log)
  for (const { cpu, bus, length } of inbound?.windows ?? []) {
    log(`pci-host-generic: IB MEM 0x${cpu.toString(16)}..0x${(cpu + length - 1).toString(16)} -> 0x${bus.toString(16)}`)
  }
  return {
    node,
    bridge: {
      name: path,
      // The window begins with the first bus.
      ecam: { base: window.base - first * ECAM_BUS_SIZE, segment, startBus: first, endBus: end },
      rootBus: first,
      windows: { ports, memory, memory64 },
      portBase,
      renumber: true,
      coherency: { coherent: findCoherency(node).coherent, by: path },
      ...(inbound !== null && { inbound }),
      ...(restrictedPool !== null && { restrictedPool }),
    },
  }
}
