import { toHex } from '@dmascope/acpi'
import { DirectDma, type DmaOps, IommuDma, type IommuDomain } from '@dmascope/dma'
import type { DomainType, Fact, GuestIommu } from '../result.ts'
import type { IommuSubsystem, MsiMessage, PciDevice, RecordedFault } from './contract.ts'
import { decidePolicy, type IommuPolicy } from './default-domain.ts'
import { findUnit, type ScopeMatch, scopeText, sourceOf } from './device-scope.ts'
import { type DmarSource, type DmarUnits, type DrhdUnit, readDmar } from './dmar-units.ts'
import { readUnitFaults } from './fault-log.ts'
import { plainEntry, plainMessage } from './interrupt-remapper.ts'
import type { IommuSubsystemOptions } from './subsystem-options.ts'
import { enableFaultEvents } from './unit-setup.ts'
import { VtdInterrupts } from './vtd-interrupts.ts'
import { VtdTranslation } from './vtd-translation.ts'

/**
 * The kernel's IOMMU code. Reads and judges the tables at once; touches the hardware when told to.
 *
 * Nothing that tables, hardware or devices do makes it throw: the log, `panic` and the facts tell.
 */
export function createIommuSubsystem(options: IommuSubsystemOptions): IommuSubsystem {
  return new VtdSubsystem(options)
}

class VtdSubsystem implements IommuSubsystem {
  readonly acsRequested: boolean
  readonly #context: IommuSubsystemOptions
  readonly #policy: IommuPolicy
  readonly #source: DmarSource | null
  /** Null where there is no table, or one that the kernel refused. */
  readonly #dmar: DmarUnits | null = null
  /** Why the table was refused. */
  readonly #refused: string | null = null
  readonly #matches = new Map<PciDevice, ScopeMatch | null>()
  readonly #facts = new Map<PciDevice, Fact[]>()
  #interrupts: VtdInterrupts | null = null
  #interruptsOff = 'nobody asked for it'
  #translation: VtdTranslation | null = null
  #panic: string | null = null

  constructor(context: IommuSubsystemOptions) {
    this.#context = context
    this.#source = context.tables
    this.#policy = decidePolicy(context.profile, context.options)
    if (context.tables !== null) {
      const dmar = readDmar(context.tables, context.bus, context.pages, context.log, (text) => {
        this.#panic ??= text
        context.log(`DMAR: the hardware does not work: ${text}`)
      })
      if (typeof dmar === 'string') this.#refused = dmar
      else this.#dmar = dmar
    }
    this.acsRequested = this.#dmar !== null && this.#policy.enabled
  }

  get panic(): string | null {
    return this.#panic
  }

  get interruptRemapping(): boolean {
    return this.#interrupts !== null
  }

  enableInterruptRemapping(): boolean {
    if (this.#dmar === null || this.#source === null) return false
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
    if (this.#dmar === null) return
    this.#translation = new VtdTranslation(this.#context, this.#dmar, this.#policy, devices)
  }

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
    }
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
    const source = this.#source!
    const offset = record.offset ?? 0
    const bytes = source.bytes?.subarray(offset, offset + length)
    return { source: sourceOf(source, record), ...(bytes && { bytes: toHex(bytes) }) }
  }

  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null } {
    const match = this.#match(device)
    if (match === null) return { covered: false, by: null }
    const unit = `DMAR DRHD 0x${match.drhd.base.toString(16)}`
    if (match.scope === null) return { covered: true, by: `${unit}, INCLUDE_PCI_ALL` }
    const above = match.named === device ? '' : ` (${match.named!.id} above it)`
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
    const { pages, witness, options } = this.#context
    const owner = device.id
    const space = this.#translation?.domainOf(device)?.space
    return space
      ? new IommuDma({ owner, maskBits, space, pages, witness, prefer32Bit: !options.forceDac })
      : new DirectDma({ owner, maskBits, pages, witness })
  }

  msiMessage(device: PciDevice, index: number, vector: number): MsiMessage | null {
    if (this.#context.options.noMsi) return null
    if (this.#interrupts === null) return plainMessage(vector)
    const match = this.#match(device)
    if (match === null) {
      this.#because(device, {
        fact: 'interrupts are remapped and no unit names it: it has no MSI domain',
        source: 'map_dev_to_ir',
      })
      return null
    }
    const made = this.#interrupts.message(device, match.drhd, index, vector)
    if (made === null) return null
    this.#because(device, made.fact)
    return made.message
  }

  readFaults(): readonly RecordedFault[] {
    return (this.#dmar?.units ?? []).flatMap(({ unit, segment }) => (unit.dead ? [] : readUnitFaults(unit, segment)))
  }

  flushQueues(): void {
    this.#translation?.flushQueues()
  }

  #because(device: PciDevice, fact: Fact): void {
    const list = this.#facts.get(device) ?? []
    if (!list.some((one) => one.fact === fact.fact)) list.push(fact)
    this.#facts.set(device, list)
  }

  why(device: PciDevice): readonly Fact[] {
    return [
      this.#coverageFact(device),
      ...(this.#match(device) ? this.#policy.why : []),
      ...(this.#translation?.factsOf(device) ?? []),
      ...(this.#facts.get(device) ?? []),
    ]
  }

  #coverageFact(device: PciDevice): Fact {
    if (this.#source === null) return { fact: 'no DMAR: nothing says that an IOMMU is there', source: 'ACPI tables' }
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
