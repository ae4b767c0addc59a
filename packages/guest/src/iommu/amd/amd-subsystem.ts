import { toHex } from '@dmascope/acpi'
import type { DmaOps, IommuDomain } from '@dmascope/dma'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import type { GroupOwnership, IommuSubsystem, MsiMessage, PciDevice, RecordedFault } from '../contract.ts'
import { COMMAND_LINE, decideDefaultDomain } from '../default-domain.ts'
import { DeviceFacts } from '../device-facts.ts'
import { dmaOpsIn } from '../group-domain.ts'
import { dmaAliases, ownRequester } from '../groups/dma-alias.ts'
import type { IommuContext } from '../iommu-context.ts'
import { plainEntry, plainMessage } from '../plain-interrupts.ts'
import { AmdHardware } from './amd-hardware.ts'
import { AmdInterrupts, type InterruptSource } from './amd-interrupts.ts'
import { amdOwnership } from './amd-ownership.ts'
import { AmdTranslation, levelsOf } from './amd-translation.ts'
import type { AmdUnit } from './amd-unit.ts'
import { readUnitEvents } from './event-log.ts'
import { claimText, type IvrsMap, type IvrsSource, readIvrs } from './ivrs-map.ts'

/** Bytes of an IVHD before its entries, by type. */
const HEADER_BYTES = { 'IVHD-10h': 24, 'IVHD-11h': 40, 'IVHD-40h': 40 } as const

/** AMD-Vi, from an IVRS. */
export class AmdSubsystem implements IommuSubsystem {
  readonly acsRequested: boolean
  readonly panic = null
  readonly #context: IommuContext
  readonly #source: IvrsSource
  /** Null where the kernel refused the table. */
  readonly #map: IvrsMap | null
  /** Why the driver stays away from the hardware; null where it does not. */
  #off: string | null
  readonly #why: Fact[] = []
  readonly #facts = new DeviceFacts()
  #hardware: AmdHardware | null = null
  #interrupts: AmdInterrupts | null = null
  #interruptsOff = 'nobody asked for it'
  #translation: AmdTranslation | null = null

