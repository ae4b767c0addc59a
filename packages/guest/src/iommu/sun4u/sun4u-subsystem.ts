import { type DmaOps, type IommuDomain, TableArena, TableDma } from '@dmascope/dma'
import {
  IOMMU_CONTROL,
  IOMMU_DATA_OFFSET,
  IOMMU_OFFSET,
  IOMMU_TAG,
  IOMMU_TAG_OFFSET,
  IOTLB_ENTRIES,
  SUN4U_IOMMU_REGISTERS,
} from '@dmascope/iommu/sun4u/spec'
import type { KernelPages } from '../../early/page-allocator.ts'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import type { SabreBridge } from '../../sparc64/sabre-bridge.ts'
import type { SabreRegisters } from '../../sparc64/sabre-registers.ts'
import { SABRE_WRSYNC, TSB_ENTRIES } from '../../spec/sabre.ts'
import type { IommuSubsystem, PciDevice, RecordedFault } from '../contract.ts'
import { DeviceFacts } from '../device-facts.ts'
import { dmaOpsIn } from '../group-domain.ts'
import type { IommuContext } from '../iommu-context.ts'
import { Tsb } from './tsb.ts'

const CONTROL = IOMMU_OFFSET + SUN4U_IOMMU_REGISTERS.registers.IOMMU_CONTROL.offset
const TSBBASE = IOMMU_OFFSET + SUN4U_IOMMU_REGISTERS.registers.IOMMU_TSBBASE.offset
const { ENAB, DENAB, TBWSZ, TSBSZ, XLTEERR } = IOMMU_CONTROL.fields
const TAG = IOMMU_TAG.fields
const SMALLEST_TSB = 1024
const PAGE_SHIFT = 13
const ERRORS = ['Protection Error', 'Invalid Error', 'TimeOut Error', 'ECC Error']
const NAME = 'sabre'

const hex = (number: number): string => `0x${number.toString(16)}`

/** The kernel's own pages are there: the table is too large to be cleared before it is written. */
interface Sun4uContext extends IommuContext {
  readonly pages: KernelPages
}

/**
 * Linux's code for the IOMMU in Sabre (`psycho_iommu_init`, `dma_4u_*`): one table for every device, on from the moment
 * that the bridge is probed. There are no groups, and no other domains; nothing on the command line leaves it out.
 */
export class Sun4uSubsystem implements IommuSubsystem {
  readonly acsRequested = false
  readonly interruptRemapping = false
  readonly panic = null
  readonly #context: Sun4uContext
  readonly #bridge: SabreBridge
  readonly #registers: SabreRegisters
  readonly #facts = new DeviceFacts()
  #arena: TableArena | null = null
  /** The whole of it, as one whom the kernel asks for a domain is told. */
  #domain: IommuDomain | null = null

  constructor(context: Sun4uContext, bridge: SabreBridge, registers: SabreRegisters) {
    this.#context = context
    this.#bridge = bridge
    this.#registers = registers
  }

  /** Before buses are scanned. A text is why Linux then uses nothing of what is below the bridge. */
  setUp(): string | null {
    const { dvma } = this.#bridge
    const { bus, pages, log } = this.#context
    if (dvma === null) return 'sabre: No virtual-dma property'
    const entries = TSB_ENTRIES.get(dvma.size)
    if (entries === undefined) return `sabre: Strange virtual-dma size ${hex(dvma.size)}`
    this.#writeControl(DENAB.setLo(this.#registers.readLow(CONTROL), 1))
    this.#clearDiagnostics()
    const tsb = Tsb.create(bus, pages, dvma.base, entries, () => this.#flush())
    if (tsb === null) return 'IOMMU: Error, gfp(tsb) failed'
    this.#registers.write(TSBBASE, Math.floor(tsb.address / 0x1_0000_0000), tsb.address % 0x1_0000_0000)
    const control = TBWSZ.setLo(this.#registers.readLow(CONTROL), 0)
    this.#writeControl(ENAB.setLo(TSBSZ.setLo(control, Math.log2(entries / SMALLEST_TSB)), 1))
    this.#arena = new TableArena(tsb)
    this.#domain = domainOf(tsb)
    log(`${NAME}: IOMMU on, TSB of ${entries} entries at ${hex(tsb.address)}, addresses from ${hex(dvma.base)} on`)
    return null
  }

  #writeControl(low: number): void {
    this.#registers.write(CONTROL, this.#registers.readHigh(CONTROL), low)
  }

  #clearDiagnostics(): void {
    for (let entry = 0; entry < IOTLB_ENTRIES; entry++) {
      this.#registers.write(IOMMU_TAG_OFFSET + entry * 8, 0, 0)
      this.#registers.write(IOMMU_DATA_OFFSET + entry * 8, 0, 0)
    }
  }

