import { type DmaPlatform, joinDma } from '../dma/dma-platform.ts'
import { windowDma } from '../dma/window-dma.ts'
import { memoryNodes, readDeviceTree, reservedByTree, wholePages } from '../early/device-tree.ts'
import type { AddressRange } from '../early/memory-map.ts'
import type { MessageDomain } from '../interrupts/message-domain.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { createIommuSubsystem } from '../iommu/create-subsystem.ts'
import { L2Interrupts } from '../mips/l2-interrupts.ts'
import { L2Pins } from '../mips/l2-pins.ts'
import { maintainedCaches } from '../mips/maintained-caches.ts'
import { identifyProcessor, type Processor } from '../mips/processor.ts'
import { type MipsPlatform, readMipsPlatform } from '../mips/tree-platform.ts'
import { ubusWindows } from '../mips/ubus-windows.ts'
import { acsParameters } from '../pci/acs-parameters.ts'
import { ConfigAccess } from '../pci/config-access.ts'
import { withPortWindow } from '../pci/port-window.ts'
import { setUpHostBridge } from '../pci/set-up-host-bridge.ts'
import { isBefore } from '../profile/guest-profile.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

/** What Linux keeps for its own image, from the start of RAM on. */
const KERNEL_BYTES = 0x80_0000
/** DEVIATION: Linux takes a tree of any size. */
const LARGEST_TREE = 0x20_0000
/** Memory that the kernel has in KSEG0: it needs no page tables to reach it. What is above is for users. */
const KSEG0_END = 0x2000_0000

const NO_MESSAGES: MessageDomain = {
  allocate: () => 'nothing on this machine takes messages',
  release: () => {},
}

/** A generic BMIPS kernel: a device tree, second-level interrupt controllers, and PCI that the kernel sets up itself. */
export const startMips: EarlyCode = (bus, { deviceTree }, log) => {
  if (deviceTree === undefined) return 'no dtb found'
  const processor = identifyProcessor(bus)
  if (typeof processor === 'string') return processor
  log(`CPU0 revision is: Broadcom ${processor.name}`)
  const tree = readDeviceTree(bus, deviceTree, LARGEST_TREE)
  if (typeof tree === 'string') return tree
  log(`MIPS: machine is ${tree.root.string('model') ?? 'unknown'}`)
  const memory = memoryNodes(tree)
  const platform = readMipsPlatform(tree, log)
  if (typeof platform === 'string') return platform
  const start = memory[0]?.start ?? 0
  const reserved = [...reservedByTree(tree, deviceTree), { start, end: start + KERNEL_BYTES }]
  const lowest = memory.flatMap((one) => (one.start < KSEG0_END ? [{ ...one, end: Math.min(one.end, KSEG0_END) }] : []))
  const withPorts = platform.hostBridges.flatMap(({ bridge }) => (bridge.portBase === null ? [] : [bridge]))
  const [first] = withPorts
  const size = Math.max(0, ...withPorts.map(({ windows }) => windows.ports))
  return {
    bus: withPortWindow(bus, first === undefined ? null : { cpu: first.portBase!, size }),
    commandLine: tree.find('/chosen')?.string('bootargs') ?? '',
    ram: wholePages(lowest, reserved),
    bringUp: (context) => bringUp(context, platform, processor, memory),
  }
}

function bringUp(
  context: BringUp,
  platform: MipsPlatform,
  processor: Processor,
  memory: readonly AddressRange[],
): RunningMachine {
  const { bus, pages, witness, profile, options, patience, log } = context
  const { tree, controllers, hostBridges } = platform
  const bridges = hostBridges.map(({ bridge }) => bridge)
  const interrupts = new L2Interrupts(bus, [...controllers.values()])
  const vectors = new Vectors(bus, interrupts, patience, log)
  const dma = joinDma(windowsOf(context, platform), maintainedCaches(processor, bus, profile))
  const iommu = createIommuSubsystem(
    { bus, pages, witness, dma, profile, options, log, ram: memory, strictByDefault: false },
    {},
  )
  context.useIommu(iommu)
  const config = new ConfigAccess(
    bus,
    bridges.map(({ ecam }) => ecam),
    false,
  )
  const acs = acsParameters(options, profile)
  const nodes = new Map(hostBridges.map(({ node, bridge }) => [bridge.ecam.segment, node]))
  const pins = new L2Pins({ tree, bridges: nodes, controllers }, interrupts, vectors)
  return {
    vectors,
    messages: NO_MESSAGES,
    pins,
    wires: pins,
    platform: platform.devices,
    config,
    iommu,
    dma,
    functions: bridges.flatMap((bridge) => setUpHostBridge(config, bridge, iommu.acsRequested, acs, log)),
  }
}

/** Each bus's own windows, or, before 5.18, one table for all. */
function windowsOf({ profile, log }: BringUp, { tree, hostBridges, devices }: MipsPlatform): DmaPlatform {
  if (!profile.busWindows) return { partsOf: () => ({}) }
  if (!isBefore(profile, '6.1')) {
    return windowDma({ hostBridges: hostBridges.map(({ bridge }) => bridge), devices })
  }
  const found = ubusWindows(tree, log)
  if (found === null) return { partsOf: () => ({}) }
  const { view, fact } = found
  return { partsOf: () => ({ view }), why: () => [fact], windowsBy: () => fact.source }
}
