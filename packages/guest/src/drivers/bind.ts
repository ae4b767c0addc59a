import { DMA_PROBE_DEVICE_ID, DMA_PROBE_VENDOR_ID } from '@dmascope/virtio-devices/spec'
import type { DeviceNotes } from '../device-notes.ts'
import type { DeviceRecord } from '../device-record.ts'
import type { Kernel } from '../kernel.ts'
import type { PlatformRecord } from '../platform/platform-record.ts'
import type { DriverEntry } from '../profile/driver-entry.ts'
import { matchesPci, matchesPlatform } from '../profile/driver-entry.ts'
import { bindVirtioDriver } from '../virtio/negotiate.ts'
import { probeVirtioCcw } from '../virtio/virtio-ccw.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import type { VirtioDriver } from '../virtio/virtio-driver.ts'
import { probeVirtioMmio } from '../virtio/virtio-mmio.ts'
import { probeVirtioPci } from '../virtio/virtio-pci.ts'
import { probeBusMaster } from './bus-master-test.ts'
import { probeDmaProbe } from './dma-probe.ts'
import { type BoundDriver, notAttempted } from './driver.ts'
import { isExpressPort, probePort } from './pcieport.ts'
import { testUnclaimed } from './unclaimed.ts'
import { VIRTIO_BALLOON } from './virtio-balloon.ts'
import { VIRTIO_BLK } from './virtio-blk.ts'
import { VIRTIO_CONSOLE } from './virtio-console.ts'
import { VIRTIO_IOMMU } from './virtio-iommu/virtio-iommu.ts'
import { VIRTIO_NET } from './virtio-net.ts'
import { VIRTIO_RNG } from './virtio-rng.ts'

const VIRTIO_DRIVERS: readonly VirtioDriver[] = [
  VIRTIO_IOMMU,
  VIRTIO_BLK,
  VIRTIO_NET,
  VIRTIO_RNG,
  VIRTIO_CONSOLE,
  VIRTIO_BALLOON,
]

/** A device that a driver took, ready for its test. */
export interface Bound {
  readonly record: DeviceNotes
  readonly driver: BoundDriver
  /** Set for virtio devices. */
  readonly virtio: VirtioDevice | null
}

/** Probes one device after another. Where a probe never ends it stays there, and never comes to what follows. */
interface ProbingThread {
  stuckIn: { readonly driver: string; readonly device: string } | null
}

/**
 * Binds drivers to devices, driver by driver in the profile's order, each to its devices in enumeration order. A virtio
 * device is probed as soon as it is found and a driver for it is there. A probe that must wait for the device's IOMMU is
 * tried again whenever a driver has come, once that driver has been through its devices. Each driver is loaded by a
 * thread of its own; one more does all that was put off. What is left over is tested where it can be.
 *
 * @param platform - devices on no bus, in the order in which firmware tells of them
 * @param arrivals - called once all drivers are there; adds to `records` what comes then, and has it probed
 * @returns what was bound, in enumeration order, what is on no bus last
 */
