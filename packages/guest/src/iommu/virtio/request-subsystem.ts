import { type DmaOps, type IommuDomain, IovaSpace } from '@dmascope/dma'
import { formatBdf } from '@dmascope/pci/spec'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import type { GroupOwnership, IommuSubsystem, MsiMessage, PciDevice, RecordedFault } from '../contract.ts'
import { type DefaultDomain, decideDefaultDomain } from '../default-domain.ts'
import { DeviceFacts } from '../device-facts.ts'
import { type DeviceRegion, SOFTWARE_MSI_REGION } from '../device-region.ts'
import { dmaOpsIn, domainTypeOf, type GroupDomain } from '../group-domain.ts'
import { ownershipOf } from '../group-ownership.ts'
import { dmaAliases, ownRequester } from '../groups/dma-alias.ts'
import { type IommuGroup, IommuGroups } from '../groups/iommu-groups.ts'
import type { IommuContext } from '../iommu-context.ts'
import type { EndpointFault, EndpointRegion, RequestIommu } from '../pci-iommu.ts'
import { plainEntry, plainMessage } from '../plain-interrupts.ts'
import type { EndpointTopology } from './endpoint-topology.ts'
import { RequestDomain } from './request-domain.ts'

const PAGE = 4096
const FAULT_TEXTS = ['a reason of its own', 'the endpoint is in no domain', 'nothing is mapped there for it'] as const

/** Reads the topology, once enumeration has found the functions. */
export type ReadTopology = (devices: readonly PciDevice[]) => EndpointTopology

/**
 * IOMMUs that are functions on PCI and take requests: virtio-iommu. Nothing is known of them before their driver has
 * come, so that a device is put into a group and a domain when a driver is about to probe it, and until then waits.
 */
export class RequestSubsystem implements IommuSubsystem {
  readonly acsRequested: boolean
  readonly interruptRemapping = false
  readonly panic = null
  readonly #context: IommuContext
  readonly #read: ReadTopology
  readonly #default: DefaultDomain
  /** By the ID of their function. */
  readonly #units = new Map<string, RequestIommu>()
  readonly #facts = new DeviceFacts()
  /** Endpoint IDs that a device goes by: what Linux keeps in its `fwspec`. */
  readonly #endpoints = new Map<PciDevice, number[]>()
  readonly #domains = new Map<IommuGroup, GroupDomain>()
  /** Groups that are a user's, and not in their default domain. */
  readonly #taken = new Map<IommuGroup, GroupDomain>()
  /** What a unit said of each device's addresses. */
  readonly #regions = new Map<PciDevice, readonly EndpointRegion[]>()
  #topology: EndpointTopology | null = null
  #devices: readonly PciDevice[] = []
  #groups: IommuGroups

  /** @param acsRequested - of ports, before PCI is enumerated: a VIOT has the kernel ask for it */
  constructor(context: IommuContext, read: ReadTopology, acsRequested = true) {
    this.acsRequested = acsRequested
    this.#context = context
    this.#read = read
    this.#default = this.#decide()
    this.#groups = new IommuGroups([], this.acsRequested)
  }

