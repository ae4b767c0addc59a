import { type DmaOps, type IommuDomain, IovaSpace, type PageAllocator } from '@dmascope/dma'
import type { PciFunction } from '../../pci/pci-function.ts'
import type { Endpoint } from '../../powernv/endpoints.ts'
import { isBridge } from '../../powernv/endpoints.ts'
import type { Opal } from '../../powernv/opal.ts'
import { type OpalPhb, segment32 } from '../../powernv/phbs.ts'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import {
  ADD_PE_TO_DOMAIN,
  BUS_ALL,
  BYPASS_HI,
  CLEAR_FREEZE_ALL,
  M32_WINDOW,
  MAP_PE,
  OPAL_PCI_EEH_FREEZE_CLEAR,
  OPAL_PCI_EEH_FREEZE_STATUS,
  OPAL_PCI_MAP_PE_DMA_WINDOW,
  OPAL_PCI_MAP_PE_DMA_WINDOW_REAL,
  OPAL_PCI_MAP_PE_MMIO_WINDOW,
  OPAL_PCI_SET_PE,
  OPAL_PCI_SET_PELTV,
  OPAL_PCI_TCE_KILL,
  TCE_KILL_PE,
} from '../../spec/opal.ts'
import type { IommuSubsystem, PciDevice, RecordedFault } from '../contract.ts'
import { DeviceFacts } from '../device-facts.ts'
import { dmaOpsIn } from '../group-domain.ts'
import type { IommuContext } from '../iommu-context.ts'
import { DirectWindowDma } from '../tce/direct-window-dma.ts'
import { TceLevels, windowDomain } from './tce-levels.ts'

const PAGE = 4096
const LEVELS = 2
const FOUR_GIB = 0x1_0000_0000
/** Where a call leaves an endpoint's state, and what its bits say. */
const STATE_OFFSET = 0
const ERROR_OFFSET = 2
const STOPPED_DMA = 2
/** Address bits that a device must drive to reach the bypass window, which begins at 2^59. */
const BYPASS_BITS = 60
/** How many buses an endpoint may have that is more than one, and how many bits of their number are compared. */
const BUS_BITS: Readonly<Record<number, number>> = { 1: BUS_ALL, 2: 6, 4: 5, 8: 4, 16: 3, 32: 2 }

const iommuName = ({ segment }: OpalPhb): string => `iommu-phb${segment.toString(16).padStart(4, '0')}`
const hex = (number: number): string => number.toString(16)

/** What the code for IODA needs beside what all IOMMU code does. */
export interface IodaPlatform {
  readonly opal: Opal
  readonly phbs: readonly OpalPhb[]
  /** By host bridge, in the order in which Linux makes them. */
  readonly endpoints: readonly Endpoint[]
}

/** An endpoint with windows: an IOMMU group. */
interface Group {
  readonly endpoint: Endpoint
  readonly number: number
  readonly windowSize: number
  readonly domain: IommuDomain
  readonly space: IovaSpace
  readonly bypass: boolean
  frozen: boolean
}

/**
 * Linux's code for host bridges with IODA tables, version 2 and 3: a group for each endpoint that has a function which is
 * no bridge; a window at 0 with TCEs in memory; and, but with `iommu=nobypass`, one at 2^59 that lets addresses through,
 * for devices that drive so many bits.
 *
 * DEVIATION: an endpoint that froze stays so, where Linux would reset its bus. Groups are not offered to VFIO.
 */
export class IodaSubsystem implements IommuSubsystem {
  readonly acsRequested = false
  readonly interruptRemapping = false
  readonly panic = null
  readonly #context: IommuContext
  readonly #platform: IodaPlatform
  readonly #groups: Group[] = []
  readonly #facts = new DeviceFacts()
  readonly #memoryEnd: number

  constructor(context: IommuContext, platform: IodaPlatform) {
    this.#context = context
    this.#platform = platform
    this.#memoryEnd = (context.ram ?? []).reduce((most, { end }) => Math.max(most, end), 0)
  }

  enableInterruptRemapping(): boolean {
    return false
  }

  ioapicEntry(): { readonly lo: number; readonly hi: number } {
    return { lo: 0, hi: 0 }
  }