export function bindDrivers(
  kernel: Kernel,
  records: readonly DeviceRecord[],
  platform: readonly PlatformRecord[] = [],
  arrivals: (arrive: (record: DeviceRecord) => void) => void = () => {},
): readonly Bound[] {
  const bound = new Map<DeviceNotes, Bound>()
  const virtioDevices: VirtioDevice[] = []
  const deferred = new Set<DeviceRecord>()
  const loaded: DriverEntry[] = []
  const later: ProbingThread = { stuckIn: null }
  const offerVirtio = (entry: DriverEntry, device: VirtioDevice, thread: ProbingThread): void => {
    const { record, transport } = device
    if (!entry.virtio.includes(transport.type) || bound.has(record) || record.refusal !== null) return
    if (thread.stuckIn !== null) {
      hold(record, entry, thread.stuckIn)
      return
    }
    const taken = probeVirtio(device, entry)
    if (taken === null) return
    record.heldBy = null
    bound.set(record, { record, driver: taken, virtio: device })
    if (taken.stuck === undefined) return
    record.why(`the probe never ends: ${taken.stuck}`, `${entry.name} probe`)
    thread.stuckIn = { driver: entry.name, device: record.id }
  }
  const offer = (entry: DriverEntry, record: DeviceRecord, thread: ProbingThread): void => {
    if (record.driver !== null || !entry.pci.some((match) => matchesPci(match, record.fn))) return
    if (thread.stuckIn !== null) {
      hold(record, entry, thread.stuckIn)
      return
    }
    if (kernel.iommu.configure(record.fn) === 'deferred') {
      if (!deferred.has(record)) record.why('its IOMMU has no driver yet: the probe waits', `${entry.name} probe`)
      record.io = { ...record.io, detail: 'its probe waits for the driver of its IOMMU' }
      record.deferred = true
      deferred.add(record)
      return
    }
    record.deferred = false
    record.heldBy = null
    deferred.delete(record)
    const before = virtioDevices.length
    const taken = probePci(kernel, record, entry, virtioDevices)
    if (taken !== null) bound.set(record, { record, driver: taken, virtio: null })
    for (const device of virtioDevices.slice(before)) for (const one of loaded) offerVirtio(one, device, thread)
  }
  const offerPlatform = (entry: DriverEntry, record: PlatformRecord, thread: ProbingThread): void => {
    if (record.driver !== null || !matchesPlatform(entry, record.device)) return
    if (thread.stuckIn !== null) {
      hold(record, entry, thread.stuckIn)
      return
    }
    const device = probePlatform(kernel, record, entry, virtioDevices.length)
    if (device === null) return
    virtioDevices.push(device)
    for (const one of loaded) offerVirtio(one, device, thread)
  }
  for (const entry of kernel.profile.drivers) {
    const thread: ProbingThread = { stuckIn: null }
    loaded.push(entry)
    for (const record of records) if (!deferred.has(record)) offer(entry, record, thread)
    for (const record of platform) offerPlatform(entry, record, thread)
    for (const device of virtioDevices) offerVirtio(entry, device, thread)
    for (const record of [...deferred]) for (const one of loaded) offer(one, record, later)
  }
  arrivals((record) => {
    const thread: ProbingThread = { stuckIn: null }
    for (const entry of loaded) offer(entry, record, thread)
  })
  for (const record of records) {
    if (record.driver !== null || record.refusal !== null || record.heldBy !== null || deferred.has(record)) continue
    const tested = testUnclaimed(kernel, record)
    if (tested !== null) bound.set(record, { record, driver: tested, virtio: null })
  }
  return [...records, ...platform].map((record) => bound.get(record)).filter((one) => one !== undefined)
}

/** Notes that a thread never comes to this device. */
function hold(record: DeviceNotes, entry: DriverEntry, stuckIn: NonNullable<ProbingThread['stuckIn']>): void {
  const reason = `the probe of ${stuckIn.device} by ${stuckIn.driver} never ends, and this one would come after it`
  if (record.heldBy === null) record.why(`${entry.name} matches and never probes it: ${reason}`, `${entry.name} load`)
  record.heldBy = stuckIn.device
  record.deferred = false
  record.io = { ...record.io, detail: `never probed: ${reason}` }
}

/** The virtio device behind a transport that is on no bus; null where there is none, or none that can be driven. */
function probePlatform(kernel: Kernel, record: PlatformRecord, entry: DriverEntry, index: number): VirtioDevice | null {
  kernel.witness.phase(record.owner, 'probe')
  const { iommu } = kernel
  const unattached = record.configure({ configurePlatform: (device) => iommu.configurePlatform?.(device) ?? null })
  const { channel } = record.device
  const found =
    channel === undefined ? probeVirtioMmio(kernel, record, index) : probeVirtioCcw(kernel, record, channel, index)
  if (found === null) return null
  record.driver = entry.name
  record.why(`bound by ${entry.name}`, `${entry.name} match table`)
  if (unattached !== null) return decline(kernel, record, entry.name, unattached)
  if (typeof found === 'string') return decline(kernel, record, entry.name, found)
  record.io = { ...record.io, detail: `no driver for virtio device type ${found.transport.type}` }
  return found
}

