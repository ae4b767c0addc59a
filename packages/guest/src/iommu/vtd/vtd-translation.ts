import { toHex } from '@dmascope/acpi'
import { type IommuDomain, IovaSpace } from '@dmascope/dma'
import { CAP } from '@dmascope/iommu/vtd/spec'
import { formatRequesterId } from '@dmascope/pci/spec'
import type { PciDevice } from '../contract.ts'
import { DeviceFacts } from '../device-facts.ts'
import { domainTypeOf, type GroupDomain, PASS_THROUGH_DOMAIN } from '../group-domain.ts'
import { dmaAliases, ownRequester } from '../groups/dma-alias.ts'
import { type IommuGroup, IommuGroups } from '../groups/iommu-groups.ts'
import type { IommuContext } from '../iommu-context.ts'
import { MSI_REGION, mergeRegions } from '../reserved-regions.ts'
import type { ContextTarget, RequesterTables } from './context-tables.ts'
import { findScopeMismatch, findUnit, namedBy } from './device-scope.ts'
import { directRegions } from './direct-regions.ts'
import type { DmarUnits, DrhdUnit } from './dmar-units.ts'
import { PageTable, type Stage } from './page-table.ts'
import { setUpUnits, turnOff } from './unit-setup.ts'
import { RID_PASID, VtdDomain } from './vtd-domain.ts'
import type { VtdPolicy } from './vtd-policy.ts'

/** Domain 0 tags what caching mode caches of absent entries; 1 is every unit's identity domain. */
const IDENTITY_DOMAIN_ID = 1
const FIRST_DOMAIN_ID = 2
const FOUR_GIB = 0x1_0000_0000
const BASE_CLASS_DISPLAY = 0x03
const isGraphics = ({ classCode }: PciDevice): boolean => classCode >>> 16 === BASE_CLASS_DISPLAY

/**
 * The stage whose tables translated domains have: the second in legacy mode; in scalable mode the one that all units
 * have, and the first where they have both.
 */
function stageOf(units: readonly DrhdUnit[]): Stage {
  const all = (has: (unit: DrhdUnit['unit']) => boolean): boolean => units.every(({ unit }) => has(unit))
  if (units.length === 0 || !all(({ scalable }) => scalable)) return 'second'
  return all(({ capabilities }) => capabilities.firstStage) ? 'first' : 'second'
}

/** DMA remapping: units, groups, domains, in the order and by the rules of Linux's VT-d driver. */
export class VtdTranslation {
  readonly groups: IommuGroups
  /** What could not be initialized; null where nothing failed. */
  failed: string | null = null
  /** Units that translate. */
  readonly enabled: ReadonlySet<DrhdUnit>
  readonly defaultDomain: VtdPolicy['defaultDomain']
  readonly #context: IommuContext
  readonly #dmar: DmarUnits
  readonly #domains = new Map<IommuGroup, GroupDomain>()
  /** Groups that are a user's, and not in their default domain. */
  readonly #taken = new Map<IommuGroup, GroupDomain>()
  readonly facts = new DeviceFacts()
  readonly #nextDomainId = new Map<DrhdUnit, number>()
  /** Of the tables of translated domains. */
  readonly #stage: Stage
  #tables: ReadonlyMap<DrhdUnit, RequesterTables> = new Map()
  #identityMap: VtdDomain | null = null

