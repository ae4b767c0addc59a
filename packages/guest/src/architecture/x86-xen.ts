import { findAcpiTables } from '../early/acpi-tables.ts'
import { usablePages } from '../early/memory-map.ts'
import { type Platform, readPlatform } from '../early/platform.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { createIommuSubsystem } from '../iommu/create-subsystem.ts'
import { type IommuTables, readIommuTables } from '../iommu/iommu-tables.ts'
import { acsParameters, enumerateByParameters } from '../pci/acs-parameters.ts'
import { claimResources } from '../pci/claim-resources.ts'
import { ConfigAccess } from '../pci/config-access.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { placeVirtualBars } from '../pci/sriov-resources.ts'
import { addDeviceToXen } from '../xen/add-device.ts'
import { EventChannels } from '../xen/event-channels.ts'
import { findXen } from '../xen/find-xen.ts'
import { FrameList } from '../xen/frame-list.ts'
import { readMemoryMap } from '../xen/memory-map.ts'
import { readStartInfo, type StartInfo } from '../xen/start-info.ts'
import { KERNEL_IMAGE, XenCalls } from '../xen/xen-calls.ts'
import { setUpXenDma } from '../xen/xen-dma.ts'
import { XenMessages } from '../xen/xen-messages.ts'
import { XenPins } from '../xen/xen-pins.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

const PAGE = 4096

/**
 * The first domain of a Xen, paravirtual: what the kernel finds is in start_info, interrupts are events, and the
 * machine's memory is elsewhere than its own addresses say. ACPI and PCI are the machine's.
 */
export const startXenDomain: EarlyCode = (bus, { startInfo: at = 0 }, log) => {
  const xen = findXen(bus)
  if (xen === null) return 'started as a Xen domain, and CPUID names no Xen'
  const start = readStartInfo(bus, at)
  if (typeof start === 'string') return start
  if (!start.initial) return 'a Xen domain other than the first, which has no devices of the machine'
  log(`Xen ${xen.version}: the first domain, with ${start.pages} pages; frames at 0x${start.frameList.toString(16)}`)
  const calls = new XenCalls(bus)
  const map = readMemoryMap(bus, calls, start.pages * PAGE)
  if (typeof map === 'number') return `XENMEM_machine_memory_map answers ${map}`
  const frames = new FrameList(bus, start.frameList, start.pages)
  const tables = findAcpiTables(bus, 0, log)
  const own = [KERNEL_IMAGE, frames.range, { start: at, end: at + PAGE }]
  return {
    bus,
    commandLine: start.commandLine,
    ram: usablePages(map, [...tables.ranges, ...own]),
    bringUp: (context) =>
      bringUp(
        context,
        start,
        { calls, frames },
        readPlatform(tables, map, context.log, context.options),
        readIommuTables(tables, context.log),
      ),
  }
}

function bringUp(
  context: BringUp,
  start: StartInfo,
  { calls, frames }: { readonly calls: XenCalls; readonly frames: FrameList },
  platform: Platform,
  tables: IommuTables,
): RunningMachine {
  const { bus, pages, witness, profile, options, patience, log } = context
  const events = new EventChannels(bus, calls, start.sharedInfo)
  const vectors = new Vectors(bus, events, patience, log)
  const config = new ConfigAccess(bus, platform.ecam)
  const dma = setUpXenDma(context, calls, frames)
  const iommu = createIommuSubsystem(
    {
      bus,
      pages,
      witness,
      dma,
      profile,
      options,
      log,
      ioApicIds: [],
      firstIoApicId: null,
      config,
      hostBridgeWindows: platform.bridgeWindows,
      ram: [],
    },
    tables,
  )
  context.useIommu(iommu)
  events.enable()
  log(`PCI: base access by ${config.mechanism}`)
  const scan = (): PciFunction[] =>
    enumerateByParameters(config, platform.rootBuses, iommu.acsRequested, acsParameters(options, profile), log)
  const functions = claimResources(config, platform.windows, scan, log)
  placeVirtualBars(config, functions, platform.windows, log)
  for (const fn of functions) addDeviceToXen(calls, fn, log)
  const pins = new XenPins(calls, events, vectors, platform.pinRoutes)
  return {
    vectors,
    messages: new XenMessages({ bus, calls, config, events, vectors, off: options.noMsi }),
    pins,
    wires: pins,
    platform: platform.devices,
    config,
    iommu,
    dma,
    xen: true,
    functions,
  }
}
