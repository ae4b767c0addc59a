import type { DeviceTree } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { setUpBounceBuffers } from '../dma/bounce-buffers.ts'
import { dmaOfAll, joinDma } from '../dma/dma-platform.ts'
import { setUpAtmu } from '../e500/atmu.ts'
import { type FslBridge, findFslBridge } from '../e500/fsl-bridge.ts'
import { FslMessages, findMessageBlock } from '../e500/fsl-messages.ts'
import { IndirectConfig } from '../e500/indirect-config.ts'
import { fslWindowDma } from '../e500/window-dma.ts'
import { memoryNodes, reservedByTree, wholePages } from '../early/device-tree.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { NoIommu } from '../iommu/no-iommu.ts'
import { bigEndian } from '../openpic/byte-order.ts'
import { findOpenPic } from '../openpic/find-open-pic.ts'
import { MapPins } from '../openpic/map-pins.ts'
import { OpenPicDriver } from '../openpic/open-pic.ts'
import { assignResources } from '../pci/assign-resources.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { enumerate } from '../pci/enumerate.ts'
import { numberBuses } from '../pci/number-buses.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { withPortWindow } from '../pci/port-window.ts'
import { isBefore } from '../profile/guest-profile.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

const FOUR_GIB = 0x1_0000_0000
/** Linux has as many sources, whatever the controller says. */
const SOURCES = 256
const PROCESSOR_CLASS = 0x0b20

/** What early code found out before it knew the machine. */
interface FoundTree {
  readonly bus: CpuBus
  readonly tree: DeviceTree
  readonly treeAt: number
  /** What the kernel keeps for its own image, from address 0 on. */
  readonly kernelBytes: number
  /** Where the memory ends that the kernel itself uses. */
  readonly lowMemory: number
}

/** The kernel of a machine with a Freescale processor. */
export function startE500(
  { bus, tree, treeAt, kernelBytes, lowMemory }: FoundTree,
  log: (line: string) => void,
): ReturnType<EarlyCode> {
  log(`Hardware name: ${tree.root.string('model') ?? 'unknown'}`)
  const bridge = findFslBridge(tree, log)
  if (bridge === null) return 'no PCI controller in the device tree'
  const memory = memoryNodes(tree)
  const memoryEnd = memory.reduce((most, { end }) => Math.max(most, end), 0)
  const usable = wholePages(memory, [...reservedByTree(tree, treeAt), { start: 0, end: kernelBytes }])
  const { ports } = bridge
  const ported = withPortWindow(bus, ports === null ? null : { cpu: ports.cpu, size: ports.size })
  return {
    bus: ported,
    commandLine: tree.find('/chosen')?.string('bootargs') ?? '',
    ram: usable.flatMap(({ start, end }) => (start < lowMemory ? [{ start, end: Math.min(end, lowMemory) }] : [])),
    bringUp: (context) => bringUp(context, tree, bridge, memoryEnd),
  }
}

function bringUp(context: BringUp, tree: DeviceTree, bridge: FslBridge, memoryEnd: number): RunningMachine | string {
  const { bus, pages, witness, profile, options, patience, log } = context
  const words = bigEndian(bus)
  const place = findOpenPic(tree)
  if (place === null) return 'no interrupt controller in the device tree'
  const pic = new OpenPicDriver(words, { base: place.base, sources: SOURCES }, log)
  const vectors = new Vectors(bus, pic, patience, log)
  const config = new IndirectConfig(bus, words, bridge.registers)
  log(
    `Found FSL PCI host bridge at 0x${bridge.registers.toString(16).padStart(16, '0')}. Firmware bus number: ${bridge.firstBus}->${bridge.lastBus}`,
  )
  const inbound = setUpAtmu({ bridge, words, config, memoryEnd, log })
  if (typeof inbound === 'string') return inbound
  const { windowSize, ccsrBar } = inbound
  // From 5.18 on, bounce buffers are decided on before the windows are known: by memory above 4 GiB alone.
  const limited = memoryEnd > FOUR_GIB || (windowSize < memoryEnd && isBefore(profile, '6.1'))
  const dma = joinDma(
    dmaOfAll(setUpBounceBuffers(context, { limited, forced: false, below: windowSize })),
    fslWindowDma(inbound, bridge.path),
  )
  const iommu = new NoIommu({ bus, pages, witness, dma, profile, options, log })
  context.useIommu(iommu)
  return {
    vectors,
    messages: new FslMessages(
      { words, pic, vectors, ccsrBar, off: options.noMsi },
      findMessageBlock(tree, bridge.node),
    ),
    pins: new MapPins(tree, ({ segment }) => (segment === 0 ? bridge.node : null), pic, vectors),
    config,
    iommu,
    dma,
    functions: setUpPci(config, bridge, log),
  }
}

/** Buses get their numbers anew, and BARs their addresses. BARs are where the processor finds them. */
function setUpPci(config: ConfigAccess, bridge: FslBridge, log: (line: string) => void): PciFunction[] {
  const { firstBus, lastBus, memory, ports } = bridge
  numberBuses(config, 0, firstBus, lastBus, log)
  const scan = (): PciFunction[] =>
    enumerate(config, [{ segment: 0, bus: firstBus }], false, log).map((fn) =>
      isHostSide(fn) ? { ...fn, bars: [] } : fn,
    )
  const windows = { ports: ports?.size ?? 0, memory: { base: memory.bus, size: memory.size }, memory64: null }
  assignResources(config, scan(), windows, log)
  const moved = new Map<PciFunction | null, PciFunction>()
  return scan().map((fn) => {
    const bars = fn.bars.flatMap((bar) => {
      if (bar.kind === 'io') return [bar]
      const inside = bar.base >= memory.bus && bar.base + bar.size <= memory.bus + memory.size
      return inside ? [{ ...bar, base: bar.base - memory.bus + memory.cpu }] : []
    })
    const one = { ...fn, bars, parent: moved.get(fn.parent) ?? null }
    moved.set(fn, one)
    return one
  })
}

/** The controller’s own function: its BAR is set with its windows, and nobody else’s (`fixup_hide_host_resource_fsl`). */
const isHostSide = ({ classCode, parent, headerType }: PciFunction): boolean =>
  parent === null && classCode >>> 8 === PROCESSOR_CLASS && (headerType & 0x7f) === 0
