import { toHex } from '@dmascope/acpi'
import { type IommuDomain, IovaSpace } from '@dmascope/dma'
import { CONTEXT_DESCRIPTOR } from '@dmascope/iommu/smmuv3/spec'
import { isBefore } from '../../profile/guest-profile.ts'
import type { NamedDevice, PciDevice } from '../contract.ts'
import type { DefaultDomain } from '../default-domain.ts'
import { DeviceFacts } from '../device-facts.ts'
import { type GroupDomain, PASS_THROUGH_DOMAIN } from '../group-domain.ts'
import { dmaAliases } from '../groups/dma-alias.ts'
import { type IommuGroup, IommuGroups } from '../groups/iommu-groups.ts'
import type { IommuContext } from '../iommu-context.ts'
import { invalidateDescriptor } from './command-queue.ts'
import { type DescribedContext, writeDescriptorFirst, writeDescriptorRest } from './context-descriptor.ts'
import { LongDescriptorTable } from './long-descriptor-table.ts'
import type { SmmuDevice } from './smmu-device.ts'
import { SmmuDomain } from './smmu-domain.ts'
import type { SmmuTables, StreamPlace } from './smmu-tables.ts'
import { BYPASS_ENTRY, entryBytes, type StreamEntry, stageOneEntry } from './stream-table.ts'

const PAGE = 4096

/** A device with streams of its own. */
interface Master {
  readonly smmu: SmmuDevice
  readonly streams: readonly number[]
}

/**
 * Functions behind SMMUv3s: their streams, groups and domains, made when a driver is about to probe them. A function
 * whose stream is another's already gets neither group nor domain (`arm_smmu_insert_master`).
 */
export class SmmuMasters {
  readonly groups: IommuGroups
  readonly facts = new DeviceFacts()
  readonly #context: IommuContext
  readonly #tables: SmmuTables
  readonly #devices: ReadonlyMap<string, SmmuDevice>
  readonly #default: DefaultDomain
  readonly #seen = new Set<PciDevice>()
  /** Whose each stream is, by SMMU. */
  readonly #owners = new Map<SmmuDevice, Map<number, NamedDevice>>()
  readonly #domains = new Map<IommuGroup, GroupDomain>()
  /** Groups that are a user's, and not in their default domain. */
  readonly #taken = new Map<IommuGroup, GroupDomain>()
  readonly #masters = new Map<PciDevice, Master>()
  readonly #contexts = new Map<IommuDomain, DescribedContext>()
  /** Where each domain's devices reach a doorbell, by its page. */
  readonly #doorbells = new Map<GroupDomain, Map<number, number>>()
  #nextAsid = 1

  /** @param devices - SMMUs that work, by the name of their source */
  constructor(
    context: IommuContext,
    tables: SmmuTables,
    devices: ReadonlyMap<string, SmmuDevice>,
    functions: readonly PciDevice[],
    defaultDomain: DefaultDomain,
  ) {
    this.#context = context
    this.#tables = tables
    this.#devices = devices
    this.#default = defaultDomain
    this.groups = new IommuGroups(functions, tables.acsRequested)
  }

  /** A driver is about to probe the function. What was decided the first time holds. */
  configure(device: PciDevice): void {
    if (this.#seen.has(device)) return
    this.#seen.add(device)
    const places: StreamPlace[] = []
    for (const { requester } of dmaAliases(device)) {
      const place = this.#tables.streamOf(device.segment, requester)
      // The kernel takes a function for one without an IOMMU as soon as one of its IDs has none.
      if (place === null) return
      places.push(place)
    }
    const smmu = this.#devices.get(places[0]!.smmu.name)
    if (smmu === undefined) return
    const master = this.#insert(
      device,
      smmu,
      places.map(({ stream }) => stream),
    )
    if (master !== null) this.#join(device, master)
  }

