import { toHex } from '@dmascope/acpi'
import type { DmaOps, IommuDomain } from '@dmascope/dma'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import type { GroupOwnership, IommuSubsystem, MsiMessage, PciDevice, RecordedFault } from '../contract.ts'
import { DeviceFacts } from '../device-facts.ts'
import { dmaOpsIn } from '../group-domain.ts'
import type { IommuContext } from '../iommu-context.ts'
import { plainEntry, plainMessage } from '../plain-interrupts.ts'
import { findUnit, type ScopeMatch, scopeText, sourceOf } from './device-scope.ts'
import { brokenAtDetection, type DmarSource, type DmarUnits, type DrhdUnit, readDmar } from './dmar-units.ts'
import { readUnitFaults } from './fault-log.ts'
import { enableFaultEvents } from './unit-setup.ts'
import { VtdInterrupts } from './vtd-interrupts.ts'
import { vtdOwnership } from './vtd-ownership.ts'
import { decideVtdPolicy, type VtdPolicy } from './vtd-policy.ts'
import { VtdTranslation } from './vtd-translation.ts'

/** VT-d, from a DMAR. */
export class VtdSubsystem implements IommuSubsystem {
  readonly acsRequested: boolean
  readonly #context: IommuContext
  readonly #policy: VtdPolicy
  readonly #source: DmarSource
  /** Linux takes VT-d to be there. */
  readonly #detected: boolean
  /** Null where the kernel refused the table. */
  readonly #dmar: DmarUnits | null = null
  /** Why the table was refused. */
  readonly #refused: string | null = null
  readonly #matches = new Map<PciDevice, ScopeMatch | null>()
  readonly #facts = new DeviceFacts()
  #interrupts: VtdInterrupts | null = null
  #interruptsOff = 'nobody asked for it'
  #translation: VtdTranslation | null = null
  #panic: string | null = null