  attachDevices(): void {
    for (const endpoint of this.#platform.endpoints) {
      this.#configure(endpoint)
      if (endpoint.members.every(isBridge)) continue
      const group = this.#setUp(endpoint)
      if (group === null) continue
      for (const fn of endpoint.members.filter((one) => !isBridge(one))) {
        this.#context.log(`pci ${fn.id}: Adding to iommu group ${group.number}`)
        this.#facts.add(fn, {
          fact: `iommu group ${group.number}: PE ${hex(endpoint.number)}, ${endpoint.all ? 'all below the bridge to conventional PCI' : `bus ${hex(endpoint.bus)}`}`,
          source: endpoint.phb.path,
        })
      }
    }
  }

  /** Requester IDs, error domain, state. */
  #configure(endpoint: Endpoint): void {
    const { opal } = this.#platform
    const { phb, number, bus, all, members } = endpoint
    opal.call(OPAL_PCI_EEH_FREEZE_CLEAR, phb.segment, number, CLEAR_FREEZE_ALL)
    const buses = all ? Math.max(...members.map((one) => one.bus)) - bus + 1 : 1
    const compare = BUS_BITS[buses] ?? BUS_ALL
    const done = opal.call(OPAL_PCI_SET_PE, phb.segment, number, bus << 8, compare, 0, 0, MAP_PE)
    if (done !== 0) this.#context.log(`${phb.path}: OPAL error ${done} trying to setup PELT table`)
    opal.call(OPAL_PCI_SET_PELTV, phb.segment, number, number, ADD_PE_TO_DOMAIN)
    for (const segment of segments32(endpoint)) {
      opal.call(OPAL_PCI_MAP_PE_MMIO_WINDOW, phb.segment, number, M32_WINDOW, 0, segment)
    }
    const which = all ? `${hex(bus)}..${hex(bus + buses - 1)}` : hex(bus)
    this.#context.log(`${phb.path}: [PE# ${hex(number)}] Secondary bus ${which} associated with PE#${hex(number)}`)
  }

  /** `pnv_pci_ioda2_setup_default_config`. */
  #setUp(endpoint: Endpoint): Group | null {
    const { bus, log, options, pages, profile } = this.#context
    const { opal } = this.#platform
    const { phb, number } = endpoint
    const say = (line: string): void => log(`${phb.path}: [PE# ${hex(number)}] ${line}`)
    const windowSize = 2 ** Math.floor(Math.log2(Math.max(this.#memoryEnd, PAGE)))
    const table = TceLevels.create(bus, pages as PageAllocator, windowSize)
    if (table === null) {
      say('Failed to create 32-bit TCE table')
      return null
    }
    say(`Setting up window#0 0..${hex(windowSize - 1)} pg=${hex(PAGE)}`)
    const set = opal.call(
      OPAL_PCI_MAP_PE_DMA_WINDOW,
      phb.segment,
      number,
      number * 2,
      LEVELS,
      table.base,
      table.levelBytes,
      PAGE,
    )
    if (set !== 0) {
      say(`Failed to configure TCE table, err ${set}`)
      return null
    }
    opal.call(OPAL_PCI_TCE_KILL, phb.segment, TCE_KILL_PE, number, 0, 0, 0)
    const wants = !options.parameters.some(
      ({ name, value }) => name === 'iommu' && value?.split(',').includes('nobypass'),
    )
    const bypass = wants && this.#openBypass(endpoint, say)
    const domain = windowDomain(table, { phb: phb.segment, endpoint: number }, opal)
    // Page 0 is never given out, nor what the bridge’s own memory has of the lower 4 GiB.
    const reserved = [{ start: 0, end: PAGE }]
    const { memory32 } = phb
    if (windowSize > memory32.bus) reserved.push({ start: memory32.bus, end: Math.min(windowSize, FOUR_GIB) })
    const order = profile.iovaOrder === 'top-down' ? 'bottom-up' : profile.iovaOrder
    const space = new IovaSpace({ domain, reserved, order })
    const group = { endpoint, number: this.#groups.length, windowSize, domain, space, bypass, frozen: false }
    this.#groups.push(group)
    return group
  }

  #openBypass({ phb, number }: Endpoint, say: (line: string) => void): boolean {
    say('Enabling 64-bit DMA bypass')
    const top = 2 ** Math.ceil(Math.log2(Math.max(this.#memoryEnd, PAGE)))
    const start = { hi: BYPASS_HI, lo: 0 }
    const done = this.#platform.opal.call(
      OPAL_PCI_MAP_PE_DMA_WINDOW_REAL,
      phb.segment,
      number,
      number * 2 + 1,
      start,
      top,
    )
    if (done !== 0) say(`OPAL error ${done} configuring bypass window`)
    return done === 0
  }

  configure(): 'ready' {
    return 'ready'
  }

  register(): void {}

  get iommus(): readonly GuestIommu[] {
    return this.#platform.phbs.map((phb): GuestIommu => {
      const groups = this.#groups.filter(({ endpoint }) => endpoint.phb === phb)
      return {
        id: iommuName(phb),
        kind: 'ioda',
        base: null,
        exposed: true,
        enabled: true,
        interruptRemapping: false,
        default: groups.some(({ bypass }) => bypass) ? 'identity' : 'dma',
        addressWidth: 64,
        why: groups.map(({ endpoint, number, windowSize, bypass }) => ({
          fact: `PE ${hex(endpoint.number)}, group ${number}: TCEs for 0..${hex(windowSize - 1)}${bypass ? ', all memory as it is from 2^59 on' : ''}`,
          source: phb.path,
        })),
      }
    })
  }

  #of(device: PciDevice): Group | undefined {
    return this.#groups.find(({ endpoint }) => endpoint.members.some((one) => one.id === device.id && !isBridge(one)))
  }

  endpointOf(device: PciFunction): number | null {
    return this.#platform.endpoints.find(({ members }) => members.includes(device))?.number ?? null
  }

  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null } {
    const phb = this.#platform.phbs.find(({ segment }) => segment === device.segment)
    if (phb === undefined) return { covered: false, by: null }
    return { covered: true, by: `${phb.path} compatible with ibm,ioda3-phb, ${iommuName(phb)}` }
  }

  group(device: PciDevice): number | null {
    return this.#of(device)?.number ?? null
  }

  /** Linux's groups on this platform have no default domain, and sysfs says `unknown`. */
  domainType(device: PciDevice): DomainType {
    return this.#of(device) === undefined ? 'none' : 'unknown'
  }

  domain(device: PciDevice): IommuDomain | null {
    return this.#of(device)?.domain ?? null
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    const group = this.#of(device)
    const context = this.#context
    if (group === undefined) return dmaOpsIn(null, context, device, maskBits)
    const { endpoint, domain, space, windowSize, bypass } = group
    const source = `${endpoint.phb.path} PE ${hex(endpoint.number)}`
    if (bypass && maskBits >= BYPASS_BITS) {
      this.#facts.add(device, { fact: 'DMA addresses are physical ones plus 2^59: iommu_bypass', source })
      const { pages, witness } = context
      const parts = context.dma?.partsOf(device)
      const base = { hi: BYPASS_HI, lo: 0 }
      return new DirectWindowDma({ owner: device.id, maskBits, pages, witness, ...parts }, base, 'direct')
    }
    this.#facts.add(device, { fact: `DMA addresses are in the window 0..${hex(windowSize - 1)}`, source })
    return dmaOpsIn({ domain, space }, context, device, maskBits)
  }

  msiMessage(): null {
    return null
  }

  /** Endpoints that froze since the last call, as OPAL tells of them. */
  readFaults(): readonly RecordedFault[] {
    const { opal } = this.#platform
    const { buffer } = opal
    const found: RecordedFault[] = []
    for (const group of this.#groups) {
      const { phb, number, members } = group.endpoint
      if (group.frozen) continue
      const answer = opal.call(
        OPAL_PCI_EEH_FREEZE_STATUS,
        phb.segment,
        number,
        buffer + STATE_OFFSET,
        buffer + ERROR_OFFSET,
        0,
      )
      if (answer !== 0 || (opal.result(STATE_OFFSET, 1) & STOPPED_DMA) === 0) continue
      group.frozen = true
      const functions = members.filter((one) => !isBridge(one))
      found.push({
        // The state tells of no requester: only where the endpoint has one function it is known.
        source: functions.length === 1 ? functions[0]!.id : '',
        address: 0,
        reason: 0,
        unit: iommuName(phb),
        recordedIn: 'PEST',
        access: 'unknown',
        text: `EEH: Frozen PHB#${hex(phb.segment)}-PE#${hex(number)} detected`,
      })
    }
    return found
  }

  flushQueues(): void {}

  why(device: PciDevice): readonly Fact[] {
    return this.#facts.of(device)
  }
}

/** Segments of the 32-bit window that an endpoint's functions have registers in; ascending (`pnv_ioda_setup_pe_seg`). */
function segments32({ phb, members }: Endpoint): number[] {
  const { cpu, size } = phb.memory32
  const found = new Set<number>()
  for (const { base, size: bytes } of members.flatMap(({ bars }) => bars)) {
    if (base < cpu || base >= cpu + size) continue
    const last = Math.floor((base - cpu + bytes - 1) / segment32(phb))
    for (let at = Math.floor((base - cpu) / segment32(phb)); at <= last && at < phb.endpoints; at++) found.add(at)
  }
  return [...found].sort((a, b) => a - b)
}