/** Null where the driver declined, or has only found what lies behind the function. */
function probePci(
  kernel: Kernel,
  record: DeviceRecord,
  entry: DriverEntry,
  virtioDevices: VirtioDevice[],
): BoundDriver | null {
  const { fn } = record
  if (entry.declines !== undefined) {
    record.why(`${entry.name} matches and declines: ${entry.declines}`, `${entry.name} probe`)
    return null
  }
  if (entry.kind === 'virtio-transport' && (fn.deviceId < FIRST_VIRTIO_ID || fn.deviceId > LAST_VIRTIO_ID)) {
    record.why(
      `${entry.name} matches every device of the vendor and leaves this one: its ID is none of virtio's`,
      `${entry.name} probe`,
    )
    return null
  }
  if (entry.kind === 'port' && !isExpressPort(record)) {
    record.why(
      `${entry.name} matches every PCI bridge and leaves this one: it is no PCI Express port`,
      `${entry.name} probe`,
    )
    return null
  }
  kernel.witness.phase(fn.id, 'probe')
  record.driver = entry.name
  record.pciDriver = entry.name
  record.why(`bound by ${entry.name}`, `${entry.name} match table`)
  if (entry.dmaMaskBits !== null) kernel.iommu.setDmaMask?.(fn, entry.dmaMaskBits)
  if (entry.kind === 'virtio-transport') {
    const found = probeVirtioPci(kernel, record, virtioDevices.length)
    if (typeof found === 'string') {
      record.pciDriver = null
      return decline(kernel, record, entry.name, found)
    }
    virtioDevices.push(found)
    record.io = { ...record.io, detail: `no driver for virtio device type ${found.transport.type}` }
    return null
  }
  const taken =
    entry.kind === 'port'
      ? probePort(kernel, record)
      : entry.kind === 'synthetic'
        ? probeSynthetic(kernel, record, entry.dmaMaskBits ?? 32)
        : entry.kind === 'none'
          ? WITHOUT_DMA
          : `drivers of the kind ${entry.kind} are not modelled`
  if (typeof taken !== 'string') return taken
  record.pciDriver = null
  return decline(kernel, record, entry.name, taken)
}

/** A driver whose devices master no memory. */
const WITHOUT_DMA: BoundDriver = { ioKind: 'none', selfTest: () => notAttempted('it has no DMA to test') }

/** PCI device IDs of virtio, transitional and modern (virtio 1.3 §4.1.2). */
const FIRST_VIRTIO_ID = 0x1000
const LAST_VIRTIO_ID = 0x107f

const isDmaProbe = ({ fn }: DeviceRecord): boolean =>
  fn.vendorId === DMA_PROBE_VENDOR_ID && fn.deviceId === DMA_PROBE_DEVICE_ID

/** What stands in for the drivers of devices that are modelled by their DMA alone. */
export const probeSynthetic = (kernel: Kernel, record: DeviceRecord, maskBits: number): BoundDriver | string =>
  isDmaProbe(record) ? probeDmaProbe(kernel, record) : probeBusMaster(kernel, record, maskBits)

export const virtioDriverOf = (type: number): VirtioDriver | undefined =>
  VIRTIO_DRIVERS.find((driver) => driver.type === type)

function probeVirtio(device: VirtioDevice, entry: DriverEntry): BoundDriver | null {
  const { kernel, record } = device
  const driver = virtioDriverOf(device.transport.type)
  if (driver === undefined) return decline(kernel, record, entry.name, 'the driver is not modelled')
  kernel.witness.phase(record.owner, 'probe')
  const taken = bindVirtioDriver(device, driver)
  record.driver = entry.name
  return typeof taken === 'string' ? decline(kernel, record, entry.name, taken) : taken
}

function decline(kernel: Kernel, record: DeviceNotes, driver: string, reason: string): null {
  record.driver = null
  record.refusal = reason
  record.io = { ...record.io, detail: `not attempted: ${reason}` }
  record.why(`${driver} gives up: ${reason}`, `${driver} probe`)
  kernel.log(`${driver} ${record.id}: probe failed: ${reason}`)
  return null
}

/** Tests one device, and notes how it went. */
export function testDevice(kernel: Kernel, { record, driver, virtio }: Bound): void {
  const { id, owner, interrupt } = record
  kernel.witness.phase(owner, 'self-test')
  const outcome = driver.ioKind === 'none' ? notAttempted(driver.selfTest().detail) : driver.selfTest()
  virtio?.noteStatus()
  // A mapping may have been bounced that another of the same device was not.
  if (virtio?.dma) record.dmaPath = virtio.dma.kind
  interrupt.lost += outcome.lost
  const { attempted, ok, wrongData, hung, detail, unmapped } = outcome
  record.io = { kind: driver.ioKind, attempted, ok, wrongData, hung, detail, ...(unmapped && { unmapped }) }
  if (driver.ioKind !== 'none') kernel.log(`${id}: I/O self-test: ${verdict(record)}: ${detail}`)
}

const verdict = ({ io }: DeviceNotes): string =>
  !io.attempted ? 'not attempted' : io.ok ? 'ok' : io.hung ? 'hung' : io.wrongData ? 'wrong data' : 'failed'
