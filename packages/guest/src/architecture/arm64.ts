import { ArmMessages } from '../arm64/arm-messages.ts'
import { ArmPins } from '../arm64/arm-pins.ts'
import type { ArmHostBridge, ArmPlatform, MessageControllerPlace } from '../arm64/arm-platform.ts'
import type { Gic } from '../arm64/gic.ts'
import { GicV2Driver } from '../arm64/gic-v2.ts'
import { GicV2mDriver } from '../arm64/gic-v2m.ts'
import { GicV3Driver } from '../arm64/gic-v3.ts'
import { ItsDriver } from '../arm64/its.ts'
import type { MessageController } from '../arm64/message-controller.ts'
import { readTreePlatform } from '../arm64/tree-platform.ts'
import { memoryNodes, readDeviceTree, reservedByTree, wholePages } from '../early/device-tree.ts'
import type { AddressRange } from '../early/memory-map.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { createIommuSubsystem } from '../iommu/create-subsystem.ts'
import { assignResources } from '../pci/assign-resources.ts'
import { ConfigAccess } from '../pci/config-access.ts'
import { enumerate } from '../pci/enumerate.ts'
import { numberBuses } from '../pci/number-buses.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { withPortWindow } from '../pci/port-window.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

/** What Linux keeps for its own image, from the start of RAM on. */
const KERNEL_BYTES = 0x400_0000

/** An Arm machine: a device tree, a GIC, and PCI that the kernel sets up itself. */
export const startArm64: EarlyCode = (bus, { deviceTree }, log) => {
  if (deviceTree === undefined) return 'x0 points to no device tree'
  const tree = readDeviceTree(bus, deviceTree)
  if (typeof tree === 'string') return tree
  log(`Machine model: ${tree.root.string('model') ?? 'unknown'}`)
  const memory = memoryNodes(tree)
  const platform = readTreePlatform(tree, log)
  if (typeof platform === 'string') return platform
  const start = memory[0]?.start ?? 0
  const ram = wholePages(memory, [...reservedByTree(tree, deviceTree), { start, end: start + KERNEL_BYTES }])
  const ports = platform.hostBridges.find(({ portBase }) => portBase !== null)
  const window = ports === undefined ? null : { cpu: ports.portBase!, size: ports.windows.ports }
  return {
    bus: withPortWindow(bus, window),
    commandLine: tree.find('/chosen')?.string('bootargs') ?? '',
    ram,
    bringUp: (context) => bringUp(context, platform, memory),
  }
}

function bringUp(context: BringUp, platform: ArmPlatform, memory: readonly AddressRange[]): RunningMachine | string {
  const { bus, pages, witness, profile, options, patience, log } = context
  const gic = startGic(context, platform)
  if (typeof gic === 'string') return gic
  const controllers = startMessageControllers(context, platform, gic)
  const vectors = new Vectors(bus, gic, patience, log)
  const iommu = createIommuSubsystem(
    {
      bus,
      pages,
      witness,
      profile,
      options,
      log,
      ram: memory,
      strictByDefault: profile.configuration.iommuDefaultStrictArm64,
      hostBridgeWindows: platform.hostBridges.flatMap(({ windows }) => windowsOf(windows)),
    },
    platform.iommu,
  )
  context.useIommu(iommu)
  for (const { intid, trigger } of platform.faultInterrupts) {
    vectors.claim(intid, trigger)?.handlers.push(() => context.readFaults())
    gic.enable(intid, trigger)
  }

  const config = new ConfigAccess(
    bus,
    platform.hostBridges.map(({ ecam }) => ecam),
    false,
  )
  return {
    vectors,
    messages: new ArmMessages(platform, controllers, vectors, iommu, options.noMsi),
    pins: new ArmPins(platform, gic, vectors),
    config,
    iommu,
    functions: platform.hostBridges.flatMap((bridge) => setUpPci(config, bridge, iommu.acsRequested, log)),
  }
}

const windowsOf = ({ memory, memory64 }: ArmHostBridge['windows']): AddressRange[] =>
  [memory, memory64].flatMap((one) => (one === null ? [] : [{ start: one.base, end: one.base + one.size }]))

function startGic({ bus, log }: BringUp, { gic }: ArmPlatform): Gic | string {
  if (gic.version === 3) return GicV3Driver.start(bus, gic, log)
  return new GicV2Driver(bus, gic.distributor, gic.cpuInterface, log)
}

/** One that does not come up is told of, and gone without. */
function startMessageControllers(
  { bus, pages, log }: BringUp,
  { messageControllers }: ArmPlatform,
  gic: Gic,
): ReadonlyMap<MessageControllerPlace, MessageController> {
  const started = new Map<MessageControllerPlace, MessageController>()
  for (const place of messageControllers) {
    if (place.kind === 'gicv2m') {
      started.set(place, new GicV2mDriver(bus, place.base, gic, log, place.spis ?? null))
    } else if (gic instanceof GicV3Driver) {
      const its = ItsDriver.start(bus, pages, place.base, gic, log)
      if (typeof its === 'string') log(its)
      else started.set(place, its)
    }
  }
  return started
}

/** Numbers buses where it must, and gives everything below a host bridge its addresses. */
function setUpPci(
  config: ConfigAccess,
  { ecam, rootBus, windows, renumber, name }: ArmHostBridge,
  enableAcs: boolean,
  log: (line: string) => void,
): PciFunction[] {
  log(
    `PCI: host bridge ${name} to bus ${ecam.segment.toString(16).padStart(4, '0')}:${rootBus.toString(16).padStart(2, '0')}`,
  )
  if (renumber) numberBuses(config, ecam.segment, rootBus, ecam.endBus, log)
  const scan = (): PciFunction[] => enumerate(config, [rootBus], enableAcs, log)
  assignResources(config, scan(), windows, log)
  return scan()
}
