import { toHex } from '@dmascope/acpi'
import { IovaSpace } from '@dmascope/dma'
import { AMDVI_REGISTERS, CAPABILITY_HEADER, EFR } from '@dmascope/iommu/amdvi/spec'
import { hexPair } from '@dmascope/layout'
import { formatRequesterId, PCI_CAP_ID_MSI } from '@dmascope/pci/spec'
import { writeMsi } from '../../interrupts/message-interrupts.ts'
import type { PciDevice } from '../contract.ts'
import { DeviceFacts } from '../device-facts.ts'
import { domainTypeOf, type GroupDomain } from '../group-domain.ts'
import { dmaAliases, ownRequester } from '../groups/dma-alias.ts'
import { type IommuGroup, IommuGroups } from '../groups/iommu-groups.ts'
import type { IommuContext } from '../iommu-context.ts'
import { plainMessage } from '../plain-interrupts.ts'
import { MSI_REGION, mergeRegions, type ReservedRegion } from '../reserved-regions.ts'
import { AmdDomain } from './amd-domain.ts'
import type { AmdHardware } from './amd-hardware.ts'
import type { AmdUnit } from './amd-unit.ts'
import { HostPageTable } from './host-page-table.ts'
import type { UnityMap } from './ivrs-map.ts'

const R = AMDVI_REGISTERS.registers
const LAST_DOMAIN_ID = 0xffff
/** HyperTransport's own addresses, which no device may use. */
export const HT_REGION: ReservedRegion = {
  start: 0xfd_0000_0000,
  end: 0x100_0000_0000,
  kind: 'msi',
  because: 'HyperTransport keeps it',
}
/** Numbers count bytes exactly up to here; no domain needs more. */
const APERTURE_BITS = 52

/** DMA remapping: units, groups and domains, in the order and by the rules of Linux's AMD driver. */
export class AmdTranslation {
  readonly groups: IommuGroups
  readonly facts = new DeviceFacts()
  /** Units that translate, as far as the kernel can know. */
  readonly enabled: ReadonlySet<AmdUnit>
  /** Why initialization was given up; null where it was not. */
  readonly failure: string | null
  readonly #context: IommuContext
  readonly #hardware: AmdHardware
  readonly #domains = new Map<IommuGroup, GroupDomain>()
  /** Groups that are a user's, and not in their default domain. */
  readonly #taken = new Map<IommuGroup, GroupDomain>()
  readonly #attached = new Map<AmdDomain, Set<PciDevice>>()
  #defaultDomain: 'dma' | 'dma-fq' | 'identity'
  /** A unit may cache what is not present: it is a virtual one. */
  #notPresentCached = false
  #nextDomainId = 1

  constructor(
    context: IommuContext,
    hardware: AmdHardware,
    defaultDomain: 'dma' | 'dma-fq' | 'identity',
    devices: readonly PciDevice[],
  ) {
    this.#context = context
    this.#hardware = hardware
    this.#defaultDomain = defaultDomain
    this.groups = new IommuGroups(devices, true, true)
    this.failure = this.#start(devices)
    this.enabled = new Set(this.failure === null ? hardware.units : [])
  }

  get defaultDomain(): 'dma' | 'dma-fq' | 'identity' {
    return this.#defaultDomain
  }

  /** New mappings are announced, and unmaps done at once. */
  get announces(): boolean {
    return this.#notPresentCached
  }