  #decide(): DefaultDomain {
    const { profile, options, strictByDefault } = this.#context
    return decideDefaultDomain(profile, options, strictByDefault)
  }

  enableInterruptRemapping(): boolean {
    return false
  }

  ioapicEntry(_ioapicId: number, _pin: number, vector: number, level: boolean): { lo: number; hi: number } {
    return plainEntry(vector, level)
  }

  attachDevices(devices: readonly PciDevice[]): void {
    this.#devices = devices
    this.#topology = this.#read(devices)
    this.#groups = new IommuGroups(devices, this.acsRequested)
  }

  /** Its driver's probe puts it into a group. */
  addDevice(device: PciDevice): void {
    this.#devices = [...this.#devices, device]
    this.#groups.add(device)
  }

  register(unit: RequestIommu): void {
    this.#units.set(unit.function.id, unit)
  }

  get iommus(): readonly GuestIommu[] {
    return (this.#topology?.iommus ?? []).map(({ function: one, cited }) => {
      const unit = this.#units.get(one.id)
      const driver: Fact = unit
        ? { fact: `its driver has it running: ${unit.inputBits} bits of address`, source: 'virtio_iommu probe' }
        : { fact: 'no driver has it running: what is behind it waits', source: 'viot_iommu_configure' }
      return {
        id: one.id,
        kind: 'virtio-iommu',
        base: null,
        exposed: true,
        enabled: unit !== undefined,
        interruptRemapping: false,
        default: unit === undefined ? 'none' : this.#default.type,
        addressWidth: unit?.inputBits ?? 0,
        why: [{ fact: 'firmware names an IOMMU there', ...cited }, driver, ...this.#default.why],
      }
    })
  }

  /** `viot_iommu_configure`, or `of_iommu_configure`, and then `iommu_probe_device`. */
  configure(device: PciDevice): 'ready' | 'deferred' {
    const topology = this.#topology
    // What was configured before, be it as the alias of a device below, is left as it is.
    if (topology === null || this.#endpoints.has(device)) return 'ready'
    for (const { device: bearer, requester } of dmaAliases(device)) {
      const match = topology.find(device.segment, requester)
      if (match === null || match.iommu === bearer) return 'ready'
      if (!this.#units.has(match.iommu.id)) return 'deferred'
      // Linux notes an alias with the bridge that it is named after.
      this.#endpoints.set(bearer, [...(this.#endpoints.get(bearer) ?? []), match.endpoint])
    }
    this.#probe(device)
    return 'ready'
  }

  #probe(device: PciDevice): void {
    const { log } = this.#context
    const unit = this.#unitOf(device)
    const [endpoint] = this.#endpoints.get(device) ?? []
    if (unit === null || endpoint === undefined) return
    const name = `0x${endpoint.toString(16)}`
    const regions = unit.probe(endpoint)
    if (typeof regions === 'string') {
      this.#leave(device, `the IOMMU does not know endpoint ${name}: ${regions}`, 'PROBE request')
      return
    }
    if (unit.pageSize > PAGE) {
      this.#leave(
        device,
        `the IOMMU's smallest page has ${unit.pageSize} bytes, the kernel's ${PAGE}`,
        'page_size_mask',
      )
      return
    }
    this.#regions.set(device, regions)
    const { group, because } = this.#groups.assign(device)
    this.#facts.add(device, { fact: `IOMMU group ${group.id}: ${because}`, source: 'pci_device_group' })
    log(`pci ${device.id}: IOMMU group ${group.id}`)
    const made = this.#domains.get(group) ?? this.#makeDomain(unit, group.devices, regions)
    if (made === null) {
      this.#facts.add(device, { fact: 'no domain ID is left', source: 'domain_range' })
      return
    }
    this.#domains.set(group, made)
    const { domain } = made
    for (const one of this.#endpoints.get(device) ?? []) {
      const refused = domain instanceof RequestDomain ? domain.attach(one) : null
      const result = refused === null ? 'attached to' : `refused by (${refused})`
      this.#facts.add(device, {
        fact: `endpoint 0x${one.toString(16)} ${result} domain ${domain instanceof RequestDomain ? domain.id : '-'}`,
        source: 'ATTACH request',
      })
      if (refused !== null) log(`pci ${device.id}: cannot be attached to its domain: ${refused}`)
    }
    this.#facts.add(device, { fact: `its domain is of type ${domain.type}`, source: 'default domain' })
  }

  /** As `viommu_get_resv_regions`: without a range for messages from the device, there is one of the kernel's. */
  get ownership(): GroupOwnership {
    const regions = (device: PciDevice): readonly DeviceRegion[] => {
      const told = (this.#regions.get(device) ?? []).map(
        ({ kind, start, end }): DeviceRegion => ({ start, end, type: kind, because: 'the IOMMU says so when probed' }),
      )
      return told.some(({ type }) => type === 'msi') ? told : [SOFTWARE_MSI_REGION, ...told]
    }
    return ownershipOf(
      { groups: this.#groups, createDomain: (group) => this.#createDomain(group), move: this.#move.bind(this) },
      { regions },
    )
  }

  #createDomain(group: IommuGroup): RequestDomain | null {
    const unit = group.devices[0] === undefined ? null : this.#unitOf(group.devices[0])
    const id = unit?.takeDomain() ?? null
    const { log } = this.#context
    return unit === null || id === null ? null : new RequestDomain(unit, { type: 'dma', id, bypass: false, log })
  }

  #move(group: IommuGroup, to: GroupDomain | null): string | null {
    const target = to ?? this.#domains.get(group)
    if (!(target?.domain instanceof RequestDomain)) return 'the group has no default domain'
    for (const device of group.devices) {
      const before = this.domain(device)
      for (const endpoint of this.#endpoints.get(device) ?? []) {
        const refused = target.domain.attach(endpoint)
        if (refused !== null) return refused
        if (before instanceof RequestDomain) before.leave()
      }
    }
    if (to === null) this.#taken.delete(group)
    else this.#taken.set(group, to)
    return null
  }

  /** The device goes on without the IOMMU: no group, and addresses that nobody translates. */
  #leave(device: PciDevice, fact: string, source: string): void {
    this.#facts.add(device, { fact: `${fact}; it is left alone`, source })
    this.#context.log(`pci ${device.id}: not added to the IOMMU: ${fact}`)
  }

  #makeDomain(
    unit: RequestIommu,
    devices: readonly PciDevice[],
    regions: readonly EndpointRegion[],
  ): GroupDomain | null {
    const { log, profile, hostBridgeWindows = [] } = this.#context
    const id = unit.takeDomain()
    if (id === null) return null
    const type = domainTypeOf(this.#context, devices, this.#default.type, this.#facts)
    const bypass = type === 'identity' && unit.bypassDomains
    const domain = new RequestDomain(unit, { type, id, bypass, log })
    if (type === 'identity') {
      if (!bypass) mapIdentity(domain, unit, regions)
      return { domain, space: null }
    }
    const reserved = [...regions.map(({ start, end }) => ({ start, end: end + 1 })), ...hostBridgeWindows]
      .map(({ start, end }) => ({ start, end: Math.min(end, domain.apertureEnd) }))
      .filter(({ start, end }) => start < end)
    if (unit.inputStart > 0) reserved.push({ start: 0, end: unit.inputStart })
    return { domain, space: new IovaSpace({ domain, reserved, order: profile.iovaOrder }) }
  }

  #unitOf(device: PciDevice): RequestIommu | null {
    const match = this.#match(device)
    return match === null ? null : (this.#units.get(match.iommu.id) ?? null)
  }

  #match(device: PciDevice): ReturnType<EndpointTopology['find']> {
    const match = this.#topology?.find(device.segment, ownRequester(device)) ?? null
    return match?.iommu === device ? null : match
  }

  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null } {
    const match = this.#match(device)
    return { covered: match !== null, by: match?.by ?? null }
  }

  group(device: PciDevice): number | null {
    return this.#groups.of(device)?.id ?? null
  }

  domainType(device: PciDevice): DomainType {
    if (this.group(device) === null) return 'none'
    return this.domain(device)?.type ?? 'blocked'
  }

  domain(device: PciDevice): IommuDomain | null {
    return this.#groupDomain(device)?.domain ?? null
  }

  #groupDomain(device: PciDevice): GroupDomain | null {
    const group = this.#groups.of(device)
    return (group && (this.#taken.get(group) ?? this.#domains.get(group))) ?? null
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    return dmaOpsIn(this.#groupDomain(device), this.#context, device, maskBits)
  }

  msiMessage(_device: PciDevice, _index: number, vector: number): MsiMessage | null {
    return this.#context.options.noMsi ? null : plainMessage(vector)
  }

  readFaults(): readonly RecordedFault[] {
    return [...this.#units.values()].flatMap((unit) => unit.takeFaults().map((fault) => this.#describe(unit, fault)))
  }

  #describe(
    { name, function: one }: RequestIommu,
    { endpoint, address, reason, access }: EndpointFault,
  ): RecordedFault {
    const bearer = this.#devices.find((device) => this.#endpoints.get(device)?.includes(endpoint))
    const source = bearer?.id ?? formatBdf(endpoint & 0xffff, one.segment)
    const place = address === null ? '' : ` at 0x${address.toString(16)}`
    const what = access === 'unknown' ? 'DMA' : `DMA ${access}`
    const why = FAULT_TEXTS[reason] ?? 'a reason that the driver does not know'
    const text = `${name} blocked a ${what} of ${source}${place}: reason ${reason}, ${why}`
    return { source, address: address ?? 0, reason, unit: name, recordedIn: 'event queue', access, text }
  }

  flushQueues(): void {
    for (const { space } of this.#domains.values()) space?.flush()
  }

  why(device: PciDevice): readonly Fact[] {
    const topology = this.#topology
    if (topology?.iommus.some(({ function: one }) => one === device)) {
      return [{ fact: 'it is the IOMMU, and does not translate its own DMA', source: topology.source }]
    }
    const match = this.#match(device)
    if (match === null) {
      return [{ fact: 'firmware puts it behind no IOMMU', source: topology?.source ?? 'firmware tables' }]
    }
    return [
      { fact: `firmware puts it behind ${match.iommu.id}: ${match.by}`, ...match.cited },
      ...this.#default.why,
      ...this.#facts.of(device),
    ]
  }
}

/** All that the IOMMU translates onto itself, but for reserved regions: for one that has no bypass domains. */
function mapIdentity(domain: RequestDomain, unit: RequestIommu, regions: readonly EndpointRegion[]): void {
  let at = unit.inputStart
  for (const { start, end } of regions) {
    const before = Math.floor(start / PAGE) * PAGE
    if (before > at) domain.map(at, at, before - at, 3)
    at = Math.max(at, Math.ceil((end + 1) / PAGE) * PAGE)
  }
  if (at < unit.inputEnd) domain.map(at, at, unit.inputEnd - at, 3)
}
