import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import type { EntryRegisters } from './architecture/architecture.ts'
import type { Architecture } from './architecture/architecture-name.ts'
import { EARLY_CODE } from './architecture/early-code.ts'
import { assignDevices } from './assign/assign-devices.ts'
import { TrackedInterrupts } from './assign/tracked-interrupts.ts'
import type { Mutable } from './device-notes.ts'
import { DeviceRecord } from './device-record.ts'
import { PLAIN_DMA } from './dma/dma-platform.ts'
import { bindDrivers, testDevice } from './drivers/bind.ts'
import { enableVirtualFunctions } from './drivers/sriov-numvfs.ts'
import { KernelPages } from './early/page-allocator.ts'
import type { IommuSubsystem } from './iommu/contract.ts'
import type { Kernel } from './kernel.ts'
import { PlatformRecord } from './platform/platform-record.ts'
import { NO_WIRES } from './platform/wire-interrupts.ts'
import type { GuestProfile } from './profile/guest-profile.ts'
import { parseKernelCommandLine } from './profile/kernel-command-line.ts'
import { parseGuest } from './profile/parse-guest.ts'
import type { GuestResult, SriovOutcome } from './result.ts'

export interface BootOptions {
  /** Which kernel: a profile, or its text, e.g. `linux-6.12,iova=bottom-up`. */
  readonly profile: GuestProfile | string
  /** Is told which memory each device has been given. Tells the guest nothing. */
  readonly witness: DmaWitness
  /** What the kernel was built for: `x86_64` unless given. */
  readonly architecture?: Architecture
  /** What the boot loader left in registers for the kernel. */
  readonly entry?: EntryRegisters
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

  log(`Linux ${profile.kernel}, profile ${profile.text}`)
  const early = EARLY_CODE[options.architecture ?? 'x86_64'](bus, options.entry ?? {}, log)
  if (typeof early === 'string') return halted(profile, timeline, early)
  log(`Command line: ${early.commandLine}`)
  const commandLine = parseKernelCommandLine(early.commandLine, options.architecture)
  for (const word of commandLine.unknown) log(`unknown on the command line: ${word}`)
  const bytes = early.ram.reduce((sum, { start, end }) => sum + end - start, 0)
  log(`Memory: ${Math.floor(bytes / 1024)} KiB`)
  if (bytes === 0) return halted(profile, timeline, 'no usable memory in the memory map')
  const pages = new KernelPages(early.bus, early.ram)
  const faults = new FaultLog(log)
  const machine = early.bringUp({
    bus: early.bus,
    pages,
    witness: options.witness,
    profile,
    options: commandLine,
    patience,
    readFaults: () => faults.read(),
    useIommu: (iommu) => faults.readFrom(iommu),
    log,
  })
  if (typeof machine === 'string') return halted(profile, timeline, machine)
  const { vectors, messages, pins, config, iommu, functions } = machine
  for (const fn of functions) {
    log(`pci ${fn.id}: [${hex4(fn.vendorId)}:${hex4(fn.deviceId)}] class 0x${hex(fn.classCode, 6)}`)
  }
  iommu.attachDevices(functions)
  if (iommu.panic !== null) {
    log(`panic: ${iommu.panic}`)
    return { ...halted(profile, timeline, iommu.panic), iommus: iommu.iommus }
  }

  const interrupts = new TrackedInterrupts(messages, pins)
  const kernel: Kernel = {
    bus: early.bus,
    options: commandLine,
    architecture: options.architecture ?? 'x86_64',
    dma: machine.dma ?? PLAIN_DMA,
    restrictedMemory: profile.restrictedMemory || machine.restrictedMemory === true,
    xen: machine.xen === true,
    nodeOf: (fn) => machine.nodes?.get(fn) ?? null,
    profile,
    config,
    pages,
    witness: options.witness,
    iommu,
    vectors,
    messages: interrupts.messages,
    pins: interrupts.pins,
    wires: machine.wires ?? NO_WIRES,
    interrupts,
    selfTestBytes,
    log,
  }
  const records = functions.map((fn) => new DeviceRecord(fn))
  faults.attribute(records)
  const platform = (machine.platform ?? []).map((device) => new PlatformRecord(device))
  const virtualFunctions: SriovOutcome[] = []
  const bound = bindDrivers(kernel, records, platform, (arrive) => {
    virtualFunctions.push(...enableVirtualFunctions(kernel, records, arrive))
  })
  faults.read()
  for (const one of bound) {
    testDevice(kernel, one)
    faults.read()
    iommu.flushQueues()
  }
  // What is told of devices is how the kernel had them, before any was a user's.
  const devices = [
    ...records.map((record) => record.toResult(iommu, kernel.dma)),
    ...platform.flatMap((record) => record.toResult() ?? []),
  ]
  const assignments = assignDevices(kernel, records, bound, () => {
    faults.read()
    iommu.flushQueues()
  })
  if (vectors.spurious > 0) log(`interrupt: ${vectors.spurious} without a handler in all`)
  const result: Mutable<GuestResult> = { profile: profile.text, booted: true, iommus: iommu.iommus, devices, timeline }
  if (assignments.length > 0) result.assignments = assignments
  if (virtualFunctions.length > 0) result.virtualFunctions = virtualFunctions
  return result
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
const hex4 = (value: number): string => hex(value, 4)

/** What IOMMUs recorded, for the log and for the devices that it is about. */
class FaultLog {
  #iommu: IommuSubsystem | null = null
  readonly #log: (line: string) => void
  #records: readonly DeviceRecord[] = []

  constructor(log: (line: string) => void) {
    this.#log = log
  }

  readFrom(iommu: IommuSubsystem): void {
    this.#iommu = iommu
  }

  attribute(records: readonly DeviceRecord[]): void {
    this.#records = records
  }

  /** Answers whether there was any. */
  read(): boolean {
    const faults = this.#iommu?.readFaults() ?? []
    for (const { source, unit, recordedIn, text } of faults) {
      this.#log(`${unit}: ${text}`)
      this.#records.find(({ fn }) => fn.id === source)?.why(text, `${unit}, ${recordedIn}`)
    }
    return faults.length > 0
  }
}
