import { type DmaOps, type IommuDomain, IovaSpace } from '@dmascope/dma'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import type { IommuSubsystem, PciDevice } from '../contract.ts'
import { DeviceFacts } from '../device-facts.ts'
import { dmaOpsIn } from '../group-domain.ts'
import type { IommuContext } from '../iommu-context.ts'
import { DART_WINDOW, DartTable } from './dart-table.ts'
import type { DartPlace } from './find-dart.ts'

const PAGE = 4096
/** Linux leaves the DART off where memory ends here or before: devices with 30 address lines reach it all. */
const MEMORY_WITHOUT = 0x4000_0000

/**
 * Linux’s code for the DART of a U3: off with `iommu=off`, and with little memory unless `iommu=force`; else one window of
 * 2 GiB for all devices. There are no groups, and no domains that a user could have.
 */
export class DartSubsystem implements IommuSubsystem {
  readonly acsRequested = false
  readonly interruptRemapping = false
  readonly #context: IommuContext
  readonly #place: DartPlace
  readonly #facts = new DeviceFacts()
  #table: DartTable | null = null
  #space: IovaSpace | null = null
  #domain: IommuDomain | null = null
  #why = 'not set up'

  constructor(context: IommuContext, place: DartPlace) {
    this.#context = context
    this.#place = place
  }

  get panic(): string | null {
    return this.#table?.stuck === true ? 'DART: TLB did not flush after waiting a long time. Buggy U3 ?' : null
  }

  enableInterruptRemapping(): boolean {
    return false
  }

  ioapicEntry(): { readonly lo: number; readonly hi: number } {
    return { lo: 0, hi: 0 }
  }

  attachDevices(): void {
    const { bus, pages, log, ram, options, profile } = this.#context
    const asked = options.parameters.flatMap(({ name, value }) => (name === 'iommu' ? [value ?? ''] : []))
    const memoryEnd = (ram ?? []).reduce((most, { end }) => Math.max(most, end), 0)
    if (asked.includes('off')) {
      this.#why = 'iommu=off'
      return
    }
    if (!asked.includes('force') && memoryEnd <= MEMORY_WITHOUT) {
      this.#why = 'memory ends at 1 GiB or before, and nobody said iommu=force'
      return
    }
    const table = DartTable.create(bus, pages, this.#place.registers)
    if (table === null) {
      this.#why = 'no memory for the table'
      log('DART: table allocation failed')
      return
    }
    log('DART IOMMU initialized for U3 type chipset')
    this.#table = table
    this.#domain = table.domain
    this.#why = `a window of ${DART_WINDOW / 2 ** 30} GiB; unmapped addresses lead to 0x${table.emptyPage.toString(16)}`
    // The first page and the last are never given out.
    const reserved = [
      { start: 0, end: PAGE },
      { start: DART_WINDOW - PAGE, end: DART_WINDOW },
    ]
    const order = profile.iovaOrder === 'top-down' ? 'bottom-up' : profile.iovaOrder
    this.#space = new IovaSpace({ domain: this.#domain, reserved, order })
  }

  configure(): 'ready' {
    return 'ready'
  }

  register(): void {}

  get iommus(): readonly GuestIommu[] {
    const enabled = this.#table !== null
    return [
      {
        id: 'dart',
        kind: 'dart',
        base: this.#place.registers,
        exposed: true,
        enabled,
        interruptRemapping: false,
        default: enabled ? 'dma' : 'none',
        addressWidth: 32,
        why: [{ fact: this.#why, source: this.#place.path }],
      },
    ]
  }

  coverage(): { readonly covered: boolean; readonly by: string | null } {
    return { covered: true, by: `${this.#place.path}, dart` }
  }

  group(): null {
    return null
  }

  domainType(): DomainType {
    return this.#table === null ? 'none' : 'unknown'
  }

  domain(): IommuDomain | null {
    return this.#domain
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    const context = this.#context
    if (this.#domain === null || this.#space === null) return dmaOpsIn(null, context, device, maskBits)
    this.#facts.add(device, { fact: 'DMA addresses are in the DART’s window', source: this.#place.path })
    return dmaOpsIn({ domain: this.#domain, space: this.#space }, context, device, maskBits)
  }

  msiMessage(): null {
    return null
  }

  readFaults(): readonly [] {
    return []
  }

  flushQueues(): void {}

  why(device: PciDevice): readonly Fact[] {
    return [{ fact: this.#why, source: this.#place.path }, ...this.#facts.of(device)]
  }
}
