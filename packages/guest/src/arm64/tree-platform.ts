import { type DeviceTree, type DtNode, findMsi, pathOf, resolveInterrupt } from '@dmascope/devicetree'
import type { PciFunction } from '../pci/pci-function.ts'
import { reachOfAll } from '../tree/bus-windows.ts'
import { places } from '../tree/places.ts'
import { ECAM_HOST_BRIDGE, readEcamHostBridge } from '../tree/read-ecam-host-bridge.ts'
import { readTreeDevices } from '../tree/tree-devices.ts'
import type { ArmPlatform, GicPlace, MessageControllerPlace, MessageRoute } from './arm-platform.ts'
import { gicInterrupt, intidOf } from './gic-binding.ts'
import { readTreeIommus } from './tree-iommus.ts'

const GIC_V3 = 'arm,gic-v3'
const GIC_V2 = ['arm,gic-400', 'arm,cortex-a15-gic', 'arm,cortex-a7-gic']
const ITS = 'arm,gic-v3-its'
const V2M = 'arm,gic-v2m-frame'
const WRITE_BUFFER = 'dmascope,write-buffer'

const isA = (node: DtNode, ...compatible: readonly string[]): boolean =>
  node.strings('compatible').some((one) => compatible.includes(one))

/** Reads an Arm machine's device tree. A text is why the kernel cannot go on. */
export function readTreePlatform(tree: DeviceTree, log: (line: string) => void): ArmPlatform | string {
  const nodes = [...tree.nodes()]
  const gicNode = nodes.find((node) => node.has('interrupt-controller') && isA(node, GIC_V3, ...GIC_V2))
  const gic = gicNode === undefined ? null : gicPlace(gicNode)
  if (gic === null) return 'no GIC in the device tree'
  const controllers = new Map<DtNode, MessageControllerPlace>()
  for (const node of gicNode!.children) {
    const [at] = places(node)
    if (at === undefined || !node.has('msi-controller')) continue
    if (isA(node, ITS) && gic.version === 3) controllers.set(node, { kind: 'its', base: at.base })
    if (isA(node, V2M)) controllers.set(node, { kind: 'gicv2m', base: at.base })
  }
  const bridges = nodes
    .filter((node) => isA(node, ECAM_HOST_BRIDGE))
    .flatMap((node) => readEcamHostBridge(tree, node, log) ?? [])
  const nodeOf = (segment: number): DtNode | undefined =>
    bridges.find(({ bridge }) => bridge.ecam.segment === segment)?.node
  const { tables, faultInterrupts } = readTreeIommus(tree, nodeOf)
  const dmaReach = reachOfAll(tree)
  return {
    gic,
    messageControllers: [...controllers.values()],
    hostBridges: bridges.map(({ bridge }) => bridge),
    iommu: tables,
    devices: readTreeDevices(tree, nodes, log, gicInterrupt),
    ...(dmaReach !== null && { dmaReach }),
    ...findWriteBuffer(nodes),
    faultInterrupts,
    routePin: (at, pin) => routePin(tree, nodeOf(at.segment), at, pin),
    routeMessages(segment, requester): MessageRoute | null {
      const node = nodeOf(segment)
      const found = node === undefined ? null : findMsi(tree, node, requester)
      const controller = found === null ? undefined : controllers.get(found.controller)
      if (found === null || controller === undefined) return null
      return { controller, deviceId: found.args[0] ?? requester, by: `${found.by} of ${pathOf(found.on)}` }
    },
  }
}

function findWriteBuffer(nodes: readonly DtNode[]): Pick<ArmPlatform, 'writeBuffer'> {
  const node = nodes.find((one) => isA(one, WRITE_BUFFER))
  const [at] = node === undefined ? [] : places(node)
  return node === undefined || at === undefined ? {} : { writeBuffer: { register: at.base, by: pathOf(node) } }
}

function gicPlace(node: DtNode): GicPlace | null {
  const [distributor, second, ...rest] = places(node)
  if (distributor === undefined || second === undefined) return null
  if (!isA(node, GIC_V3)) return { version: 2, distributor: distributor.base, cpuInterface: second.base }
  const regions = node.cell('#redistributor-regions') ?? 1
  return { version: 3, distributor: distributor.base, redistributors: [second, ...rest].slice(0, regions) }
}

function routePin(
  tree: DeviceTree,
  bridge: DtNode | undefined,
  at: PciFunction,
  pin: number,
): { readonly intid: number; readonly by: string } | string {
  const name = `INT${'ABCD'[pin - 1] ?? '?'} of ${at.id}`
  if (bridge === undefined) return `no host bridge in the device tree has ${at.id}`
  const address = [(((at.bus << 8) | (at.device << 3) | at.function) << 8) >>> 0, 0, 0]
  const found = resolveInterrupt(tree, bridge, address, [pin])
  if (!found.ok) return `${name}: ${found.reason}`
  const intid = intidOf(found.specifier)
  if (intid === null) return `${name}: the interrupt is none of the GIC's`
  return { intid, by: `interrupt-map of ${pathOf(bridge)}: ${name} is interrupt ${intid} of the GIC` }
}