  /**
   * @param source - ACPI's table, by which the hardware is detected
   * @param launched - the copy that a measured launch kept, which is taken instead; null where it kept none; left out
   *   where there was no such launch
   */
  constructor(context: IommuContext, source: DmarSource, launched?: DmarSource | null) {
    this.#context = context
    this.#source = launched ?? source
    this.#policy = decideVtdPolicy(context.profile, context.options, launched !== undefined)
    const malfunction = (text: string): void => {
      this.#panic ??= text
      context.log(`DMAR: the hardware does not work: ${text}`)
    }
    const { scalableMode } = this.#policy
    const undetected = brokenAtDetection(source, context.bus)
    this.#detected = undetected === null
    if (undetected !== null) {
      context.log(`DMAR: firmware bug: ${undetected}`)
      this.#refused = undetected
    } else if (launched === null) this.#refused = 'tboot kept no copy of it'
    else {
      const { bus, pages, log } = context
      // The copy need not be what detection looked at.
      const broken = launched === undefined ? null : brokenAtDetection(launched, bus)
      const dmar = broken ?? readDmar(this.#source, bus, pages, log, malfunction, scalableMode)
      if (typeof dmar === 'string') this.#refused = dmar
      else this.#dmar = dmar
    }
    this.acsRequested = this.#detected && this.#policy.wanted
  }

  get panic(): string | null {
    return this.#panic
  }

  get interruptRemapping(): boolean {
    return this.#interrupts !== null
  }

  enableInterruptRemapping(): boolean {
    if (this.#dmar === null) return false
    if (!this.#context.profile.configuration.intelIommu) {
      this.#interruptsOff = 'there is no driver'
      this.#context.log('DMAR: this kernel was built without a driver for VT-d')
      return false
    }
    const enabled = VtdInterrupts.enable(this.#context, this.#source, this.#dmar)
    if (typeof enabled === 'string') {
      this.#interruptsOff = enabled
      this.#context.log(`DMAR: no interrupt remapping: ${enabled}`)
      return false
    }
    this.#interrupts = enabled
    const { faultVector } = this.#context
    if (faultVector !== undefined) for (const { unit } of this.#dmar.units) enableFaultEvents(unit, faultVector)
    return true
  }

  ioapicEntry(ioapicId: number, pin: number, vector: number, level: boolean): { lo: number; hi: number } {
    return this.#interrupts?.ioApicEntry(ioapicId, pin, vector, level) ?? plainEntry(vector, level)
  }

  attachDevices(devices: readonly PciDevice[]): void {
    if (!this.#context.profile.configuration.intelIommu) return
    const { enabled, forced } = this.#policy
    if (this.#dmar === null) {
      // What detection condemned is as if it were not there: only then does a launched kernel go on.
      if (this.#detected && forced) this.#panic ??= `tboot: Failed to initialize DMAR table: ${this.#refused}`
      return
    }
    this.#translation = new VtdTranslation(this.#context, this.#dmar, this.#policy, devices)
    if (enabled && forced && this.#translation.failed !== null) this.#panic ??= `tboot: ${this.#translation.failed}`
  }

  addDevice(device: PciDevice): void {
    this.#translation?.add(device)
  }

  /** Groups and domains were made at boot. */
  configure(): 'ready' {
    return 'ready'
  }

  register(): void {}

  get iommus(): readonly GuestIommu[] {
    if (this.#dmar === null) return []
    return [...this.#dmar.units]
      .sort((a, b) => (a.record.offset ?? 0) - (b.record.offset ?? 0))
      .map((drhd) => this.#describe(drhd))
  }

  #describe(drhd: DrhdUnit): GuestIommu {
    const { unit, base, width, record } = drhd
    const enabled = this.#translation?.enabled.has(drhd) === true
    const hex = ({ hi, lo }: { hi: number; lo: number }): string =>
      hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0')
    const { cap, ecap } = unit.capabilities
    const why: Fact[] = [
      { fact: `the table names a unit at 0x${base.toString(16)}`, ...this.#cite(record, 16) },
      { fact: `CAP ${hex(cap)}, ECAP ${hex(ecap)}`, source: `${unit.name} CAP_REG, ECAP_REG` },
      ...this.#policy.why,
      ...this.#modeFacts(drhd),
      this.#interrupts
        ? { fact: 'interrupt remapping is on', source: `${unit.name} GSTS_REG.IRES` }
        : { fact: `interrupt remapping is off: ${this.#interruptsOff}`, source: 'interrupt remapping' },
    ]
    if (this.#policy.enabled && !enabled) {
      why.push({ fact: `it stays off: ${drhd.offBecause ?? 'initialization failed'}`, source: 'initialization' })
    }
    if (enabled && this.#translation!.defaultDomain !== this.#policy.defaultDomain) {
      why.push({ fact: 'caching mode: every unmap is invalidated at once', source: `${unit.name} CAP_REG.CM` })
    }
    return {
      id: unit.name,
      kind: 'vtd',
      base,
      exposed: true,
      enabled,
      interruptRemapping: this.#interrupts !== null,
      default: enabled ? this.#translation!.defaultDomain : 'none',
      addressWidth: width,
      why,
      ...(enabled && unit.scalable && { mode: 'scalable' as const }),
    }
  }

  /** What became of scalable mode, on a unit that has it. */
  #modeFacts({ unit }: DrhdUnit): Fact[] {
    if (!unit.capabilities.scalableMode || !this.#policy.enabled) return []
    const source = `${unit.name} ECAP_REG`
    if (!unit.scalable) return [{ fact: 'scalable mode is there, and left alone: intel_iommu=sm_off', source }]
    const { firstStage, secondStage } = unit.capabilities
    const stages = [firstStage ? 'first' : [], secondStage ? 'second' : []].flat().join(' and ')
    return [{ fact: `scalable mode: it has ${stages === '' ? 'no' : `the ${stages}`} stage`, source }]
  }

  #match(device: PciDevice): ScopeMatch | null {
    if (this.#dmar === null) return null
    const known = this.#matches.get(device)
    if (known !== undefined) return known
    const match = findUnit(this.#dmar.units, device)
    this.#matches.set(device, match)
    return match
  }

  /** Source and bytes of `length` bytes of the table from a record on. */
  #cite(record: { readonly offset?: number }, length: number): { source: string; bytes?: string } {
    const offset = record.offset ?? 0
    const bytes = this.#source.bytes?.subarray(offset, offset + length)
    return { source: sourceOf(this.#source, record), ...(bytes && { bytes: toHex(bytes) }) }
  }

  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null } {
    const match = this.#match(device)
    if (match === null) return { covered: false, by: null }
    const unit = `DMAR DRHD 0x${match.drhd.base.toString(16)}`
    if (match.scope === null) return { covered: true, by: `${unit}, INCLUDE_PCI_ALL` }
    const above =
      match.named === device
        ? ''
        : match.named === device.physical
          ? ` (its physical function)`
          : ` (${match.named!.id} above it)`
    return { covered: true, by: `${unit}, scope ${scopeText(match.scope)}${above}` }
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

  msiMessage(device: PciDevice, index: number, vector: number): MsiMessage | null {
    if (this.#context.options.noMsi) return null
    if (this.#interrupts === null) return plainMessage(vector)
    const match = this.#match(device)
    if (match === null) {
      this.#facts.add(device, {
        fact: 'interrupts are remapped and no unit names it: it has no MSI domain',
        source: 'map_dev_to_ir',
      })
      return null
    }
    const made = this.#interrupts.message(device, match.drhd, index, vector)
    if (made === null) return null
    this.#facts.add(device, made.fact)
    return made.message
  }

  get ownership(): GroupOwnership | null {
    if (this.#translation === null || this.#dmar === null || this.#translation.enabled.size === 0) return null
    return vtdOwnership(this.#translation, this.#dmar, this.#context.profile)
  }

  readFaults(): readonly RecordedFault[] {
    return (this.#dmar?.units ?? []).flatMap(({ unit, segment }) => (unit.dead ? [] : readUnitFaults(unit, segment)))
  }

  flushQueues(): void {
    this.#translation?.flushQueues()
  }

  why(device: PciDevice): readonly Fact[] {
    return [
      this.#coverageFact(device),
      ...(this.#match(device) ? this.#policy.why : []),
      ...(this.#translation?.facts.of(device) ?? []),
      ...this.#facts.of(device),
    ]
  }

  #coverageFact(device: PciDevice): Fact {
    if (this.#refused !== null) {
      return { fact: `the kernel refused the DMAR: ${this.#refused}`, source: sourceOf(this.#source, { offset: 0 }) }
    }
    const match = this.#match(device)
    if (match === null) {
      const fact = 'no unit names it, nor a bridge above it, nor takes all of its segment'
      return { fact, source: sourceOf(this.#source, { offset: 0 }) }
    }
    const by = this.coverage(device).by!
    const cited = match.scope
      ? this.#cite(match.scope, 6 + 2 * match.scope.path.length)
      : this.#cite(match.drhd.record, 16)
    return { fact: `the table puts it behind ${match.drhd.unit.name}: ${by}`, ...cited }
  }
}
