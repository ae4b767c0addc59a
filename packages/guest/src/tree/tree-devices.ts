import {
  type DeviceTree,
  type DtNode,
  findCoherency,
  findIommu,
  parseReg,
  pathOf,
  translateAddress,
} from '@dmascope/devicetree'
import type { PlatformDevice, WireInterrupt } from '../platform/platform-device.ts'
import { busWindows } from './bus-windows.ts'
import { restrictedPoolOf } from './restricted-pools.ts'

/** Buses whose children Linux makes devices of (`of_default_bus_match_table`). */
const BUSES = ['simple-bus', 'simple-mfd', 'isa', 'arm,amba-bus']
/** What drivers here know. */
const KNOWN = ['virtio,mmio']

/**
 * Devices on no bus that a tree tells of, in the tree's order, which is the order in which Linux makes them.
 *
 * @param interruptOf - by the binding of the machine's interrupt controllers
 */
export const readTreeDevices = (
  tree: DeviceTree,
  nodes: readonly DtNode[],
  log: (line: string) => void,
  interruptOf: (node: DtNode) => WireInterrupt | null,
): PlatformDevice[] =>
  nodes.flatMap((node) => {
    const compatible = node.strings('compatible')
    if (!compatible.some((name) => KNOWN.includes(name)) || !isPopulated(node)) return []
    return deviceOf(tree, node, compatible, log, interruptOf(node)) ?? []
  })

/** Neither the device nor a bus above it is switched off, and each bus is one that Linux looks into. */
function isPopulated(node: DtNode): boolean {
  const status = node.string('status')
  if (status !== undefined && status !== 'okay' && status !== 'ok') return false
  const { parent } = node
  if (parent === null || parent.parent === null) return true
  return parent.strings('compatible').some((name) => BUSES.includes(name)) && isPopulated(parent)
}

/** Null for one whose registers a processor cannot reach. */
function deviceOf(
  tree: DeviceTree,
  node: DtNode,
  compatible: readonly string[],
  log: (line: string) => void,
  interrupt: WireInterrupt | null,
): PlatformDevice | null {
  const [registers] = parseReg(node)
  if (registers === undefined || node.parent === null || typeof registers.size !== 'number') return null
  const place = translateAddress(node.parent, registers.address, 'ranges')
  if (!place.ok || typeof place.address !== 'number') return null
  const base = place.address
  const source = pathOf(node)
  const inbound = busWindows(node.parent, log)
  const restrictedPool = restrictedPoolOf(tree, node, log)
  return {
    // The platform device is named by its address, then by its node.
    id: `${base.toString(16)}.${node.name.split('@')[0]}`,
    compatible,
    base,
    size: registers.size,
    interrupt,
    coherent: findCoherency(node).coherent,
    ...(inbound !== null && { inbound }),
    ...(restrictedPool !== null && { restrictedPool }),
    source,
    ...iommuOf(tree, node),
  }
}

/** A device may have several IDs at its IOMMU; a second IOMMU is one too many, for Linux too. */
function iommuOf(tree: DeviceTree, node: DtNode): Pick<PlatformDevice, 'iommu' | 'behind'> {
  const { found, problem } = findIommu(tree, node)
  const [first] = found
  if (problem !== null) return { iommu: `the node's iommus make no sense: ${problem}`, behind: null }
  if (first === undefined) {
    return { iommu: 'the node has no iommus: no IOMMU is in front of the device', behind: null }
  }
  const iommu = pathOf(first.iommu)
  const ids = found.filter((one) => one.iommu === first.iommu).flatMap(({ args }) => args.slice(0, 1))
  const streams = ids.map((id) => `0x${id.toString(16)}`).join(', ')
  return { iommu: `the node's iommus put the device behind ${iommu}, as ${streams}`, behind: { iommu, ids } }
}
