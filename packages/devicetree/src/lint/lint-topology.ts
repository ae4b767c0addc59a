import { isPciBus } from '../bindings/addressing.ts'
import { type IdMapName, mapId, parseIdMap } from '../bindings/id-map.ts'
import type { DeviceTree } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import type { Places } from './place.ts'
import type { LintFinding } from './rule.ts'
import { DT_RULES } from './rules.ts'

/** A PCI function of a machine. */
export interface TopologyFunction {
  readonly segment: number
  readonly bus: number
  readonly device: number
  readonly function: number
}

/** The PCI functions that a machine has. */
export interface PciTopology {
  readonly functions: readonly TopologyFunction[]
}

const name = ({ segment, bus, device, function: fn }: TopologyFunction): string => {
  const two = (value: number): string => value.toString(16).padStart(2, '0')
  return `${segment === 0 ? '' : `${segment.toString(16).padStart(4, '0')}:`}${two(bus)}:${two(device)}.${fn}`
}

/** The host bridges of a tree, each with its segment: `linux,pci-domain`, or their order, as Linux numbers them. */
function hostBridges(tree: DeviceTree): { node: DtNode; segment: number }[] {
  const nodes = [...tree.nodes()].filter(
    (node) => isPciBus(node) && node.parent !== null && !isPciBus(node.parent) && node.string('status') !== 'disabled',
  )
  return nodes.map((node, index) => ({ node, segment: node.cell('linux,pci-domain') ?? index }))
}

const MOST_NAMED = 8

/** Functions that the maps of their host bridge leave out. A bridge without the map says so of all, and is not at fault. */
export function* lintMapsWithTopology(tree: DeviceTree, topology: PciTopology, places: Places): Generator<LintFinding> {
  for (const { node, segment } of hostBridges(tree)) {
    const [first = 0, last = 0xff] = node.cells('bus-range')
    const below = topology.functions.filter((one) => one.segment === segment && one.bus >= first && one.bus <= last)
    const maps: readonly [IdMapName, typeof DT_RULES.mapHole | typeof DT_RULES.msiHole][] = [
      ['iommu-map', DT_RULES.mapHole],
      ['msi-map', DT_RULES.msiHole],
    ]
    for (const [property, rule] of maps) {
      const map = parseIdMap(node, property)
      if (map === null) continue
      const own = new Set(property === 'iommu-map' ? ownIds(tree, node, map.entries) : [])
      const bare = below.filter((one) => {
        const id = (one.bus << 8) | (one.device << 3) | one.function
        return !own.has(id) && mapId(map, id) === null
      })
      if (bare.length === 0) continue
      const names = bare.slice(0, MOST_NAMED).map(name)
      const more = bare.length > names.length ? ` and ${bare.length - names.length} more` : ''
      yield places.at(rule, node, property, `no entry has ${names.join(', ')}${more}`)
    }
  }
}

/** Requester IDs of IOMMUs on the bus that they translate for: these have to be left out. */
function ownIds(tree: DeviceTree, node: DtNode, entries: readonly { readonly phandle: number }[]): number[] {
  const iommus = new Set(entries.map(({ phandle }) => tree.byPhandle(phandle)))
  return [...iommus].flatMap((iommu) => {
    const unit = iommu?.parent === node ? iommu.cell('reg') : undefined
    return unit === undefined ? [] : [(unit >>> 8) & 0xffff]
  })
}
