import { type DeviceTree, parseReg } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { setUpBounceBuffers } from '../dma/bounce-buffers.ts'
import { dmaOfAll } from '../dma/dma-platform.ts'
import { SharedMemory } from '../dma/shared-memory.ts'
import { memoryNodes, readDeviceTree, reservedByTree, wholePages } from '../early/device-tree.ts'
import { type AddressRange, mergeRanges } from '../early/memory-map.ts'
import { ANYWHERE } from '../early/page-allocator.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { TceSubsystem } from '../iommu/tce/tce-subsystem.ts'
import { findPhbs } from '../powernv/phbs.ts'
import { findHostBridges, type HostBridge } from '../pseries/host-bridges.ts'
import { HypervisorCalls } from '../pseries/hypervisor.ts'
import { XicsInterrupts, XiveInterrupts } from '../pseries/papr-interrupts.ts'
import { withPorts } from '../pseries/port-bus.ts'
import { Rtas } from '../pseries/rtas.ts'
import { RtasConfig } from '../pseries/rtas-config.ts'
import { RtasMessages } from '../pseries/rtas-messages.ts'
import { scanTree } from '../pseries/scan-tree.ts'
import { enterSecureMode, sharingByUltracalls } from '../pseries/secure-guest.ts'
import { TreePins } from '../pseries/tree-pins.ts'
import { XICS_COMPATIBLE, XIVE_COMPATIBLE } from '../spec/papr.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'
import { startE500 } from './e500.ts'
import { startMac99 } from './mac99.ts'
import { bringUpPowernv } from './powernv.ts'

const LARGEST_TREE = 0x100_0000
/** Kernel image and exception vectors: what Linux keeps for itself from address 0 on. */
const KERNEL_BYTES = 0x400_0000

/** What a kernel of 32 bits maps of memory, and so has for itself. */
const LOW_MEMORY = 0x3000_0000

/** A PowerPC machine with a kernel of 32 bits: an embedded one. */
export const startPpc: EarlyCode = (bus, { deviceTree }, log) => {
  const tree = deviceTree === undefined ? 'r3 points to no device tree' : readDeviceTree(bus, deviceTree, LARGEST_TREE)
  if (typeof tree === 'string') return tree
  return isE500(tree)
    ? startE500({ bus, tree, treeAt: deviceTree!, kernelBytes: KERNEL_BYTES, lowMemory: LOW_MEMORY }, log)
    : 'no kind of machine is known that a kernel of 32 bits runs on'
}

/** An Apple of the fifth generation, as far as QEMU has it. */
const isMac = ({ root }: DeviceTree): boolean => root.strings('compatible').includes('Power Macintosh')

const isE500 = ({ root }: DeviceTree): boolean => root.strings('compatible').some((one) => one === 'fsl,qemu-e500')

/** A POWER machine: a partition, with RTAS and hypervisor calls, or one without a hypervisor, with OPAL; or an embedded one. */
export const startPpc64: EarlyCode = (bus, { deviceTree }, log) => {
  const tree = deviceTree === undefined ? 'r3 points to no device tree' : readDeviceTree(bus, deviceTree, LARGEST_TREE)
  if (typeof tree === 'string') return tree
  if (isE500(tree)) {
    return startE500({ bus, tree, treeAt: deviceTree!, kernelBytes: KERNEL_BYTES, lowMemory: ANYWHERE }, log)
  }
  if (isMac(tree)) return startMac99({ bus, tree, treeAt: deviceTree!, kernelBytes: KERNEL_BYTES })
  if (tree.find('/ibm,opal') !== undefined && bus.hypercall !== undefined)
    return startPowernv(bus, tree, deviceTree!, log)
  if (tree.root.string('device_type') !== 'chrp' || bus.hypercall === undefined) {
    return 'the machine is no partition of a hypervisor, and no other kind of POWER machine is known'
  }
  const bridges = findHostBridges(tree, log)
  const ported = withPorts(bus, bridges)
  const ram = usableMemory(tree, deviceTree!)
  return {
    bus: ported,
    commandLine: tree.find('/chosen')?.string('bootargs') ?? '',
    ram,
    bringUp: (context) => bringUp(context, bus, tree, bridges, ram, deviceTree!),
  }
}

