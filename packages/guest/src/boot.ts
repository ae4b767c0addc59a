import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import { DeviceRecord } from './device-record.ts'
import { bindDrivers, testDevice } from './drivers/bind.ts'
import { findAcpiTables } from './early/acpi-tables.ts'
import { readBootParams } from './early/boot-params.ts'
import { usablePages } from './early/memory-map.ts'
import { KernelPages } from './early/page-allocator.ts'
import { readPlatform } from './early/platform.ts'
import { IoApic } from './interrupts/io-apic.ts'
import { LegacyInterrupts } from './interrupts/legacy-interrupts.ts'
import { LocalApic } from './interrupts/local-apic.ts'
import { Vectors } from './interrupts/vectors.ts'
import type { IommuSubsystem } from './iommu/contract.ts'
import { createIommuSubsystem } from './iommu/create-subsystem.ts'
import { readIommuTables } from './iommu/iommu-tables.ts'
import type { Kernel } from './kernel.ts'
import { ConfigAccess } from './pci/config-access.ts'
import { enumerate } from './pci/enumerate.ts'
import type { GuestProfile } from './profile/guest-profile.ts'
import { parseKernelCommandLine } from './profile/kernel-command-line.ts'
import { parseGuest } from './profile/parse-guest.ts'
import type { GuestResult } from './result.ts'

export interface BootOptions {
  /** Which kernel: a profile, or its text, e.g. `linux-6.12,iova=bottom-up`. */
  readonly profile: GuestProfile | string
  /** Is told which memory each device has been given. Tells the guest nothing. */
  readonly witness: DmaWitness
  /** Bytes that each I/O self-test moves, where its device can: 16 KiB unless given. */
  readonly selfTestBytes?: number
  /** Interrupts, or fruitless polls of a bus that is not idle, that one wait lets pass: 20,000 unless given. */
  readonly patience?: number
  /** Called with each line of the timeline as it comes. */
  readonly onEvent?: (line: string) => void
}

const SELF_TEST_BYTES = 16 * 1024
const MOST_SELF_TEST_BYTES = 64 * 1024 * 1024
const PATIENCE = 20_000

/** What boot has come to when it stops early. */
const halted = (profile: GuestProfile, timeline: readonly string[], why: string): GuestResult => ({
  profile: profile.text,
  booted: false,
  halted: why,
  iommus: [],
  devices: [],
  timeline,
})

function count(value: number, most: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value
  throw new RangeError(`${name} is an integer from 1 to ${most}, got ${value}`)
}

/**
 * Boots the kernel on a machine that it knows nothing of but this bus: finds memory, tables and devices, sets up the
 * IOMMU, binds drivers, and has every device move data. Synchronous, and bounded whatever the machine does; all that
 * the machine does wrong is in the result.
 *
 * @throws DmascopeError `GUEST_*` where the profile's text names no kernel
 * @throws RangeError where `selfTestBytes` or `patience` is no sensible number
 */
