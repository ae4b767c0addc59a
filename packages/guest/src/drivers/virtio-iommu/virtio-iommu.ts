import { VIRTIO_ID_IOMMU, VIRTIO_IOMMU_FEATURES, virtio_iommu_config } from '@dmascope/iommu/virtio-iommu/spec'
import { VIRTIO_F_VERSION_1 } from '@dmascope/virtio-pci/spec'
import type { EndpointFault, EndpointRegion, RequestIommu } from '../../iommu/pci-iommu.ts'
import type { PciFunction } from '../../pci/pci-function.ts'
import { findQueues } from '../../virtio/find-queues.ts'
import { ready } from '../../virtio/negotiate.ts'
import type { VirtioDevice } from '../../virtio/virtio-device.ts'
import type { VirtioDriver } from '../../virtio/virtio-driver.ts'
import { type BoundDriver, notAttempted } from '../driver.ts'
import { EventQueue } from './event-queue.ts'
import { readProperties } from './properties.ts'
import { RequestQueue } from './request-queue.ts'
import { attachRequest, mapRequest, probeRequest, unmapRequest } from './requests.ts'

const F = VIRTIO_IOMMU_FEATURES.fields
const bit = (name: keyof typeof F): number => F[name].low
const CONFIG = virtio_iommu_config.fields
/** Above this no Number counts bytes exactly. */
const LIMIT = 2 ** 52

export const VIRTIO_IOMMU: VirtioDriver = {
  name: 'virtio_iommu',
  type: VIRTIO_ID_IOMMU,
  kernelOnly: true,
  // F_BYPASS is not among them: whoever is in no domain is blocked, or passes as the device's configuration says.
  features: [
    bit('VIRTIO_IOMMU_F_MAP_UNMAP'),
    bit('VIRTIO_IOMMU_F_INPUT_RANGE'),
    bit('VIRTIO_IOMMU_F_DOMAIN_RANGE'),
    bit('VIRTIO_IOMMU_F_PROBE'),
    bit('VIRTIO_IOMMU_F_MMIO'),
    bit('VIRTIO_IOMMU_F_BYPASS_CONFIG'),
  ],
  probe,
}

/** In the order of Linux's `viommu_probe`. */
function probe(device: VirtioDevice): BoundDriver | string {
  const { fn } = device.site
  if (fn === null) return 'a virtio-iommu that is no function on PCI is not modelled'
  if (!device.has(VIRTIO_F_VERSION_1) || !device.has(bit('VIRTIO_IOMMU_F_MAP_UNMAP'))) {
    return 'it offers neither requests to map nor what comes after them (VIRTIO_IOMMU_F_MAP_UNMAP)'
  }
  const queues = findQueues(device, [
    { name: 'request', interrupts: false },
    { name: 'event', interrupts: true },
  ])
  if (typeof queues === 'string') return queues
  const config = readConfig(device)
  if (typeof config === 'string') return config
  ready(device)
  const events = new EventQueue(device, queues[1]!)
  const refused = events.fill()
  if (refused !== null) return refused
  const requests = new RequestQueue(device, queues[0]!)
  queues[0]!.ring.disableInterrupts()
  device.log(`IOMMU: ${config.inputBits} bits of address, pages of ${config.pageSize} bytes`)
  device.kernel.iommu.register(new VirtioIommu(device, fn, config, requests, events))
  return { ioKind: 'none', selfTest: () => notAttempted('an IOMMU: other devices’ DMA tests it') }
}

interface Config {
  readonly pageSize: number
  readonly inputStart: number
  readonly inputEnd: number
  readonly inputBits: number
  readonly firstDomain: number
  readonly lastDomain: number
  readonly probeBytes: number
}