  domainOf(device: PciDevice): GroupDomain | null {
    const group = this.groups.of(device)
    return (group && (this.#taken.get(group) ?? this.#domains.get(group))) ?? null
  }

  /** An empty domain for a group's user. */
  createDomain(): AmdDomain | null {
    return this.#makePagingDomain('dma')
  }

  /** Moves a group into a user's domain, or, with null, back. Answers why not. */
  move(group: IommuGroup, to: GroupDomain | null): string | null {
    const target = to ?? this.#domains.get(group)
    if (target === undefined) return 'the group has no default domain'
    for (const device of group.devices) {
      const before = this.domainOf(device)?.domain
      if (before instanceof AmdDomain) this.#attached.get(before)?.delete(device)
    }
    if (to === null) this.#taken.delete(group)
    else this.#taken.set(group, to)
    for (const device of group.devices) this.#attach(device, target.domain as AmdDomain)
    return null
  }

  flushQueues(): void {
    for (const { space } of this.#domains.values()) space?.flush()
  }

  #start(devices: readonly PciDevice[]): string | null {
    for (const unit of this.#hardware.units) {
      const failure = this.#startUnit(unit, devices)
      if (failure === null) continue
      this.#context.log(`AMD-Vi: ${unit.name}: Failed to initialize IOMMU Hardware: ${failure}`)
      return failure
    }
    for (const table of this.#hardware.tables) table.blockDma()
    this.#hardware.flushAll()
    for (const unit of this.#hardware.units) this.#enableEvents(unit, devices)
    return null
  }

  /** What can be done only now that PCI is known: the capability block, then the devices behind the unit. */
  #startUnit(unit: AmdUnit, devices: readonly PciDevice[]): string | null {
    const { config, log } = this.#context
    const own = findOwn(unit, devices)
    if (own === undefined || config === undefined) return 'its PCI function is not there'
    const header = config.read(own, unit.block.capabilityOffset, 4)
    this.facts.add(own, {
      fact: `it is ${unit.name} itself: nothing translates its DMA`,
      source: 'IVRS, own device ID',
    })
    this.#readFeatures(unit, header)
    if (CAPABILITY_HEADER.fields.NpCache.get(header) === 1) {
      log('AMD-Vi: Using strict mode due to virtualization')
      this.#notPresentCached = true
      if (this.#defaultDomain === 'dma-fq') this.#defaultDomain = 'dma'
    }
    this.#probe(unit, devices)
    return null
  }

  #readFeatures(unit: AmdUnit, header: number): void {
    if (CAPABILITY_HEADER.fields.EFRSup.get(header) === 0) return
    const read = unit.registers.read64(R.ExtendedFeature)
    if (unit.features === null) {
      unit.features = read
      this.#context.log(`AMD-Vi: ${unit.name}: EFR 0x${hexPair(read.hi, read.lo)}`)
    } else if (unit.features.lo !== read.lo || unit.features.hi !== read.hi) {
      this.#context.log(
        `AMD-Vi: firmware bug: EFR of ${unit.name} is 0x${hexPair(read.hi, read.lo)}; the table's is used`,
      )
    }
  }

  #enableEvents(unit: AmdUnit, devices: readonly PciDevice[]): void {
    const { config, log, faultVector } = this.#context
    const own = findOwn(unit, devices)
    if (own === undefined || config === undefined || faultVector === undefined) return
    if (!own.capabilities.has(PCI_CAP_ID_MSI)) {
      log(`AMD-Vi: ${unit.name} has no MSI capability: nothing tells of its events`)
      return
    }
    // The unit's own messages are not remapped.
    writeMsi(config, own, plainMessage(faultVector))
    unit.control('EventIntEn', 1)
  }

  /** A function has come: it is probed at once. */
  add(device: PciDevice): void {
    this.groups.add(device)
    for (const unit of this.enabled) this.#probe(unit, [device])
  }

  #probe(unit: AmdUnit, devices: readonly PciDevice[]): void {
    const { log } = this.#context
    const before = this.groups.groups.length
    const joined: PciDevice[] = []
    for (const device of devices) {
      if (this.#hardware.requester(device.segment, ownRequester(device))?.unit !== unit) continue
      const { group, because } = this.groups.assign(device)
      if (group.id < before) joined.push(device)
      this.facts.add(device, { fact: `IOMMU group ${group.id}: ${because}`, source: 'pci_device_group' })
      log(`pci ${device.id}: IOMMU group ${group.id}`)
    }
    for (const group of this.groups.groups.slice(before)) {
      const made = this.#makeDomain(group)
      if (made === null) {
        log(`iommu: no domain for group ${group.id}: out of memory or domain IDs`)
        continue
      }
      this.#domains.set(group, made)
      for (const device of group.devices) this.#attach(device, made.domain as AmdDomain)
    }
    // Devices of this unit in groups that an earlier unit's devices opened.
    for (const device of joined) {
      const domain = this.domainOf(device)?.domain
      if (domain) this.#attach(device, domain as AmdDomain)
    }
  }

  #makeDomain(group: IommuGroup): GroupDomain | null {
    const { profile, hostBridgeWindows = [], log } = this.#context
    const type = domainTypeOf(this.#context, group.devices, this.#defaultDomain, this.facts)
    if (type === 'identity') {
      const id = this.#takeDomainId()
      if (id === null) return null
      const domain = new AmdDomain('identity', id, null, 2 ** APERTURE_BITS, false)
      return { domain, space: null }
    }
    const domain = this.#makePagingDomain(type)
    if (domain === null) return null
    const end = domain.apertureEnd
    const direct = this.#directRegions(group)
    for (const { start, end: last } of mergeRegions(direct)) {
      // Where maps overlap, what any of them allows.
      const access = direct.reduce((sum, one) => (one.start < last && one.end > start ? sum | one.access : sum), 0)
      if (!domain.map(start, start, last - start, access as 1 | 2 | 3)) {
        log(`iommu: group ${group.id}: 0x${start.toString(16)} cannot be mapped onto itself`)
      }
    }
    const reserved = [...direct, MSI_REGION, HT_REGION, ...hostBridgeWindows]
      .map(({ start, end: last }) => ({ start, end: Math.min(last, end) }))
      .filter(({ start, end: last }) => start < last)
    return { domain, space: new IovaSpace({ domain, reserved, order: profile.iovaOrder }) }
  }

  #takeDomainId(): number | null {
    return this.#nextDomainId > LAST_DOMAIN_ID ? null : this.#nextDomainId++
  }