  /** The same for a device on no bus, which has a group to itself. Null where it gets no domain. */
  configureAlone(
    device: NamedDevice,
    source: string,
    streams: readonly number[],
  ): { readonly group: IommuGroup; readonly found: GroupDomain } | null {
    const smmu = [...this.#devices.values()].find((one) => one.source.source === source)
    if (smmu === undefined) return null
    const master = this.#insert(device, smmu, streams)
    if (master === null) return null
    const group = this.groups.alone()
    this.facts.add(device, { fact: `IOMMU group ${group.id}: it is on no bus`, source: 'generic_device_group' })
    this.#context.log(`platform ${device.id}: IOMMU group ${group.id}`)
    const found = this.#makeDomain(smmu)
    if (found === null) return null
    this.#domains.set(group, found)
    this.#attach(device, master, found.domain)
    return { group, found }
  }

  /** Null where a stream cannot be the device's. */
  #insert(device: NamedDevice, smmu: SmmuDevice, streams: readonly number[]): Master | null {
    const owners = this.#owners.get(smmu) ?? new Map<number, NamedDevice>()
    this.#owners.set(smmu, owners)
    const inserted: number[] = []
    for (const stream of streams) {
      const owner = owners.get(stream)
      // Bridges may give a function its own ID once more, which Linux 6.1 takes for a stranger's.
      if (owner === device && !isBefore(this.#context.profile, '6.12')) continue
      const refused = smmu.streams.prepare(stream) ?? (owner === undefined ? null : this.#refusal(stream, owner))
      if (refused === null) {
        owners.set(stream, device)
        inserted.push(stream)
        continue
      }
      for (const taken of inserted) owners.delete(taken)
      this.#context.log(`pci ${device.id}: ${refused}`)
      const fact = `${refused}: it gets no IOMMU group and no domain, and uses physical addresses`
      this.facts.add(device, { fact, source: 'arm_smmu_insert_master' })
      return null
    }
    return { smmu, streams: inserted }
  }

  #refusal(stream: number, owner: NamedDevice): string {
    const which = `stream ${stream} already in tree`
    return isBefore(this.#context.profile, '6.12') ? which : `${which} from dev ${owner.id}`
  }

  #join(device: PciDevice, master: Master): void {
    const { group, because } = this.groups.assign(device)
    this.facts.add(device, { fact: `IOMMU group ${group.id}: ${because}`, source: 'pci_device_group' })
    this.#context.log(`pci ${device.id}: IOMMU group ${group.id}`)
    const found = this.#domains.get(group) ?? this.#makeDomain(master.smmu)
    if (found === null) {
      this.#context.log(`iommu: no domain for group ${group.id}: out of memory or ASIDs`)
      return
    }
    this.#domains.set(group, found)
    this.#masters.set(device, master)
    this.#attach(device, master, found.domain)
  }

  #makeDomain(smmu: SmmuDevice): GroupDomain | null {
    const { profile, hostBridgeWindows = [] } = this.#context
    const { type } = this.#default
    if (type === 'identity') return { domain: PASS_THROUGH_DOMAIN, space: null }
    const domain = this.#makePagingDomain(smmu, type)
    if (domain === null) return null
    const reserved = hostBridgeWindows
      .map(({ start, end }) => ({ start, end: Math.min(end, domain.apertureEnd) }))
      .filter(({ start, end }) => start < end)
    return { domain, space: new IovaSpace({ domain, reserved, order: profile.iovaOrder }) }
  }

  #makePagingDomain(smmu: SmmuDevice, type: SmmuDomain['type']): SmmuDomain | null {
    const { bus, pages } = this.#context
    const { features } = smmu
    const asid = this.#nextAsid
    if (asid >= 2 ** features.asidBits) return null
    const table = LongDescriptorTable.create(bus, pages, features.ias)
    if (table === null) return null
    this.#nextAsid++
    const domain = new SmmuDomain(type, table, asid, smmu, pages)
    this.#contexts.set(domain, { root: table.root, asid, ips: features.ips })
    return domain
  }

