import type { DeviceTree } from '@dmascope/devicetree'
import { GIC_PIDR2_OFFSET } from '@dmascope/gic/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import { readAcpiPlatform } from '../arm64/acpi-platform.ts'
import { ArmMessages } from '../arm64/arm-messages.ts'
import { ArmPins } from '../arm64/arm-pins.ts'
import type { ArmPlatform, MessageControllerPlace } from '../arm64/arm-platform.ts'
import { coherencyDma } from '../arm64/coherency-dma.ts'
import type { Gic } from '../arm64/gic.ts'
import { GicV2Driver } from '../arm64/gic-v2.ts'
import { GicV2mDriver } from '../arm64/gic-v2m.ts'
import { GicV3Driver } from '../arm64/gic-v3.ts'
import { ItsDriver } from '../arm64/its.ts'
import type { MessageController } from '../arm64/message-controller.ts'
import { readTreePlatform } from '../arm64/tree-platform.ts'
import { setUpBounceBuffers } from '../dma/bounce-buffers.ts'
import { dmaOfAll, joinDma } from '../dma/dma-platform.ts'
import { windowDma } from '../dma/window-dma.ts'
import { findAcpiTables } from '../early/acpi-tables.ts'
import { memoryNodes, readDeviceTree, reservedByTree, wholePages } from '../early/device-tree.ts'
import { type EfiTables, readEfi } from '../early/efi.ts'
import type { AddressRange } from '../early/memory-map.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { createIommuSubsystem } from '../iommu/create-subsystem.ts'
import { acsParameters } from '../pci/acs-parameters.ts'
import { ConfigAccess } from '../pci/config-access.ts'
import type { EcamHostBridge } from '../pci/ecam-host-bridge.ts'
import { withPortWindow } from '../pci/port-window.ts'
import { setUpHostBridge } from '../pci/set-up-host-bridge.ts'
import { isBefore } from '../profile/guest-profile.ts'
import { restrictedDma } from '../tree/restricted-pools.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

/** MAX_FDT_SIZE */
const LARGEST_TREE = 0x20_0000
/** What Linux keeps for its own image, from the start of RAM on. */
const KERNEL_BYTES = 0x400_0000
const PAGE = 4096
/** Where every device reaches, as far as Linux knows without being told (`arm64_dma_phys_limit`). */
const FOUR_GIB = 0x1_0000_0000

/** Linux's `dt_is_stub`: a tree that tells of more than how it was started is believed, and ACPI is not. */
const isStub = (tree: DeviceTree): boolean =>
  tree.root.children.every(({ name }) => name === 'chosen' || name === 'hypervisor')

function startByAcpi(
  bus: CpuBus,
  efi: EfiTables,
  rsdp: number,
  stub: AddressRange,
  commandLine: string,
  log: (line: string) => void,
): ReturnType<EarlyCode> {
  const tables = findAcpiTables(bus, rsdp, log)
  const platform = readAcpiPlatform(tables, log)
  if (typeof platform === 'string') return platform
  const start = efi.memory[0]?.start ?? 0
  const ram = wholePages(efi.usable, [...tables.ranges, stub, { start, end: start + KERNEL_BYTES }])
  return started(bus, platform, ram, efi.memory, commandLine)
}

/** What a bus reads where there is nothing. The processor takes an abort there, which ends the kernel. */
const NOTHING_ANSWERS = 0xffff_ffff

/** An Arm machine: a device tree or ACPI, a GIC, and PCI that the kernel sets up itself. */
export const startArm64: EarlyCode = (bus, { deviceTree }, log) => {
  if (deviceTree === undefined) return 'x0 points to no device tree'
  const tree = readDeviceTree(bus, deviceTree, LARGEST_TREE)
  if (typeof tree === 'string') return tree
  const efi = readEfi(bus, tree)
  if (typeof efi === 'string') return efi
  const commandLine = tree.find('/chosen')?.string('bootargs') ?? ''
  if (efi !== null && efi.rsdp !== null && isStub(tree)) {
    return startByAcpi(bus, efi, efi.rsdp, { start: deviceTree, end: deviceTree + PAGE }, commandLine, log)
  }
  log(`Machine model: ${tree.root.string('model') ?? 'unknown'}`)
  const memory = memoryNodes(tree)
  const platform = readTreePlatform(tree, log)
  if (typeof platform === 'string') return platform
  const start = memory[0]?.start ?? 0
  const ram = wholePages(memory, [...reservedByTree(tree, deviceTree), { start, end: start + KERNEL_BYTES }])
  return started(bus, platform, ram, memory, commandLine)
}

function started(
  bus: CpuBus,
  platform: ArmPlatform,
  ram: readonly AddressRange[],
  memory: readonly AddressRange[],
  commandLine: string,
): ReturnType<EarlyCode> {
  const withPorts = platform.hostBridges.filter(({ portBase }) => portBase !== null)
  const [first] = withPorts
  const size = Math.max(0, ...withPorts.map(({ windows }) => windows.ports))
  return {
    bus: withPortWindow(bus, first === undefined ? null : { cpu: first.portBase!, size }),
    commandLine,
    ram,
    bringUp: (context) => bringUp(context, platform, memory),
  }
}

function bringUp(context: BringUp, platform: ArmPlatform, memory: readonly AddressRange[]): RunningMachine | string {
  const { bus, pages, witness, profile, options, patience, log } = context
  const gic = startGic(context, platform)
  if (typeof gic === 'string') return gic
  const absent = platform.messageControllers.find(
    ({ kind, base }) => kind === 'its' && bus.read32(base + GIC_PIDR2_OFFSET) === NOTHING_ANSWERS,
  )
  if (absent !== undefined) {
    return `synchronous external abort: firmware names an ITS at 0x${absent.base.toString(16)}, where nothing answers`
  }
  const controllers = startMessageControllers(context, platform, gic)
  const vectors = new Vectors(bus, gic, patience, log)
  const top = memory.reduce((most, { end }) => Math.max(most, end), 0)
  const below = profile.busWindows ? dmaLimit(platform, isBefore(profile, '6.12')) : FOUR_GIB
  const dma = joinDma(
    dmaOfAll(setUpBounceBuffers(context, { limited: top > below, forced: false, below })),
    ...(profile.busWindows ? [windowDma(platform)] : []),
    coherencyDma(platform, bus, profile),
    restrictedDma(platform, bus, profile.configuration.restrictedPools, log),
  )
  const iommu = createIommuSubsystem(
    {
      bus,
      pages,
      witness,
      dma,
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
  const pins = new ArmPins(platform, gic, vectors)
  const acs = acsParameters(options, profile)
  return {
    vectors,
    messages: new ArmMessages(platform, controllers, vectors, iommu, options.noMsi),
    pins,
    wires: pins,
    platform: platform.devices,
    config,
    iommu,
    dma,
    functions: platform.hostBridges.flatMap((bridge) => setUpHostBridge(config, bridge, iommu.acsRequested, acs, log)),
  }
}

/**
 * The end of Linux's ZONE_DMA, `arm64_dma_phys_limit`, and so of its bounce buffers: what all devices reach, which
 * kernels before 6.12 know to the next power of two alone.
 */
const dmaLimit = ({ dmaReach = FOUR_GIB }: ArmPlatform, rounded: boolean): number =>
  Math.min(rounded ? 2 ** Math.ceil(Math.log2(dmaReach)) : dmaReach, FOUR_GIB)

const windowsOf = ({ memory, memory64 }: EcamHostBridge['windows']): AddressRange[] =>
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
