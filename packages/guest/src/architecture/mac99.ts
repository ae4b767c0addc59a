import type { DeviceTree } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { PLAIN_DMA } from '../dma/dma-platform.ts'
import { memoryNodes, reservedByTree, wholePages } from '../early/device-tree.ts'
import type { AddressRange } from '../early/memory-map.ts'
import type { MessageDomain } from '../interrupts/message-domain.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { DartSubsystem } from '../iommu/dart/dart-subsystem.ts'
import { findDart } from '../iommu/dart/find-dart.ts'
import { NoIommu } from '../iommu/no-iommu.ts'
import { findU3Bridge, type U3Bridge } from '../mac99/u3-bridge.ts'
import { U3Config } from '../mac99/u3-config.ts'
import { bigEndian, littleEndian } from '../openpic/byte-order.ts'
import { findOpenPic } from '../openpic/find-open-pic.ts'
import { MapPins } from '../openpic/map-pins.ts'
import { OpenPicDriver } from '../openpic/open-pic.ts'
import { assignResources } from '../pci/assign-resources.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { enumerate } from '../pci/enumerate.ts'
import { numberBuses } from '../pci/number-buses.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { withPortWindow } from '../pci/port-window.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

const MIB = 0x10_0000
const LAST_BUS = 0xff

/** What early code found out before it knew the machine. */
interface FoundTree {
  readonly bus: CpuBus
  readonly tree: DeviceTree
  readonly treeAt: number
  /** What the kernel keeps for its own image, from address 0 on. */
  readonly kernelBytes: number
}

/** The kernel of a PowerMac G5. */
export function startMac99({ bus, tree, treeAt, kernelBytes }: FoundTree): ReturnType<EarlyCode> {
  const bridge = findU3Bridge(tree)
  if (bridge === null) return 'no PCI host bridge in the device tree'
  const memory = memoryNodes(tree)
  const { ports } = bridge
  return {
    bus: withPortWindow(bus, ports === null ? null : { cpu: ports.cpu, size: ports.size }),
    commandLine: tree.find('/chosen')?.string('bootargs') ?? '',
    ram: wholePages(memory, [...reservedByTree(tree, treeAt), { start: 0, end: kernelBytes }]),
    bringUp: (context) => bringUp(context, tree, bridge, memory),
  }
}

function bringUp(
  context: BringUp,
  tree: DeviceTree,
  bridge: U3Bridge,
  memory: readonly AddressRange[],
): RunningMachine | string {
  const { bus, pages, witness, profile, options, patience, log } = context
  const place = findOpenPic(tree)
  if (place === null) return 'no interrupt controller in the device tree'
  const pic = new OpenPicDriver(place.bigEndian ? bigEndian(bus) : littleEndian(bus), { base: place.base }, log)
  const vectors = new Vectors(bus, pic, patience, log)
  const config = new U3Config(bus)
  log(`Found U3-AGP PCI host bridge. Firmware bus number: ${(bridge.node.cells('bus-range')[0] ?? 0).toString()}`)
  const dart = findDart(tree)
  const inContext = { bus, pages, witness, dma: PLAIN_DMA, profile, options, log, ram: memory }
  const iommu = dart === null ? new NoIommu(inContext) : new DartSubsystem(inContext, dart)
  context.useIommu(iommu)
  return {
    vectors,
    messages: NO_MESSAGES,
    pins: new MapPins(tree, ({ segment }) => (segment === 0 ? bridge.node : null), pic, vectors),
    config,
    iommu,
    functions: setUpPci(config, bridge, log),
  }
}

const NO_MESSAGES: MessageDomain = {
  allocate: () => 'the machine takes no messages',
  release() {},
}

/** Functions that firmware placed stay where they are; the others get what is behind these. */
function setUpPci(config: ConfigAccess, { memory, ports }: U3Bridge, log: (line: string) => void): PciFunction[] {
  numberBuses(config, 0, 0, LAST_BUS, log)
  const scan = (): PciFunction[] => enumerate(config, [{ segment: 0, bus: 0 }], false, log)
  const placed = scan().filter(({ bars }) => bars.some(({ kind, base }) => kind === 'memory' && base !== 0))
  const ends = placed.flatMap(({ bars }) => bars.map(({ kind, base, size }) => (kind === 'memory' ? base + size : 0)))
  const base = Math.ceil(Math.max(memory.bus, ...ends) / MIB) * MIB
  const isPlaced = ({ id }: PciFunction): boolean => placed.some((one) => one.id === id)
  const rest = scan().map((fn) => (isPlaced(fn) ? { ...fn, bars: [] } : fn))
  const windows = {
    ports: ports?.size ?? 0,
    memory: { base, size: memory.bus + memory.size - base },
    memory64: null,
  }
  assignResources(config, rest, windows, log)
  return scan()
}