function readConfig(device: VirtioDevice): Config | string {
  const word = (offset: number): number => device.transport.readConfig(offset, 4)
  const mask = { lo: word(CONFIG.page_size_mask.lo.offset), hi: word(CONFIG.page_size_mask.hi.offset) }
  if (mask.lo === 0 && mask.hi === 0) return 'a page_size_mask of 0'
  const pageSize = mask.lo !== 0 ? (mask.lo & -mask.lo) >>> 0 : ((mask.hi & -mask.hi) >>> 0) * 0x1_0000_0000
  const quad = (field: {
    readonly lo: { readonly offset: number }
    readonly hi: { readonly offset: number }
  }): number => word(field.hi.offset) * 0x1_0000_0000 + word(field.lo.offset)
  const { start, end } = CONFIG.input_range.fields
  const hasInput = device.has(bit('VIRTIO_IOMMU_F_INPUT_RANGE'))
  // Inexact above 2^53, where it does not matter.
  const last = hasInput ? quad(end) : 2 ** 64
  const domains = CONFIG.domain_range.fields
  const hasDomains = device.has(bit('VIRTIO_IOMMU_F_DOMAIN_RANGE'))
  return {
    pageSize,
    inputStart: hasInput ? Math.min(quad(start), LIMIT) : 0,
    inputEnd: Math.min(last + 1, LIMIT),
    inputBits: Math.min(Math.ceil(Math.log2(last + 1)), 64),
    firstDomain: hasDomains ? word(domains.start.offset) : 0,
    lastDomain: hasDomains ? word(domains.end.offset) : 0xffff_ffff,
    probeBytes: device.has(bit('VIRTIO_IOMMU_F_PROBE')) ? word(CONFIG.probe_size.offset) : 0,
  }
}

/** The running device, to the kernel's IOMMU code. */
class VirtioIommu implements RequestIommu {
  readonly function: RequestIommu['function']
  readonly name: string
  readonly pageSize: number
  readonly inputStart: number
  readonly inputEnd: number
  readonly inputBits: number
  readonly bypassDomains: boolean
  readonly #device: VirtioDevice
  readonly #requests: RequestQueue
  readonly #events: EventQueue
  readonly #probeBytes: number
  #nextDomain: number
  readonly #lastDomain: number

  constructor(device: VirtioDevice, fn: PciFunction, config: Config, requests: RequestQueue, events: EventQueue) {
    this.function = fn
    this.name = fn.id
    this.pageSize = config.pageSize
    this.inputStart = config.inputStart
    this.inputEnd = config.inputEnd
    this.inputBits = config.inputBits
    this.bypassDomains = device.has(bit('VIRTIO_IOMMU_F_BYPASS_CONFIG'))
    this.#device = device
    this.#requests = requests
    this.#events = events
    this.#probeBytes = config.probeBytes
    this.#nextDomain = config.firstDomain
    this.#lastDomain = config.lastDomain
  }

  takeDomain(): number | null {
    return this.#nextDomain <= this.#lastDomain ? this.#nextDomain++ : null
  }

  probe(endpoint: number): readonly EndpointRegion[] | string {
    if (this.#probeBytes === 0) return []
    const properties = this.#requests.probe(probeRequest(endpoint), this.#probeBytes)
    if (typeof properties === 'string') return properties
    return readProperties(properties, (line) => this.#device.log(`endpoint 0x${endpoint.toString(16)}: ${line}`))
  }

  attach(domain: number, endpoint: number, bypass: boolean): string | null {
    return this.#requests.send(attachRequest(domain, endpoint, bypass))
  }

  map(
    domain: number,
    start: number,
    physical: number,
    length: number,
    access: 1 | 2 | 3,
    waits: boolean,
  ): string | null {
    const request = mapRequest(domain, start, physical, length, access)
    return waits ? this.#requests.send(request) : this.#requests.add(request)
  }

  unmap(domain: number, start: number, length: number): void {
    this.#requests.add(unmapRequest(domain, start, length))
  }

  sync(): void {
    this.#requests.sync()
  }

  takeFaults(): readonly EndpointFault[] {
    return this.#events.takeFaults()
  }
}
