import type { DmaOps, IommuDomain } from '@dmascope/dma'
import { GERROR, SMMU_REGISTERS } from '@dmascope/iommu/smmuv3/spec'
import { formatBdf } from '@dmascope/pci/spec'
import { isBefore } from '../../profile/guest-profile.ts'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import type {
  GroupOwnership,
  IommuSubsystem,
  MsiMessage,
  PciDevice,
  PlatformDomain,
  PlatformMaster,
  RecordedFault,
} from '../contract.ts'
import { type DefaultDomain, decideDefaultDomain } from '../default-domain.ts'
import { SOFTWARE_MSI_REGION } from '../device-region.ts'
import { dmaOpsIn } from '../group-domain.ts'
import { ownershipOf } from '../group-ownership.ts'
import { dmaAliases, ownRequester } from '../groups/dma-alias.ts'
import type { IommuContext } from '../iommu-context.ts'
import { plainEntry } from '../plain-interrupts.ts'
import { describeGlobalErrors } from './event-queue.ts'
import { SmmuDevice } from './smmu-device.ts'
import { SmmuMasters } from './smmu-masters.ts'
import type { SmmuSource, SmmuTables, StreamPlace } from './smmu-tables.ts'
import { abortEntry, BYPASS_ENTRY, type StreamEntry } from './stream-table.ts'

const R = SMMU_REGISTERS.registers
/** Bits of the addresses that stage 1 takes in. */
const INPUT_BITS = 48

/** SMMUv3s, as a device tree or an IORT tells of them. Messages are not remapped: their doorbell is an address. */
export class SmmuSubsystem implements IommuSubsystem {
  readonly acsRequested: boolean
  readonly interruptRemapping = false
  readonly panic = null
  readonly #context: IommuContext
  readonly #tables: SmmuTables
  readonly #default: DefaultDomain
  readonly #devices = new Map<string, SmmuDevice>()
  readonly #failures = new Map<string, string>()
  /** Requester IDs of streams that were looked up, for events. */
  readonly #requesters = new Map<string, { readonly segment: number; readonly requester: number }>()
  #masters: SmmuMasters | null = null