  constructor(context: IommuContext, dmar: DmarUnits, policy: VtdPolicy, devices: readonly PciDevice[]) {
    this.#context = context
    this.#dmar = dmar
    this.groups = new IommuGroups(devices, policy.enabled)
    const active = this.#activeUnits(policy, devices)
    this.#stage = stageOf(active)
    // First-stage entries need not be announced in caching mode, so that unmapping may be put off.
    const strict = this.#stage === 'second' && active.some(({ unit }) => unit.capabilities.cachingMode)
    this.defaultDomain = strict && policy.defaultDomain === 'dma-fq' ? 'dma' : policy.defaultDomain
    if (strict) context.log('DMAR: caching mode: every unmap is invalidated at once')
    this.enabled = new Set(active.length > 0 && this.#start(active, devices) ? active : [])
  }

  domainOf(device: PciDevice): GroupDomain | null {
    const group = this.groups.of(device)
    return (group && (this.#taken.get(group) ?? this.#domains.get(group))) ?? null
  }

  /** An empty domain for a group's user. */
  createDomain(group: IommuGroup): IommuDomain | null {
    const units = group.devices.map((device) => this.#unitOf(device))
    // What is not the DMA API's gets the second stage wherever there is one (`first_level_by_default`).
    const second = units.every(({ unit }) => !unit.scalable || unit.capabilities.secondStage)
    return this.#makePagingDomain('dma', units, second ? 'second' : 'first')
  }

  /** Moves a group into a user's domain, or, with null, back. Answers why not. */
  move(group: IommuGroup, to: GroupDomain | null): string | null {
    const target = to ?? this.#domains.get(group)
    if (target === undefined) return 'the group has no default domain'
    for (const device of group.devices) this.#detach(device)
    if (to === null) this.#taken.delete(group)
    else this.#taken.set(group, to)
    for (const device of group.devices) this.#attach(device, target.domain)
    return null
  }

  /** Takes the device's entries out, and what caches have of them: between two domains it reaches nothing. */
  #detach(device: PciDevice): void {
    const drhd = this.#unitOf(device)
    const { unit } = drhd
    const domain = this.domainOf(device)?.domain
    const domainId = domain === undefined ? null : this.#domainId(drhd, domain)
    const tables = this.#tables.get(drhd)
    if (tables === undefined || domainId === null) return
    for (const { requester } of dmaAliases(device)) {
      tables.clear(requester, ownRequester(device))
      unit.invalidateContext({ domainId, source: requester })
    }
    if (unit.scalable) {
      unit.invalidatePasids({ domainId, pasid: RID_PASID })
      unit.invalidatePasidIotlb({ domainId, pasid: RID_PASID })
    }
    unit.invalidateIotlb({ domainId })
  }

  flushQueues(): void {
    for (const { space } of this.#domains.values()) space?.flush()
  }

  #because(device: PciDevice, fact: string, source: string, bytes?: string): void {
    this.facts.add(device, bytes === undefined ? { fact, source } : { fact, source, bytes })
  }

  /** Units that will translate; none where the kernel is told or forced to leave translation off. */
  #activeUnits(policy: VtdPolicy, devices: readonly PciDevice[]): readonly DrhdUnit[] {
    const { log, profile, options } = this.#context
    const { units } = this.#dmar
    const graphicsOff = profile.configuration.graphicsUnitsOff || options.graphicsUnitsOff
    const mismatch = findScopeMismatch(units, devices)
    if (mismatch !== null) {
      this.failed = 'Failed to initialize DMAR device scope'
      log(`DMAR: the type of the scope that names ${mismatch.id} does not fit its header; translation stays off`)
      return []
    }
    if (!policy.enabled) {
      for (const { unit } of units) {
        if (policy.opensMemory) unit.disableProtectedMemory()
        turnOff(unit, log)
      }
      return []
    }
    for (const drhd of units) {
      if (drhd.offBecause === null && !drhd.includeAll) {
        const named = devices.filter((device) => namedBy(units, device)?.drhd === drhd)
        if (named.length === 0) drhd.offBecause = 'no device is behind it'
        else if (graphicsOff && named.every(isGraphics)) drhd.offBecause = 'only graphics devices are behind it'
      }
      if (drhd.offBecause === null) continue
      turnOff(drhd.unit, log)
      // What launched the kernel closed memory to all devices, those of this unit among them.
      if (policy.forced) drhd.unit.disableProtectedMemory()
    }
    return units.filter(({ offBecause }) => offBecause === null)
  }

  #start(active: readonly DrhdUnit[], devices: readonly PciDevice[]): boolean {
    const { bus, pages, log, faultVector } = this.#context
    const tables = setUpUnits(active, bus, pages, log, faultVector)
    if (tables === null) {
      this.failed = 'Failed to initialize DMARs'
      log('DMAR: initialization failed')
      return false
    }
    this.#tables = tables
    // Units register one after the other, and each registration probes the whole bus for devices that are its own.
    for (const drhd of active) this.#probe(drhd, devices)
    for (const { unit } of active) {
      if (!unit.enable('TE')) return false
      unit.disableProtectedMemory()
    }
    log('DMAR: translation enabled')
    return true
  }

  /** A function has come: it is probed at once. */
  add(device: PciDevice): void {
    this.groups.add(device)
    const drhd = findUnit(this.#dmar.units, device)?.drhd
    if (drhd !== undefined && this.enabled.has(drhd)) this.#probe(drhd, [device])
  }

  #probe(drhd: DrhdUnit, devices: readonly PciDevice[]): void {
    const { log } = this.#context
    const before = this.groups.groups.length
    const joined: PciDevice[] = []
    for (const device of devices) {
      if (findUnit(this.#dmar.units, device)?.drhd !== drhd) continue
      const { group, because } = this.groups.assign(device)
      if (group.id < before) joined.push(device)
      this.#because(device, `IOMMU group ${group.id}: ${because}`, 'pci_device_group')
      log(`pci ${device.id}: IOMMU group ${group.id}`)
    }
    for (const group of this.groups.groups.slice(before)) {
      const made = this.#makeDomain(group)
      if (made === null) {
        log(`iommu: no domain for group ${group.id}: out of memory or domain IDs`)
        continue
      }
      this.#domains.set(group, made)
      for (const device of group.devices) this.#attach(device, made.domain)
    }
    // Devices of this unit in groups that an earlier unit's devices opened.
    for (const device of joined) {
      const domain = this.domainOf(device)?.domain
      if (domain) this.#attach(device, domain)
    }
  }

  #unitOf(device: PciDevice): DrhdUnit {
    return findUnit(this.#dmar.units, device)!.drhd
  }

  #makeDomain(group: IommuGroup): GroupDomain | null {
    const units = group.devices.map((device) => this.#unitOf(device))
    const asked = domainTypeOf(this.#context, group.devices, this.defaultDomain, this.facts)
    const passes = units.every(({ unit }) => unit.capabilities.passThrough)
    const dynamic = !passes && this.#context.profile.configuration.identityWithoutPassThrough === 'dma'
    if (dynamic && asked !== 'dma') {
      for (const device of group.devices) {
        this.#because(device, 'its unit cannot pass through (ECAP.PT is 0), so it gets a DMA domain', 'ECAP_REG')
      }
    }
    const type = dynamic ? 'dma' : asked
    if (type !== 'identity') return this.#makeTranslated(group, units, type)
    if (passes) return { domain: PASS_THROUGH_DOMAIN, space: null }
    const domain = this.#identityDomain()
    return domain && { domain, space: null }
  }

  #makeTranslated(group: IommuGroup, units: readonly DrhdUnit[], type: 'dma' | 'dma-fq'): GroupDomain | null {
    const { profile, hostBridgeWindows = [] } = this.#context
    const domain = this.#makePagingDomain(type, units)
    if (domain === null) return null
    const rmrrs = profile.firmwareRegions === 'ignore' ? [] : this.#dmar.rmrrs
    const direct = group.devices.flatMap((device) => directRegions(device, rmrrs, profile.configuration.isaIdentityMap))
    for (const { start, end } of mergeRegions(direct)) {
      if (!domain.map(start, start, end - start, 3)) {
        this.#context.log(`iommu: group ${group.id}: 0x${start.toString(16)} cannot be mapped onto itself`)
      }
    }
    const within = [...direct, MSI_REGION, ...hostBridgeWindows]
      .map(({ start, end }) => ({ start, end: Math.min(end, domain.apertureEnd) }))
      .filter(({ start, end }) => start < end)
    return { domain, space: new IovaSpace({ domain, reserved: within, order: profile.iovaOrder }) }
  }

  /** One table for all units that will use it: as deep, and with pages as large, as each of them can walk. */
  #makePagingDomain(type: VtdDomain['type'], units: readonly DrhdUnit[], stage: Stage = this.#stage): VtdDomain | null {
    const { bus, pages, options } = this.#context
    const superpageLevels = ({ unit: { capabilities } }: DrhdUnit): number =>
      stage === 'second' ? capabilities.superpageLevels : capabilities.firstStage1g ? 2 : 1
    const table = PageTable.create({
      stage,
      bus,
      pages,
      levels: Math.min(...units.map(({ levels }) => levels)),
      superpageLevels: options.superpages ? Math.min(...units.map(superpageLevels)) : 0,
      snoop: units.every(({ unit }) => unit.capabilities.snoopControl),
    })
    if (table === null) return null
    const width = Math.min(...units.map((drhd) => drhd.width))
    // Of first-stage addresses, which are canonical, the lower half is used.
    const end = stage === 'first' ? Math.min(2 ** width, table.end) / 2 : Math.min(2 ** width, table.end)
    return new VtdDomain(type, table, end, pages)
  }

  /** Shared by all: every byte of RAM onto itself. Only for hardware that cannot pass requests through. */
  #identityDomain(): VtdDomain | null {
    if (this.#identityMap) return this.#identityMap
    const domain = this.#makePagingDomain('identity', [...this.#tables.keys()])
    if (domain === null) return null
    for (const { start, end } of mergeRegions(this.#context.ram ?? [{ start: 0, end: FOUR_GIB }])) {
      if (!domain.map(start, start, end - start, 3)) return null
    }
    this.#identityMap = domain
    return domain
  }

  #domainId(drhd: DrhdUnit, domain: IommuDomain): number | null {
    if (domain.type === 'identity') {
      if (domain instanceof VtdDomain) domain.attach(drhd.unit, IDENTITY_DOMAIN_ID)
      return IDENTITY_DOMAIN_ID
    }
    if (!(domain instanceof VtdDomain)) return null
    const known = domain.idOn(drhd.unit)
    if (known !== null) return known
    const id = this.#nextDomainId.get(drhd) ?? FIRST_DOMAIN_ID
    // CAP.ND: 2^(4 + 2n) domains.
    if (id >= 2 ** (4 + 2 * CAP.fields.ND.get(drhd.unit.capabilities.cap.lo))) return null
    this.#nextDomainId.set(drhd, id + 1)
    domain.attach(drhd.unit, id)
    return id
  }

  /** Points every requester ID that the device's DMA may bear at the domain. */
  #attach(device: PciDevice, domain: IommuDomain): void {
    const drhd = this.#unitOf(device)
    const domainId = this.#domainId(drhd, domain)
    const tables = this.#tables.get(drhd)
    if (domainId === null || tables === undefined) {
      this.#context.log(`pci ${device.id}: cannot be attached to its domain`)
      return
    }
    const target: ContextTarget =
      domain instanceof VtdDomain
        ? { kind: `${domain.table.stage}-stage`, domainId, levels: domain.table.levels, root: domain.table.root }
        : { kind: 'pass-through', domainId, levels: drhd.levels }
    for (const { requester } of dmaAliases(device)) {
      const written = tables.set(requester, ownRequester(device), target)
      if (written === null) {
        this.#context.log(`pci ${device.id}: no memory for its context entry`)
        continue
      }
      const { unit } = drhd
      if (unit.capabilities.cachingMode) {
        // Absent entries may be cached, under domain 0.
        unit.invalidateContext({ domainId: 0, source: requester })
        unit.invalidateIotlb({ domainId })
        if (unit.scalable) {
          unit.invalidatePasids({ domainId, pasid: RID_PASID })
          unit.invalidatePasidIotlb({ domainId, pasid: RID_PASID })
        }
      } else unit.flushWriteBuffer()
      this.#because(
        device,
        `the ${written.what} of ${formatRequesterId(requester)} in ${unit.name}: ${target.kind}, domain ${domainId}`,
        `${written.what} @0x${written.address.toString(16)}`,
        toHex(written.bytes),
      )
    }
    this.#because(device, `its domain is of type ${domain.type}`, 'default domain')
  }
}
