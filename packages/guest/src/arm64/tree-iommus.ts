import { type DeviceTree, type DtNode, findIommu, parseReg, pathOf } from '@dmascope/devicetree'
import { formatBdf } from '@dmascope/pci/spec'
import { ofSmmu, type SmmuSource, type SmmuTables } from '../iommu/arm-smmu-v3/smmu-tables.ts'
import type { PciDevice } from '../iommu/contract.ts'
import type { IommuTables } from '../iommu/iommu-tables.ts'
import type { EndpointTopology } from '../iommu/virtio/endpoint-topology.ts'
import type { ArmPlatform } from './arm-platform.ts'
import { intidOf } from './gic-binding.ts'

const SMMU_V3 = 'arm,smmu-v3'
const VIRTIO_IOMMU = 'virtio,pci-iommu'
/** Interrupts by which an SMMUv3 tells of faults. */
const FAULT_INTERRUPTS = ['eventq', 'gerror', 'combined']
/** Third cell of the GIC's binding: rising and falling edges. */
const EDGE_MASK = 3

/** What a tree says of IOMMUs, and of who is behind them. */
export function readTreeIommus(
  tree: DeviceTree,
  bridgeOf: (segment: number) => DtNode | undefined,
): { readonly tables: IommuTables; readonly faultInterrupts: ArmPlatform['faultInterrupts'] } {
  const nodes = [...tree.nodes()]
  const smmus = new Map<DtNode, SmmuSource>()
  for (const node of nodes.filter((one) => one.strings('compatible').includes(SMMU_V3))) {
    const base = parseReg(node)[0]?.address
    if (typeof base !== 'number') continue
    const path = pathOf(node)
    // The platform device is named by its address, then by its node.
    const name = `${base.toString(16)}.${node.name.split('@')[0]}`
    smmus.set(node, { name, base, coherent: node.has('dma-coherent'), source: path })
  }
  if (smmus.size > 0) {
    return {
      tables: { smmu: smmuTables(tree, smmus, bridgeOf) },
      faultInterrupts: [...smmus.keys()].flatMap(faultInterruptsOf),
    }
  }
  const onPci = nodes.filter((one) => one.strings('compatible').includes(VIRTIO_IOMMU))
  if (onPci.length === 0) return { tables: {}, faultInterrupts: [] }
  return {
    tables: { requests: { acsRequested: false, read: (devices) => requestTopology(tree, onPci, bridgeOf, devices) } },
    faultInterrupts: [],
  }
}

function faultInterruptsOf(node: DtNode): ArmPlatform['faultInterrupts'] {
  const names = node.strings('interrupt-names')
  const cells = node.cells('interrupts')
  return names.flatMap((name, index) => {
    if (!FAULT_INTERRUPTS.includes(name)) return []
    const specifier = cells.slice(index * 3, index * 3 + 3)
    const intid = intidOf(specifier)
    const trigger = ((specifier[2] ?? 0) & EDGE_MASK) !== 0 ? ('edge' as const) : ('level' as const)
    return intid === null ? [] : [{ intid, trigger }]
  })
}

function smmuTables(
  tree: DeviceTree,
  smmus: ReadonlyMap<DtNode, SmmuSource>,
  bridgeOf: (segment: number) => DtNode | undefined,
): SmmuTables {
  return {
    smmus: [...smmus.values()],
    // The kernel asks for it when the first driver looks for its device's IOMMU: enumeration is over by then.
    acsRequested: false,
    streamOf(segment, requester) {
      const bridge = bridgeOf(segment)
      const [found] = bridge === undefined ? [] : findIommu(tree, bridge, requester).found
      const smmu = found === undefined ? undefined : smmus.get(found.iommu)
      const stream = found?.args[0]
      if (smmu === undefined || stream === undefined) return null
      const by = `iommu-map of ${pathOf(found!.on)}`
      return { smmu, stream, by: `${by}, stream 0x${stream.toString(16)}${ofSmmu(smmu, smmus.size)}`, source: by }
    },
  }
}

/** A virtio-iommu stands below its host bridge, by its function, and is named by phandle like any other. */
function requestTopology(
  tree: DeviceTree,
  nodes: readonly DtNode[],
  bridgeOf: (segment: number) => DtNode | undefined,
  devices: readonly PciDevice[],
): EndpointTopology {
  const functions = new Map<DtNode, PciDevice>()
  for (const node of nodes) {
    const device = devices.find(
      (one) => bridgeOf(one.segment) === node.parent && one.id === formatBdf(requesterOf(node), one.segment),
    )
    if (device !== undefined) functions.set(node, device)
  }
  return {
    source: 'device tree',
    iommus: [...functions].map(([node, device]) => ({ function: device, cited: { source: pathOf(node) } })),
    find(segment, requester) {
      const bridge = bridgeOf(segment)
      const [found] = bridge === undefined ? [] : findIommu(tree, bridge, requester).found
      const iommu = found === undefined ? undefined : functions.get(found.iommu)
      const endpoint = found?.args[0]
      if (iommu === undefined || endpoint === undefined) return null
      const by = `iommu-map of ${pathOf(found!.on)}`
      return { iommu, endpoint, by: `${by}, endpoint 0x${endpoint.toString(16)}`, cited: { source: by } }
    },
  }
}

/** phys.hi of the node's `reg`: bits [23:8] are bus, device and function. */
const requesterOf = (node: DtNode): number => ((node.cell('reg') ?? 0) >>> 8) & 0xffff