export function bootGuest(bus: CpuBus, options: BootOptions): GuestResult {
  const profile = typeof options.profile === 'string' ? parseGuest(options.profile) : options.profile
  const selfTestBytes = count(options.selfTestBytes ?? SELF_TEST_BYTES, MOST_SELF_TEST_BYTES, 'selfTestBytes')
  const patience = count(options.patience ?? PATIENCE, Number.MAX_SAFE_INTEGER, 'patience')
  const timeline: string[] = []
  const log = (line: string): void => {
    timeline.push(line)
    options.onEvent?.(line)
  }

  const boot = readBootParams(bus)
  if (boot === null) return halted(profile, timeline, 'no boot parameters at 0x90000')
  log(`Linux ${profile.kernel}, profile ${profile.text}`)
  log(`Command line: ${boot.commandLine}`)
  const commandLine = parseKernelCommandLine(boot.commandLine)
  for (const word of commandLine.unknown) log(`unknown on the command line: ${word}`)
  const tables = findAcpiTables(bus, boot.rsdp, log)
  const ram = usablePages(boot.memoryMap, tables.ranges)
  const bytes = ram.reduce((sum, { start, end }) => sum + end - start, 0)
  log(`Memory: ${Math.floor(bytes / 1024)} KiB above 1 MiB`)
  if (bytes === 0) return halted(profile, timeline, 'no usable memory above 1 MiB in the memory map')
  const pages = new KernelPages(bus, ram)
  const platform = readPlatform(tables, boot.memoryMap, log)

  const apic = new LocalApic(bus, platform.localApic)
  const vectors = new Vectors(bus, apic, patience, log)
  const faultVector = vectors.allocate('edge')
  const context = {
    bus,
    pages,
    witness: options.witness,
    profile,
    options: commandLine,
    log,
    ioApicIds: platform.ioApics.map(({ id }) => id),
    hostBridgeWindows: platform.bridgeWindows,
    ram,
    ...(faultVector && { faultVector: faultVector.number }),
  }
  const iommu = createIommuSubsystem(context, readIommuTables(tables, log))
  const faults = new FaultLog(iommu, log)
  faultVector?.handlers.push(() => faults.read())
  apic.enable()
  const ioApics = platform.ioApics.map(({ id, address, gsiBase }) => new IoApic(bus, id, address, gsiBase))
  for (const one of ioApics) one.maskAll()
  iommu.enableInterruptRemapping()

  const config = new ConfigAccess(bus, platform.ecam)
  log(`PCI: base access by ${config.mechanism}`)
  const functions = enumerate(config, platform.rootBuses, iommu.acsRequested, log)
  for (const fn of functions) {
    log(
      `pci ${fn.id}: [${hex4(fn.vendorId)}:${hex4(fn.deviceId)}] class 0x${fn.classCode.toString(16).padStart(6, '0')}`,
    )
  }
  iommu.attachDevices(functions)
  if (iommu.panic !== null) {
    log(`panic: ${iommu.panic}`)
    return { ...halted(profile, timeline, iommu.panic), iommus: iommu.iommus }
  }

  const kernel: Kernel = {
    bus,
    profile,
    config,
    pages,
    witness: options.witness,
    iommu,
    vectors,
    legacyInterrupts: new LegacyInterrupts(vectors, ioApics, platform.pinRoutes, iommu),
    selfTestBytes,
    log,
  }
  const records = functions.map((fn) => new DeviceRecord(fn))
  faults.attribute(records)
  const bound = bindDrivers(kernel, records)
  faults.read()
  for (const one of bound) {
    testDevice(kernel, one)
    faults.read()
    iommu.flushQueues()
  }
  if (vectors.spurious > 0) log(`interrupt: ${vectors.spurious} without a handler in all`)
  return {
    profile: profile.text,
    booted: true,
    iommus: iommu.iommus,
    devices: records.map((record) => record.toResult(iommu)),
    timeline,
  }
}

const hex4 = (value: number): string => value.toString(16).padStart(4, '0')

/** What IOMMUs recorded, for the log and for the devices that it is about. */
class FaultLog {
  readonly #iommu: IommuSubsystem
  readonly #log: (line: string) => void
  #records: readonly DeviceRecord[] = []

  constructor(iommu: IommuSubsystem, log: (line: string) => void) {
    this.#iommu = iommu
    this.#log = log
  }

  attribute(records: readonly DeviceRecord[]): void {
    this.#records = records
  }

  /** Answers whether there was any. */
  read(): boolean {
    const faults = this.#iommu.readFaults()
    for (const { source, unit, recordedIn, text } of faults) {
      this.#log(`${unit}: ${text}`)
      this.#records.find(({ fn }) => fn.id === source)?.why(text, `${unit}, ${recordedIn}`)
    }
    return faults.length > 0
  }
}