  constructor(context: IommuContext, tables: SmmuTables) {
    this.#context = context
    this.acsRequested = tables.acsRequested
    this.#tables = {
      ...tables,
      streamOf: (segment, requester) => {
        const place = tables.streamOf(segment, requester)
        if (place !== null) this.#requesters.set(`${place.smmu.name} ${place.stream}`, { segment, requester })
        return place
      },
    }
    const { profile, options, strictByDefault = profile.configuration.iommuDefaultStrictArm64 } = context
    this.#default = decideDefaultDomain(profile, options, strictByDefault)
  }

  enableInterruptRemapping(): false {
    return false
  }

  ioapicEntry(_ioapicId: number, _pin: number, vector: number, level: boolean): { lo: number; hi: number } {
    return plainEntry(vector, level)
  }

  /** What streams get that no driver has asked for. Until 6.9 a parameter of the driver let them pass. */
  #initialEntry(): StreamEntry {
    const { profile, options } = this.#context
    const old = isBefore(profile, '6.12')
    const parameter = options.parameters.findLast(({ name }) => name === 'arm_smmu_v3.disable_bypass')
    const passes = old && parameter !== undefined && /^([nNfF0]|[oO][fF])/.test(parameter.value ?? '')
    return passes ? BYPASS_ENTRY : abortEntry(old)
  }

  attachDevices(devices: readonly PciDevice[]): void {
    const { bus, pages, log } = this.#context
    for (const source of this.#tables.smmus) {
      const probed = SmmuDevice.probe({ bus, pages, source, initial: this.#initialEntry(), log })
      if (typeof probed === 'string') {
        this.#failures.set(source.name, probed)
        log(`arm-smmu-v3 ${source.name}: ${probed}`)
      } else this.#devices.set(source.name, probed)
    }
    this.#masters = new SmmuMasters(this.#context, this.#tables, this.#devices, devices, this.#default)
  }

  /** Its driver's probe puts it into a group. */
  addDevice(device: PciDevice): void {
    this.#masters?.groups.add(device)
  }

  configure(device: PciDevice): 'ready' {
    this.#masters?.configure(device)
    return 'ready'
  }

  configurePlatform(device: PlatformMaster): PlatformDomain | null {
    const masters = this.#masters
    const made = masters?.configureAlone(device, device.iommu, device.ids) ?? null
    if (masters === null || made === null) return null
    const { group, found } = made
    return {
      group: group.id,
      type: found.domain.type,
      dmaOps: (maskBits) => dmaOpsIn(found, this.#context, { id: device.owner }, maskBits),
      why: () => masters.facts.of(device),
    }
  }

  /** An SMMUv3 is no function on PCI. */
  register(): void {}

  get iommus(): readonly GuestIommu[] {
    return this.#tables.smmus.map((source) => this.#describe(source))
  }

  #describe(source: SmmuSource): GuestIommu {
    const device = this.#devices.get(source.name)
    const why: Fact[] = [
      {
        fact: `firmware tells of an SMMUv3 at 0x${source.base.toString(16)}`,
        source: source.source,
        ...(source.bytes !== undefined && { bytes: source.bytes }),
      },
    ]
    if (device !== undefined) {
      const { idr0, idr1, idr5, mask } = device.features
      const hex = (value: number): string => value.toString(16).padStart(8, '0')
      why.push(
        { fact: `IDR0 ${hex(idr0)}, IDR1 ${hex(idr1)}, IDR5 ${hex(idr5)}`, source: `${device.name} SMMU_IDR0, 1, 5` },
        { fact: `the driver’s features are 0x${hex(mask)}`, source: 'arm_smmu_device_hw_probe' },
      )
    } else {
      const because = this.#failures.get(source.name) ?? 'nobody has probed it'
      why.push({ fact: `it stays off: ${because}`, source: 'arm_smmu_device_probe' })
    }
    const enabled = device !== undefined && !device.dead
    return {
      id: `smmu3.0x${source.base.toString(16).padStart(16, '0')}`,
      kind: 'smmuv3',
      base: source.base,
      exposed: true,
      enabled,
      interruptRemapping: false,
      default: enabled ? this.#default.type : 'none',
      addressWidth: INPUT_BITS,
      why: [...why, ...this.#default.why],
    }
  }

  #placeOf(device: PciDevice): StreamPlace | null {
    return this.#tables.streamOf(device.segment, ownRequester(device))
  }

  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null } {
    const place = this.#placeOf(device)
    return place === null ? { covered: false, by: null } : { covered: true, by: place.by }
  }

  group(device: PciDevice): number | null {
    return this.#masters?.groups.of(device)?.id ?? null
  }

  domainType(device: PciDevice): DomainType {
    if (this.group(device) === null) return 'none'
    return this.domain(device)?.type ?? 'blocked'
  }

  domain(device: PciDevice): IommuDomain | null {
    return this.#masters?.domainOf(device)?.domain ?? null
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    return dmaOpsIn(this.#masters?.domainOf(device) ?? null, this.#context, device, maskBits)
  }

  /** Messages are made by the interrupt controller's driver, which asks for the address of its doorbell. */
  msiMessage(): MsiMessage | null {
    return null
  }

  doorbell(device: PciDevice, physical: number, maskBits = 64): number | null {
    return this.#masters === null ? physical : this.#masters.doorbell(device, physical, maskBits)
  }

  /** `arm_smmu_get_resv_regions`. */
  get ownership(): GroupOwnership | null {
    return this.#masters && ownershipOf(this.#masters, { regions: () => [SOFTWARE_MSI_REGION] })
  }

  readFaults(): readonly RecordedFault[] {
    return [...this.#devices.values()].flatMap((device) => {
      this.#handleGlobalErrors(device)
      return device.events.take().map(({ stream, id, address, access, text }) => {
        const known = this.#requesters.get(`${device.source.name} ${stream}`)
        return {
          source: known ? formatBdf(known.requester, known.segment) : '',
          address: address ?? 0,
          reason: id,
          unit: device.name,
          recordedIn: 'event queue',
          access,
          text: `${text}, stream ${stream}${known ? ` (${formatBdf(known.requester, known.segment)})` : ''}`,
        }
      })
    })
  }

  #handleGlobalErrors(device: SmmuDevice): void {
    const { registers } = device
    const gerror = registers.read32(R.GERROR)
    const active = (gerror ^ registers.read32(R.GERRORN)) >>> 0
    if (active === 0) return
    for (const line of describeGlobalErrors(active)) this.#context.log(`arm-smmu-v3 ${device.source.name}: ${line}`)
    if ((active & GERROR.fields.CMDQ_ERR.loMask) !== 0) device.commands.skipError()
    registers.write32(R.GERRORN, gerror)
  }

  flushQueues(): void {
    this.#masters?.flushQueues()
  }

  why(device: PciDevice): readonly Fact[] {
    return [this.#coverageFact(device), ...(this.#masters?.facts.of(device) ?? [])]
  }

  #coverageFact(device: PciDevice): Fact {
    const place = this.#placeOf(device)
    if (place === null) return { fact: 'no map leads its requester ID to an SMMU', source: 'firmware' }
    const behind = `${place.by} puts it behind ${place.smmu.name}`
    const aliases = dmaAliases(device)
      .slice(1)
      .map(({ requester }) => this.#tables.streamOf(device.segment, requester)?.stream ?? 'none')
    const more = aliases.length === 0 ? '' : `; its transactions may bear stream ${aliases.join(', ')} instead`
    const bytes = place.bytes === undefined ? {} : { bytes: place.bytes }
    return { fact: `${behind}${more}`, source: place.source, ...bytes }
  }
}