  /** `iommu_flushall`: every tag, then a register is read so that the writes are done. */
  #flush(): void {
    for (let entry = 0; entry < IOTLB_ENTRIES; entry++) this.#registers.write(IOMMU_TAG_OFFSET + entry * 8, 0, 0)
    this.#registers.readLow(SABRE_WRSYNC)
  }

  enableInterruptRemapping(): boolean {
    return false
  }

  ioapicEntry(): { readonly lo: number; readonly hi: number } {
    return { lo: 0, hi: 0 }
  }

  attachDevices(devices: readonly PciDevice[]): void {
    for (const device of devices) {
      this.#facts.add(device, {
        fact: 'all that is below the host bridge is behind its IOMMU: there is no way to say of a device that it is not',
        source: `${this.#bridge.path} virtual-dma`,
      })
    }
  }

  configure(): 'ready' {
    return 'ready'
  }

  register(): void {}

  get iommus(): readonly GuestIommu[] {
    const { path, dvma, registers } = this.#bridge
    const table = this.#arena?.table
    const stated = dvma === null ? 'nothing' : `addresses ${hex(dvma.base)} to ${hex(dvma.base + dvma.size - 1)}`
    return [
      {
        id: NAME,
        kind: 'sun4u',
        base: registers + IOMMU_OFFSET,
        exposed: true,
        enabled: table !== undefined,
        interruptRemapping: false,
        default: table === undefined ? 'none' : 'dma',
        addressWidth: 32,
        why: [{ fact: `the tree states ${stated}, for all devices`, source: `${path} virtual-dma` }],
      },
    ]
  }

  coverage(): { readonly covered: boolean; readonly by: string | null } {
    const { dvma, path } = this.#bridge
    return dvma === null ? { covered: false, by: null } : { covered: true, by: `${path} virtual-dma, ${NAME}` }
  }

  /** Linux has no IOMMU groups here. */
  group(): null {
    return null
  }

  domainType(): DomainType {
    return 'none'
  }

  domain(): IommuDomain | null {
    return this.#domain
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    const { pages, witness } = this.#context
    const arena = this.#arena
    if (arena === null) return dmaOpsIn(null, this.#context, device, maskBits)
    const { base, entries } = arena.table
    this.#facts.add(device, {
      fact: `DMA addresses are ${hex(base)} to ${hex(base + entries * 2 ** PAGE_SHIFT - 1)}, by the TSB`,
      source: 'dma_4u_map_page',
    })
    return new TableDma({ owner: device.id, maskBits, arena, pages, witness })
  }

  msiMessage(): null {
    return null
  }

  /** What hardware keeps of errors: the control register says that there are some, the tags which pages they were of. */
  readFaults(): readonly RecordedFault[] {
    const control = this.#registers.readLow(CONTROL)
    if (XLTEERR.get(control) === 0) return []
    this.#writeControl(XLTEERR.setLo(control, 0))
    const found: RecordedFault[] = []
    for (let entry = 0; entry < IOTLB_ENTRIES; entry++) {
      const offset = IOMMU_TAG_OFFSET + entry * 8
      const tag = this.#registers.readLow(offset)
      if (TAG.ERR.get(tag) === 0) continue
      this.#registers.write(offset, 0, 0)
      const address = TAG.VPN.get(tag) * 2 ** PAGE_SHIFT
      const write = TAG.WRITE.get(tag) === 1
      found.push({
        // No requester is told from another.
        source: '',
        address,
        reason: TAG.ERRSTS.get(tag),
        unit: NAME,
        recordedIn: 'IOMMU TLB tag',
        access: write ? 'write' : 'read',
        text: `IOMMU TAG(${entry})[error(${ERRORS[TAG.ERRSTS.get(tag)]}) wr(${write ? 1 : 0}) vpg(${address.toString(16).padStart(8, '0')})]`,
      })
    }
    return found
  }

  flushQueues(): void {}

  why(device: PciDevice): readonly Fact[] {
    return this.#facts.of(device)
  }
}

/** What is unmapped through it is flushed when asked. */
function domainOf(tsb: Tsb): IommuDomain {
  const page = 2 ** PAGE_SHIFT
  const entryOf = (iova: number): number => (iova - tsb.base) / page
  return {
    type: 'dma',
    apertureEnd: tsb.base + tsb.entries * page,
    map(iova, physical, length, access) {
      const first = entryOf(iova)
      const fits = Number.isInteger(first) && first >= 0 && length % page === 0 && first + length / page <= tsb.entries
      if (!fits || physical % page !== 0) return false
      for (let done = 0; done < length; done += page) tsb.set(first + done / page, physical + done, access)
      return true
    },
    unmap(iova, length) {
      for (let done = 0; done < length; done += page) tsb.clear(entryOf(iova + done))
    },
    flush: () => tsb.flushAll(),
  }
}