function startPowernv(
  bus: CpuBus,
  tree: DeviceTree,
  treeAt: number,
  log: (line: string) => void,
): ReturnType<EarlyCode> {
  log(`Hardware name: ${tree.root.string('model') ?? 'unknown'}`)
  const ram = usableMemory(tree, treeAt)
  const phbs = findPhbs(tree, log)
  return {
    bus,
    commandLine: tree.find('/chosen')?.string('bootargs') ?? '',
    ram,
    bringUp: (context) => bringUpPowernv(context, { bus, tree, phbs, memory: memoryOf(tree, ram) }),
  }
}

/** Memory nodes, less what the tree reserves, the tree itself, and the kernel. Ascending, whole pages. */
const usableMemory = (tree: DeviceTree, treeAt: number): AddressRange[] =>
  wholePages(memoryNodes(tree), [...reservedByTree(tree, treeAt), { start: 0, end: KERNEL_BYTES }])

function bringUp(
  context: BringUp,
  plainBus: CpuBus,
  tree: DeviceTree,
  bridges: readonly HostBridge[],
  ram: readonly AddressRange[],
  deviceTree: number,
): RunningMachine | string {
  const { bus, pages, witness, profile, options, patience, log } = context
  const calls = new HypervisorCalls(bus)
  const secure = enterSecureMode(calls, options, { base: 0, deviceTree }, log)
  if (typeof secure === 'string') return secure
  const shared = secure ? new SharedMemory(bus, sharingByUltracalls(calls)) : null
  const rtasNode = tree.find('/rtas')
  const buffer = pages.allocate(1)
  if (rtasNode === undefined || buffer === null) return 'no /rtas in the device tree'
  const rtas = new Rtas(rtasNode, bus, calls, buffer)

  const controllers = [...tree.nodes()].filter((node) => node.has('interrupt-controller'))
  const isA = (compatible: string): boolean =>
    controllers.some((node) => node.strings('compatible').includes(compatible))
  if (!isA(XIVE_COMPATIBLE) && !isA(XICS_COMPATIBLE)) return 'no interrupt controller in the device tree'
  const interrupts = isA(XIVE_COMPATIBLE) ? new XiveInterrupts(calls) : new XicsInterrupts(calls, rtas)
  log(
    isA(XIVE_COMPATIBLE)
      ? 'xive: Interrupt handling initialized with spapr backend'
      : 'xics: interrupts by hypervisor calls',
  )
  const vectors = new Vectors(bus, interrupts, patience, log)

  const dma = dmaOfAll({
    // Virtio devices are taken all the same, whatever they offer: Linux has no check for it on this platform.
    ...setUpBounceBuffers(context, {
      limited: secure,
      forced: secure,
      anywhere: secure,
      ...(shared !== null && { open: (start, length) => shared.share(start, length) }),
    }),
    ...(shared !== null && { closed: shared }),
  })
  const config = new RtasConfig(plainBus, rtas, bridges)
  log('PCI: Probing PCI hardware')
  const scanned = bridges.flatMap((bridge, order) => scanTree(bridge, order, config, log))
  const iommu = new TceSubsystem(
    { bus, pages, witness, dma, profile, options, log, ram: memoryOf(tree, ram) },
    { bridges, rtas, rtasNode, calls },
  )
  context.useIommu(iommu)
  return {
    vectors,
    messages: new RtasMessages({ bus, rtas, config, bridges, interrupts, vectors }),
    pins: new TreePins(tree, bridges, interrupts, vectors),
    config,
    iommu,
    dma,
    functions: scanned.map(({ fn }) => fn),
    nodes: new Map(scanned.map(({ fn, node }) => [fn, node])),
  }
}

/** All RAM, also what is in use: a window that maps memory maps that too. */
function memoryOf(tree: DeviceTree, usable: readonly AddressRange[]): AddressRange[] {
  const stated = tree.root.children
    .filter((node) => node.string('device_type') === 'memory')
    .flatMap((node) => parseReg(node))
  return mergeRanges([
    ...usable,
    ...stated.flatMap(({ address, size }) =>
      typeof address === 'number' && typeof size === 'number' ? [{ start: address, end: address + size }] : [],
    ),
  ])
}