  constructor(context: IommuContext, source: IvrsSource) {
    const { options, log } = context
    this.#context = context
    this.#source = source
    const off = options.amdIommu.off ? 'amd_iommu=off' : options.iommuOff ? 'iommu=off' : null
    this.#off = off
    this.#why.push(
      off === null
        ? { fact: 'AMD-Vi is on unless asked otherwise', source: 'kernel configuration' }
        : { fact: off, source: COMMAND_LINE },
    )
    const map = readIvrs(source, log)
    this.#map = typeof map === 'string' ? null : map
    if (typeof map === 'string') this.#off ??= map
    // Asked for as the table is found, which without any IOMMU at all is when interrupt remapping is thought of.
    this.acsRequested = !options.iommuOff || !options.interruptRemapping.off
  }

  get interruptRemapping(): boolean {
    return this.#interrupts !== null
  }

  /** The hardware, prepared at first use. */
  #open(): AmdHardware | null {
    if (this.#hardware !== null || this.#off !== null || this.#map === null) return this.#hardware
    const opened = AmdHardware.open(this.#context, this.#source, this.#map)
    if (typeof opened === 'string') {
      this.#off = opened
      this.#context.log(`AMD-Vi: initialization failed: ${opened}`)
      return null
    }
    this.#hardware = opened
    return opened
  }

  enableInterruptRemapping(): boolean {
    const { options, log, bus, pages } = this.#context
    if (options.interruptRemapping.off) {
      this.#interruptsOff = 'the command line turns it off'
      return false
    }
    const hardware = this.#open()
    if (hardware === null) {
      this.#interruptsOff = this.#off ?? 'there is no hardware for it'
      return false
    }
    const unable = hardware.interruptsUnable
    if (unable !== null) {
      this.#interruptsOff = unable
      log(`AMD-Vi: no interrupt remapping: ${unable}`)
      return false
    }
    hardware.enable(true)
    this.#interrupts = new AmdInterrupts(bus, pages, hardware.wide)
    log('AMD-Vi: Interrupt remapping enabled')
    return true
  }

  ioapicEntry(
    ioapicId: number,
    pin: number,
    vector: number,
    level: boolean,
  ): { readonly lo: number; readonly hi: number } {
    const id = this.#map?.ioApics.get(ioapicId)
    const found = id === undefined ? null : this.#hardware?.requester(0, id)
    const source = found && id !== undefined && { ...found, requester: id, alias: id, others: [] }
    return (source && this.#interrupts?.ioApicEntry(source, pin, vector, level)) || plainEntry(vector, level)
  }

  attachDevices(devices: readonly PciDevice[]): void {
    const hardware = this.#open()
    if (hardware === null) return
    hardware.enable(false)
    const { type, why } = decideDefaultDomain(this.#context.profile, this.#context.options)
    this.#why.push(...why)
    this.#translation = new AmdTranslation(this.#context, hardware, type, devices)
    if (this.#translation.failure === null) return
    if (this.#interrupts === null) hardware.disable()
    else {
      for (const table of hardware.tables) table.passDma()
      hardware.flushAll()
    }
  }

  register(): void {}

  addDevice(device: PciDevice): void {
    this.#translation?.add(device)
  }

  /** Groups and domains were made at boot. */
  configure(): 'ready' {
    return 'ready'
  }

  get iommus(): readonly GuestIommu[] {
    if (this.#map === null) return []
    return this.#map.blocks.map((block, index) => this.#describe(block, index))
  }

  #describe(block: IvrsMap['blocks'][number], index: number): GuestIommu {
    const unit = this.#hardware?.units[index] ?? null
    const base = Number(block.iommuBaseAddress)
    const enabled = unit !== null && this.#translation?.enabled.has(unit) === true
    const why: Fact[] = [
      { fact: `the table names a unit at 0x${base.toString(16)}`, ...this.#cite(block, HEADER_BYTES[block.kind]) },
      ...this.#why,
      this.#interrupts
        ? { fact: 'interrupt remapping is on', source: `ivhd${index} device table` }
        : { fact: `interrupt remapping is off: ${this.#interruptsOff}`, source: 'interrupt remapping' },
    ]
    const failure = this.#off ?? this.#translation?.failure ?? null
    if (!enabled && failure !== null) why.push({ fact: `it stays off: ${failure}`, source: 'initialization' })
    if (enabled && this.#translation!.announces) {
      why.push({ fact: 'NpCache: every unmap is invalidated at once', source: `ivhd${index} capability block` })
    }
    return {
      id: `ivhd${index}`,
      kind: 'amdvi',
      base,
      exposed: true,
      enabled,
      interruptRemapping: this.#interrupts !== null,
      default: enabled ? this.#translation!.defaultDomain : 'none',
      addressWidth: Math.min(64, 12 + 9 * (unit === null ? 4 : levelsOf(unit))),
      why,
    }
  }

  /** Source and bytes of `length` bytes of the table from a record on. */
  #cite(record: { readonly offset?: number }, length: number): { source: string; bytes?: string } {
    const offset = record.offset ?? 0
    const bytes = this.#source.bytes?.subarray(offset, offset + length)
    const source = `IVRS @0x${this.#source.address.toString(16)} +0x${offset.toString(16)}`
    return { source, ...(bytes && { bytes: toHex(bytes) }) }
  }

  #claim(device: PciDevice) {
    return this.#map?.segments.get(device.segment)?.claimOf(ownRequester(device)) ?? null
  }

  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null } {
    const claim = this.#claim(device)
    if (claim === null) return { covered: false, by: null }
    const base = Number(claim.block.iommuBaseAddress).toString(16)
    return { covered: true, by: `IVRS IVHD 0x${base}, ${claimText(claim)}` }
  }

  group(device: PciDevice): number | null {
    return this.#translation?.groups.of(device)?.id ?? null
  }

  domainType(device: PciDevice): DomainType {
    if (this.group(device) === null) return 'none'
    return this.domain(device)?.type ?? 'blocked'
  }

  domain(device: PciDevice): IommuDomain | null {
    return this.#translation?.domainOf(device)?.domain ?? null
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    return dmaOpsIn(this.#translation?.domainOf(device) ?? null, this.#context, device, maskBits)
  }

  /** A device that no unit has keeps the processors' own format: nothing says that its messages are remapped. */
  msiMessage(device: PciDevice, index: number, vector: number): MsiMessage | null {
    if (this.#context.options.noMsi) return null
    const source = this.#interrupts && this.#interruptSource(device)
    if (this.#interrupts === null || source === null) return plainMessage(vector)
    const made = this.#interrupts.message(source, `${device.id} ${index}`, vector)
    if (made === null) return null
    this.#facts.add(device, made.fact)
    return made.message
  }

  #interruptSource(device: PciDevice): InterruptSource | null {
    const { segment } = device
    const requester = ownRequester(device)
    const found = this.group(device) === null ? null : (this.#hardware?.requester(segment, requester) ?? null)
    return (
      found && {
        unit: found.unit,
        table: found.table,
        requester,
        alias: this.#hardware!.aliasOf(segment, requester),
        others: dmaAliases(device).map((one) => one.requester),
      }
    )
  }

  get ownership(): GroupOwnership | null {
    return this.#translation === null || this.#translation.failure !== null ? null : amdOwnership(this.#translation)
  }

  readFaults(): readonly RecordedFault[] {
    return (this.#hardware?.units ?? []).flatMap((unit: AmdUnit) => readUnitEvents(unit, this.#context.bus))
  }

  flushQueues(): void {
    this.#translation?.flushQueues()
  }

  why(device: PciDevice): readonly Fact[] {
    return [
      this.#coverageFact(device),
      ...(this.#claim(device) ? this.#why : []),
      ...(this.#translation?.facts.of(device) ?? []),
      ...this.#facts.of(device),
    ]
  }

  #coverageFact(device: PciDevice): Fact {
    const { source } = this.#cite({ offset: 0 }, 0)
    if (this.#map === null) return { fact: `the kernel refused the IVRS: ${this.#off}`, source }
    const claim = this.#claim(device)
    if (claim === null) return { fact: 'no block of the IVRS names it', source }
    const index = this.#map.blocks.indexOf(claim.block)
    return {
      fact: `the table puts it behind ivhd${index}: ${this.coverage(device).by}`,
      ...this.#cite(claim.entry, claim.alias === null ? 4 : 8),
    }
  }
}
