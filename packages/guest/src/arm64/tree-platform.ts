import {
  type DeviceTree,
  type DtNode,
  findCoherency,
  findMsi,
  parseRanges,
  parseReg,
  pathOf,
  pciSpace,
  resolveInterrupt,
} from '@dmascope/devicetree'
import { ECAM_BUS_SIZE } from '@dmascope/pci/spec'
import type { PciFunction } from '../pci/pci-function.ts'
import type { ArmHostBridge, ArmPlatform, GicPlace, MessageControllerPlace, MessageRoute } from './arm-platform.ts'
import { intidOf } from './gic-binding.ts'
import { restrictedPoolOf } from './restricted-pools.ts'
import { readTreeDevices } from './tree-devices.ts'
import { readTreeIommus } from './tree-iommus.ts'
import { busWindows, reachOfAll } from './tree-windows.ts'

const GIC_V3 = 'arm,gic-v3'
const GIC_V2 = ['arm,gic-400', 'arm,cortex-a15-gic', 'arm,cortex-a7-gic']
const ITS = 'arm,gic-v3-its'
const V2M = 'arm,gic-v2m-frame'
export const HOST_BRIDGE = 'pci-host-ecam-generic'
const WRITE_BUFFER = 'dmascope,write-buffer'

const isA = (node: DtNode, ...compatible: readonly string[]): boolean =>
  node.strings('compatible').some((one) => compatible.includes(one))

/** Entries of `reg` that a Number can say. */
export function places(node: DtNode): { base: number; size: number }[] {
  return parseReg(node).flatMap(({ address, size }) =>
    typeof address === 'number' && typeof size === 'number' ? [{ base: address, size }] : [],
  )
}

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
  const bridges = nodes.filter((node) => isA(node, HOST_BRIDGE)).flatMap((node) => hostBridge(tree, node, log) ?? [])
  const nodeOf = (segment: number): DtNode | undefined =>
    bridges.find(({ bridge }) => bridge.ecam.segment === segment)?.node
  const { tables, faultInterrupts } = readTreeIommus(tree, nodeOf)
  const dmaReach = reachOfAll(tree)
  return {
    gic,
    messageControllers: [...controllers.values()],
    hostBridges: bridges.map(({ bridge }) => bridge),
    iommu: tables,
    devices: readTreeDevices(tree, nodes, log),
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

/** Null for a bridge without configuration space. */
export function hostBridge(
  tree: DeviceTree,
  node: DtNode,
  log: (line: string) => void,
): { readonly node: DtNode; readonly bridge: ArmHostBridge } | null {
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
  let memory: ArmHostBridge['windows']['memory'] = null
  let memory64: ArmHostBridge['windows']['memory64'] = null
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
