import { setUpPcDma } from '../dma/x86-dma.ts'
import { findAcpiTables } from '../early/acpi-tables.ts'
import { readBootParams } from '../early/boot-params.ts'
import type { AddressRange } from '../early/memory-map.ts'
import { usablePages } from '../early/memory-map.ts'
import { findMpTable } from '../early/mp-table.ts'
import { type Platform, readPlatform } from '../early/platform.ts'
import { findTboot, launchedDmar } from '../early/tboot.ts'
import { ApicMessages } from '../interrupts/apic-messages.ts'
import { IoApic } from '../interrupts/io-apic.ts'
import { LegacyInterrupts } from '../interrupts/legacy-interrupts.ts'
import { LocalApic } from '../interrupts/local-apic.ts'
import { NoApicPins } from '../interrupts/no-apic-pins.ts'
import { Vectors } from '../interrupts/vectors.ts'
import { createIommuSubsystem } from '../iommu/create-subsystem.ts'
import { type IommuTables, readIommuTables } from '../iommu/iommu-tables.ts'
import { acsParameters, enumerateByParameters } from '../pci/acs-parameters.ts'
import { claimResources } from '../pci/claim-resources.ts'
import { ConfigAccess } from '../pci/config-access.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { placeVirtualBars } from '../pci/sriov-resources.ts'
import { untrustedBelow } from '../pci/untrusted.ts'
import { commandLineDevices } from '../platform/command-line-devices.ts'
import type { BringUp, EarlyCode, RunningMachine } from './architecture.ts'

/** A PC: the boot protocol's zero page, ACPI, APICs, and PCI as firmware set it up, or left it. */
export const startX86: EarlyCode = (bus, _entry, log) => {
  const boot = readBootParams(bus)
  if (boot === null) return 'no boot parameters at 0x90000'
  const tables = findAcpiTables(bus, boot.rsdp, log)
  const ram = usablePages(boot.memoryMap, tables.ranges)
  return {
    bus,
    commandLine: boot.commandLine,
    ram,
    bringUp: (context) => {
      const { log: say } = context
      const named = readIommuTables(tables, say)
      const iommus = findTboot(bus, boot, say) ? { launchedDmar: launchedDmar(bus, say), ...named } : named
      return bringUp(context, readPlatform(tables, boot.memoryMap, say, context.options), iommus, ram)
    },
  }
}

function bringUp(
  context: BringUp,
  platform: Platform,
  tables: IommuTables,
  ram: readonly AddressRange[],
): RunningMachine {
  const { bus, pages, witness, profile, options, patience, log } = context
  // Linux goes by the older table where ACPI tells of no interrupt controllers.
  const mp = platform.ioApics.length === 0 ? findMpTable(bus, log) : null
  const controllers = mp ?? platform
  const apic = new LocalApic(bus, controllers.localApic)
  const vectors = new Vectors(bus, apic, patience, log)
  const faultVector = vectors.allocate('edge')
  const config = new ConfigAccess(bus, platform.ecam)
  const { dma, restrictedMemory } = setUpPcDma(context, ram)
  const iommu = createIommuSubsystem(
    {
      bus,
      pages,
      witness,
      dma,
      profile,
      options,
      log,
      ioApicIds: controllers.ioApics.map(({ id }) => id),
      firstIoApicId: controllers.ioApics.find(({ gsiBase }) => gsiBase === 0)?.id ?? null,
      config,
      hostBridgeWindows: platform.bridgeWindows,
      ram,
      ...(platform.externalPorts.size > 0 && { isUntrusted: untrustedBelow(platform.externalPorts) }),
      ...(faultVector && { faultVector: faultVector.number }),
    },
    tables,
  )
  context.useIommu(iommu)
  faultVector?.handlers.push(() => context.readFaults())
  apic.enable()
  const ioApics = controllers.ioApics.map(({ id, address, gsiBase }) => new IoApic(bus, id, address, gsiBase))
  for (const one of ioApics) one.maskAll()
  // Linux's enable_IR_x2apic does without where it does without I/O APICs.
  if (options.noApic) log('interrupt remapping is not enabled, since I/O APICs are not used (noapic)')
  else iommu.enableInterruptRemapping()

  log(`PCI: base access by ${config.mechanism}`)
  const scan = (): PciFunction[] =>
    enumerateByParameters(config, platform.rootBuses, iommu.acsRequested, acsParameters(options, profile), log)
  const functions = claimResources(config, platform.windows, scan, log)
  placeVirtualBars(config, functions, platform.windows, log)
  const wired = options.noApic ? null : new LegacyInterrupts(vectors, ioApics, platform.pinRoutes, iommu)
  return {
    vectors,
    messages: new ApicMessages(vectors, iommu),
    pins: wired ?? new NoApicPins(),
    platform: [
      ...platform.devices,
      ...(profile.configuration.virtioMmioCommandLine ? commandLineDevices(options, mp?.isaInputs ?? null, log) : []),
    ],
    config,
    iommu,
    dma,
    restrictedMemory,
    functions,
    ...(wired !== null && { wires: wired }),
  }
}