  #makePagingDomain(type: 'dma' | 'dma-fq'): AmdDomain | null {
    const { bus, pages } = this.#context
    const id = this.#takeDomainId()
    if (id === null) return null
    const mostLevels = Math.min(...this.#hardware.units.map(levelsOf))
    const table = HostPageTable.create({ bus, pages, mostLevels, onGrowth: () => this.#rewrite(domain) })
    if (table === null) return null
    const end = 2 ** Math.min(12 + 9 * mostLevels, APERTURE_BITS)
    const domain = new AmdDomain(type, id, table, end, this.#notPresentCached)
    return domain
  }

  #directRegions(group: IommuGroup): readonly UnityMap[] {
    if (this.#context.profile.firmwareRegions === 'ignore') return []
    return group.devices.flatMap((device) => this.directRegions(device))
  }

  /** What the IVRS wants the device to find at its own address. */
  directRegions(device: PciDevice): readonly UnityMap[] {
    const id = ownRequester(device)
    const maps = this.#hardware.map.segments.get(device.segment)?.unityMaps ?? []
    return maps.filter(({ firstDevice, lastDevice }) => id >= firstDevice && id <= lastDevice)
  }

  /** Points every requester ID that the device's DMA may bear at the domain. */
  #attach(device: PciDevice, domain: AmdDomain): void {
    const requester = this.#hardware.requester(device.segment, ownRequester(device))
    if (requester === null) return
    domain.attach(requester.unit)
    const devices = this.#attached.get(domain) ?? new Set()
    devices.add(device)
    this.#attached.set(domain, devices)
    this.#writeEntries(device, domain)
    this.facts.add(device, { fact: `its domain is of type ${domain.type}`, source: 'default domain' })
    domain.flush()
  }

  #writeEntries(device: PciDevice, domain: AmdDomain): void {
    const own = ownRequester(device)
    const alias = this.#hardware.aliasOf(device.segment, own)
    const ids = new Set([own, alias, ...dmaAliases(device).map(({ requester }) => requester)])
    for (const id of ids) {
      const { unit, table } = this.#hardware.requester(device.segment, id) ?? {}
      if (unit === undefined || table === undefined || !table.has(id)) continue
      const { target } = domain
      table.setDma(id, target)
      unit.flushDevice(id)
      const where = target.levels === 0 ? 'no translation' : `a page table of ${target.levels} levels`
      this.facts.add(device, {
        fact: `the device table entry of ${formatRequesterId(id)}: ${where}, domain ${target.domainId}`,
        source: `DTE @0x${table.addressOf(id).toString(16)}`,
        bytes: toHex(table.bytesOf(id)),
      })
      unit.complete()
    }
  }

  /** A domain's table has grown a level: its root is another one. */
  #rewrite(domain: AmdDomain): void {
    for (const device of this.#attached.get(domain) ?? []) this.#writeEntries(device, domain)
    domain.flush()
  }
}

const findOwn = ({ segment, deviceId }: AmdUnit, devices: readonly PciDevice[]): PciDevice | undefined =>
  devices.find((device) => device.segment === segment && ownRequester(device) === deviceId)

const MOST_LEVELS = 6

/**
 * Levels of host page tables that a unit walks (EFR.HATS); four where it does not say. The value for none at all is taken
 * for one more than there is, by these kernels: they find out by the faults.
 */
export const levelsOf = ({ features }: AmdUnit): number =>
  Math.min(MOST_LEVELS, 4 + (features === null ? 0 : EFR.fields.HATS.get(features.lo, features.hi)))