  /** Points every stream of the function at the domain. */
  #attach(device: NamedDevice, { smmu, streams }: Master, domain: IommuDomain): void {
    const described = this.#contexts.get(domain)
    let entry: StreamEntry = BYPASS_ENTRY
    if (described !== undefined) {
      if (domain instanceof SmmuDomain && domain.smmu !== smmu) {
        this.#context.log(`pci ${device.id}: cannot attach to SMMU ${domain.smmu.name} (upstream of ${smmu.name})`)
        return
      }
      const descriptor = this.#makeDescriptor(smmu, streams, described)
      if (descriptor === null) {
        this.#context.log(`pci ${device.id}: no memory for its context descriptor`)
        return
      }
      entry = stageOneEntry(descriptor)
    }
    for (const stream of streams) {
      smmu.installEntry(stream, entry)
      const what = described === undefined ? entry.kind : `${entry.kind}, ASID ${described.asid}`
      this.facts.add(device, {
        fact: `the stream table entry of stream ${stream} in ${smmu.name}: ${what}`,
        source: `STE @0x${smmu.streams.addressOf(stream).toString(16)}`,
        bytes: toHex(entryBytes(entry)),
      })
    }
    this.facts.add(device, { fact: `its domain is of type ${domain.type}`, source: 'default domain' })
  }

  #makeDescriptor(smmu: SmmuDevice, streams: readonly number[], described: DescribedContext): number | null {
    const { bus, pages } = this.#context
    // A table of one descriptor: there are no substreams.
    const at = pages.allocate(Math.ceil(CONTEXT_DESCRIPTOR.size / PAGE))
    if (at === null) return null
    writeDescriptorRest(bus, at, described)
    const invalidations = streams.map(invalidateDescriptor)
    smmu.issue(...invalidations)
    writeDescriptorFirst(bus, at, described)
    smmu.issue(...invalidations)
    return at
  }

  domainOf(device: PciDevice): GroupDomain | null {
    const group = this.groups.of(device)
    return (group && (this.#taken.get(group) ?? this.#domains.get(group))) ?? null
  }

  /** An empty domain for a group's user. */
  createDomain(group: IommuGroup): IommuDomain | null {
    const master = group.devices[0] && this.#masters.get(group.devices[0])
    return master === undefined ? null : this.#makePagingDomain(master.smmu, 'dma')
  }

  /** Moves a group into a user's domain, or, with null, back. Answers why not. */
  move(group: IommuGroup, to: GroupDomain | null): string | null {
    const target = to ?? this.#domains.get(group)
    if (target === undefined) return 'the group has no default domain'
    if (to === null) this.#taken.delete(group)
    else this.#taken.set(group, to)
    for (const device of group.devices) {
      const master = this.#masters.get(device)
      if (master !== undefined) this.#attach(device, master, target.domain)
    }
    return null
  }

  /**
   * The bus address of a doorbell for the device: mapped, page by page, in a domain that translates, once for all of
   * its devices (`iommu_dma_get_msi_page`). Null where there is no room.
   *
   * @param maskBits - address bits of the device
   */
  doorbell(device: PciDevice, physical: number, maskBits: number): number | null {
    const found = this.domainOf(device)
    if (!found?.space) return physical
    const page = physical - (physical % PAGE)
    const known = this.#doorbells.get(found) ?? new Map<number, number>()
    this.#doorbells.set(found, known)
    let iova = known.get(page) ?? null
    if (iova === null) {
      const { space } = found
      const highest = Math.min(2 ** maskBits, found.domain.apertureEnd) - 1
      if (found.doorbells !== undefined) {
        iova = found.doorbells.next
        found.doorbells.next += PAGE
      } else {
        iova = this.#context.options.forceDac ? null : space.allocate(PAGE, Math.min(highest, 0xffff_ffff))
        iova ??= space.allocate(PAGE, highest)
      }
      if (iova === null) return null
      const mapped =
        found.domain instanceof SmmuDomain
          ? found.domain.map(iova, page, PAGE, 2, 'registers')
          : space.map(iova, page, PAGE, 2)
      if (!mapped) {
        if (found.doorbells === undefined) space.release(iova, PAGE)
        return null
      }
      known.set(page, iova)
    }
    this.facts.add(device, {
      fact: `the doorbell of its messages at 0x${page.toString(16)} is mapped at 0x${iova.toString(16)}`,
      source: 'iommu_dma_get_msi_page',
    })
    return iova + (physical % PAGE)
  }

  flushQueues(): void {
    for (const { space } of this.#domains.values()) space?.flush()
  }
}
