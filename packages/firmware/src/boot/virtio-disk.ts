import type { CpuBus } from '@dmascope/memory/contracts'
import {
  featureBits,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_VERSION_1,
  VIRTIO_ID_BLOCK,
  VIRTIO_PCI_MODERN_DEVICE_ID_BASE,
  VIRTIO_PCI_TRANSITIONAL_DEVICE_ID,
  VIRTIO_PCI_VENDOR_ID,
  VIRTIO_STATUS_ACKNOWLEDGE,
  VIRTIO_STATUS_DRIVER,
  VIRTIO_STATUS_DRIVER_OK,
  VIRTIO_STATUS_FAILED,
  VIRTIO_STATUS_FEATURES_OK,
} from '@dmascope/virtio-pci/spec'
import { BufferList, type DriverQueue, SplitDriverQueue, splitRingLayout } from '@dmascope/virtqueue/driver'
import type { Zone } from '../memory/zone.ts'
import type { PciConfig } from '../pci/config-access.ts'
import type { FoundFunction } from '../pci/functions.ts'
import { openVirtio, type VirtioTransport } from './virtio-transport.ts'

/** A virtio disk that firmware has taken into use, and whose ring it leaves live. */
export interface FirmwareDisk {
  readonly function: FoundFunction
  readonly interface: 'modern' | 'legacy'
  /** Guest-physical: descriptor table, available ring, used ring. */
  readonly ring: { readonly desc: number; readonly driver: number; readonly device: number; readonly bytes: number }
  readonly queueSize: number
  /** Reads sector 0 to an address. */
  readSector(address: number): 'read' | 'failed' | 'no-answer'
}

/** VIRTIO_BLK_F_SIZE_MAX, SEG_MAX and BLK_SIZE (virtio 1.3 §5.2.3). */
const BLK_FEATURES = [1, 2, 6]
const WANTED = featureBits(...BLK_FEATURES, VIRTIO_F_VERSION_1, VIRTIO_F_ACCESS_PLATFORM)
const QUEUE_LIMIT = 256
const PAGE = 4096
/** The request: 16 bytes of header, and the status byte behind. Real-mode memory, as SeaBIOS's stack is. */
const HEADER = 0x6f00
const STATUS = 0x6f10
const SECTOR = 512
const VIRTIO_BLK_T_IN = 0
const NOT_WRITTEN = 0xff
/** Rounds of letting the machine run; a disk that answers does so in the first few. */
const PATIENCE = 10_000

export const isVirtioDisk = ({ vendorId, deviceId }: FoundFunction): boolean =>
  vendorId === VIRTIO_PCI_VENDOR_ID &&
  (deviceId === VIRTIO_PCI_MODERN_DEVICE_ID_BASE + VIRTIO_ID_BLOCK ||
    deviceId === VIRTIO_PCI_TRANSITIONAL_DEVICE_ID[VIRTIO_ID_BLOCK])

/**
 * Takes a virtio disk into use as SeaBIOS does: one queue, polled, with physical addresses whatever was negotiated:
 * firmware knows no IOMMU. It is not reset afterwards; the kernel does that when its driver starts.
 *
 * @returns the disk, or why it could not be used
 */
export function openVirtioDisk(bus: CpuBus, config: PciConfig, one: FoundFunction, high: Zone): FirmwareDisk | string {
  const transport = openVirtio(bus, config, one.id)
  if (transport === null) return 'no interface that can be reached'
  transport.setStatus(0)
  let status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER
  transport.setStatus(status)
  const fail = (reason: string): string => {
    transport.setStatus(status | VIRTIO_STATUS_FAILED)
    return reason
  }
  const offered = transport.features()
  const lo = (offered.lo & WANTED.lo) >>> 0
  const hi = (offered.hi & WANTED.hi) >>> 0
  transport.setFeatures(lo, hi)
  if (transport.kind === 'modern') {
    status |= VIRTIO_STATUS_FEATURES_OK
    transport.setStatus(status)
    if ((transport.status() & VIRTIO_STATUS_FEATURES_OK) === 0) return fail('it does not agree to the features')
  }
  const size = transport.queueSize(0)
  const queueSize = transport.kind === 'modern' ? Math.min(size, QUEUE_LIMIT) : size
  if (queueSize === 0 || queueSize > QUEUE_LIMIT || (queueSize & (queueSize - 1)) !== 0) {
    return fail(`a queue of ${size} entries`)
  }
  const layout = splitRingLayout(queueSize)
  const bytes = Math.ceil(layout.bytes / PAGE) * PAGE
  const base = high.allocate(bytes, PAGE)
  if (base < 0) return fail('no memory for the queue')
  if (bus.clear !== undefined) bus.clear(base, bytes)
  else bus.writeBytes(base, new Uint8Array(bytes))
  const ring = { desc: base, driver: base + layout.driver, device: base + layout.device }
  if (!transport.setQueue(0, queueSize, ring)) return fail('the queue cannot be set up')
  const queue = new SplitDriverQueue(bus, { size: queueSize, ...ring }, { eventIndex: false, indirect: false })
  transport.setStatus(status | VIRTIO_STATUS_DRIVER_OK)
  return {
    function: one,
    interface: transport.kind,
    ring: { desc: ring.desc, driver: ring.driver, device: ring.device, bytes },
    queueSize,
    readSector: (address) => readSector(bus, transport, queue, address),
  }
}

function readSector(
  bus: CpuBus,
  transport: VirtioTransport,
  queue: DriverQueue,
  address: number,
): ReturnType<FirmwareDisk['readSector']> {
  const header = new Uint8Array(16)
  new DataView(header.buffer).setUint32(0, VIRTIO_BLK_T_IN, true)
  bus.writeBytes(HEADER, header)
  bus.write8(STATUS, NOT_WRITTEN)
  const buffers = new BufferList(3)
    .readable(0, HEADER, header.length)
    .writable(0, address, SECTOR)
    .writable(0, STATUS, 1)
  queue.add(buffers, 0)
  queue.disableInterrupts()
  if (queue.publish()) transport.notify(0)
  let done = queue.reap()
  for (let round = 0; !done && queue.broken === null && round < PATIENCE; round++) {
    // Interrupts are masked: to ask for one is to let the machine run.
    bus.nextInterrupt()
    done = queue.reap()
    if (!done && bus.idle()) break
  }
  transport.isr()
  if (!done) return 'no-answer'
  return bus.read8(STATUS) === 0 ? 'read' : 'failed'
}
