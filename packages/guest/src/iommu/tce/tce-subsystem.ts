import { type DtNode, parseIbmDmaWindow } from '@dmascope/devicetree'
import { type DmaOps, type IommuDomain, IovaSpace, type PageAllocator } from '@dmascope/dma'
import { isBefore } from '../../profile/guest-profile.ts'
import type { HostBridge } from '../../pseries/host-bridges.ts'
import type { HypervisorCalls } from '../../pseries/hypervisor.ts'
import type { Rtas } from '../../pseries/rtas.ts'
import type { DomainType, Fact, GuestIommu } from '../../result.ts'
import type { GroupOwnership, IommuSubsystem, PciDevice } from '../contract.ts'
import { DeviceFacts } from '../device-facts.ts'
import { dmaOpsIn, type GroupDomain } from '../group-domain.ts'
import type { IommuContext } from '../iommu-context.ts'
import { DirectWindowDma } from './direct-window-dma.ts'
import { createDynamicWindow, memoryLimit } from './dynamic-window.ts'
import { defaultWindowDomain, type KnownWindow, reservedBefore, TceTable } from './tce-domain.ts'

const PAGE = 4096
const DEFAULT_PAGE_SHIFT = 12
/** More pages than the tree of any machine has room for: they are not tried one by one. */
const MOST_PAGES = 2 ** 24

/** As in sysfs. */
const iommuName = ({ segment }: HostBridge): string => `iommu-phb${segment.toString(16).padStart(4, '0')}`

/** What the TCE code needs beside what all IOMMU code does. */
export interface TcePlatform {
  readonly bridges: readonly HostBridge[]
  readonly rtas: Rtas
  readonly rtasNode: DtNode | undefined
  readonly calls: HypervisorCalls
}

/** A host bridge's windows, shared by all that is below it. */
interface BridgeWindows {
  readonly bridge: HostBridge
  readonly group: number
  readonly window: KnownWindow
  readonly domain: IommuDomain
  readonly space: IovaSpace
  /** The dynamic window, where one maps all memory. */
  direct: KnownWindow | null
  /** It was asked for once, and is not asked for again. */
  asked: boolean
  /** Of the user whose the group is; null while it is the kernel's. */
  taken: GroupDomain | null
}

/**
 * Linux's code for partitions: one group and one default window for each host bridge, and a dynamic window for devices
 * that drive 64 address bits. All DMA of the DMA API is translated; there is no identity domain.
 */
export class TceSubsystem implements IommuSubsystem {
  readonly acsRequested = false
  readonly interruptRemapping = false
  readonly panic = null
  readonly #context: IommuContext
  readonly #platform: TcePlatform
  readonly #windows: BridgeWindows[] = []
  readonly #facts = new DeviceFacts()
  readonly #list: number | null
  #devices: readonly PciDevice[] = []
  #isOff: boolean

  constructor(context: IommuContext, platform: TcePlatform) {
    this.#context = context
    this.#platform = platform
    // `iommu=off` makes prom_init leave a mark in the tree that keeps all of this from being set up.
    this.#isOff = context.options.iommuOff
    this.#list = (context.pages as PageAllocator).allocate(1)
  }

  enableInterruptRemapping(): boolean {
    return false
  }

  ioapicEntry(): { readonly lo: number; readonly hi: number } {
    return { lo: 0, hi: 0 }
  }

  attachDevices(devices: readonly PciDevice[]): void {
    const { log } = this.#context
    if (this.#isOff) {
      log('iommu=off: no DMA window is used')
      return
    }
    this.#devices = devices
    for (const bridge of this.#platform.bridges) this.#setUp(bridge)
    for (const device of devices) {
      const found = this.#of(device)
      if (found === undefined) continue
      log(`pci ${device.id}: Adding to iommu group ${found.group}`)
      this.#facts.add(device, {
        fact: `iommu group ${found.group}: all that is below the host bridge`,
        source: found.bridge.path,
      })
    }
  }

  #setUp(bridge: HostBridge): void {
    const { bus, log, profile } = this.#context
    const [stated] = parseIbmDmaWindow(bridge.node)
    const address = stated?.address
    const size = stated?.size
    if (
      stated === undefined ||
      this.#list === null ||
      typeof address !== 'number' ||
      typeof size !== 'number' ||
      size < PAGE
    ) {
      log(`${bridge.path}: no ibm,dma-window that could be used`)
      return
    }
    const window = {
      liobn: stated.liobn,
      hi: Math.floor(address / 0x1_0000_0000),
      lo: address % 0x1_0000_0000,
      pageShift: DEFAULT_PAGE_SHIFT,
      windowShift: Math.ceil(Math.log2(size)),
    }
    const domain = defaultWindowDomain(new TceTable(window, this.#platform.calls, bus, this.#list))
    // Linux's TCE code gives addresses out from the bottom.
    const order = profile.iovaOrder === 'top-down' ? 'bottom-up' : profile.iovaOrder
    const space = new IovaSpace({ domain, reserved: [reservedBefore(window)], order })
    const group = this.#windows.length
    this.#windows.push({ bridge, group, window, domain, space, direct: null, asked: false, taken: null })
    log(`IOMMU table initialized for ${bridge.path}: LIOBN 0x${window.liobn.toString(16)}`)
  }

  configure(): 'ready' {
    return 'ready'
  }

  register(): void {}

  get iommus(): readonly GuestIommu[] {
    return this.#windows.map(({ bridge, window, direct }): GuestIommu => {
      const base = (one: KnownWindow): string => `0x${(one.hi * 0x1_0000_0000 + one.lo).toString(16)}`
      const why = [
        {
          fact: `default window of 2^${window.windowShift} bytes at ${base(window)}`,
          source: `${bridge.path} ibm,dma-window`,
        },
      ]
      if (direct !== null) {
        why.push({
          fact: `dynamic window of 2^${direct.windowShift} bytes at ${base(direct)}, pages of 2^${direct.pageShift}, maps all memory`,
          source: 'ibm,create-pe-dma-window',
        })
      }
      return {
        id: iommuName(bridge),
        kind: 'tce',
        base: null,
        exposed: true,
        enabled: true,
        interruptRemapping: false,
        default: 'dma',
        addressWidth: 64,
        why,
      }
    })
  }

  #of(device: PciDevice): BridgeWindows | undefined {
    return this.#windows.find(({ bridge }) => bridge.segment === device.segment)
  }

  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null } {
    const bridge = this.#platform.bridges.find(({ segment }) => segment === device.segment)
    const stated = bridge && parseIbmDmaWindow(bridge.node)[0]
    if (bridge === undefined || stated === undefined) return { covered: false, by: null }
    return {
      covered: true,
      by: `${bridge.path} ibm,dma-window, LIOBN 0x${stated.liobn.toString(16)}, ${iommuName(bridge)}`,
    }
  }

  group(device: PciDevice): number | null {
    return this.#of(device)?.group ?? null
  }

  /** Linux's groups on this platform have no default domain, and sysfs says `unknown`. */
  domainType(device: PciDevice): DomainType {
    return this.#of(device) === undefined ? 'none' : 'unknown'
  }

  domain(device: PciDevice): IommuDomain | null {
    return this.#of(device)?.domain ?? null
  }

  /** A driver says how many address bits its device drives: with all 64, it gets the dynamic window. */
  setDmaMask(device: PciDevice, maskBits: number): void {
    const found = this.#of(device)
    if (found === undefined || maskBits < 64 || found.asked || found.taken !== null) return
    found.asked = true
    const { options, profile, ram = [], log } = this.#context
    if (options.parameters.some(({ name }) => name === 'disable_ddw')) return
    const end = ram.reduce((most, range) => Math.max(most, range.end), 0)
    const limit = memoryLimit(profile, this.#platform.rtasNode, end)
    const { window, direct, lines } = createDynamicWindow(found.bridge, device, this.#platform.rtas, limit)
    for (const line of lines) log(line)
    if (window === null || !direct || this.#list === null) return
    const table = new TceTable(window, this.#platform.calls, this.#context.bus, this.#list)
    const page = 2 ** window.pageShift
    const count = Math.ceil(Math.min(end, limit) / page)
    if (count > MOST_PAGES || !table.set(0, 0, count * page, 3)) {
      log(`failed to map DMA window for ${found.bridge.path}`)
      return
    }
    found.direct = window
  }

  dmaOps(device: PciDevice, maskBits: number): DmaOps {
    this.setDmaMask(device, maskBits)
    const found = this.#of(device)
    const { pages, witness } = this.#context
    if (found === undefined) return dmaOpsIn(null, this.#context, device, maskBits)
    const { direct, window, domain, space, taken } = found
    if (taken !== null) return dmaOpsIn(taken, this.#context, device, maskBits)
    if (direct !== null && maskBits >= 64) {
      this.#facts.add(device, {
        fact: `DMA addresses are physical ones plus 0x${direct.hi.toString(16)}${direct.lo.toString(16).padStart(8, '0')}, in the dynamic window`,
        source: `LIOBN 0x${direct.liobn.toString(16)}`,
      })
      const parts = this.#context.dma?.partsOf(device)
      return new DirectWindowDma({ owner: device.id, maskBits, pages, witness, ...parts }, direct)
    }
    this.#facts.add(device, {
      fact: `DMA addresses are in the default window of 2^${window.windowShift} bytes`,
      source: `LIOBN 0x${window.liobn.toString(16)}`,
    })
    return dmaOpsIn({ domain, space }, this.#context, device, maskBits)
  }

  /**
   * A group of VFIO's is a host bridge with all its windows. Kernels before 6.4 offer VFIO nothing on this platform, and
   * those before 6.11 nothing in a partition.
   */
  get ownership(): GroupOwnership | null {
    if (isBefore(this.#context.profile, '6.12') || this.#windows.length === 0) return null
    const windowsOf = (group: number): BridgeWindows | undefined => this.#windows.find((one) => one.group === group)
    return {
      api: 'spapr',
      members: (group) => this.#devices.filter((device) => this.#of(device)?.group === group),
      regions: () => [],
      createDomain: (group) => windowsOf(group)?.domain ?? null,
      attach: (group, domain) => {
        const found = windowsOf(group)
        return found === undefined ? `there is no group ${group}` : this.#move(found, domain)
      },
    }
  }

  /** The dynamic window goes, and what the default one maps; a driver that comes back asks for the former anew. */
  #move(found: BridgeWindows, to: GroupDomain | null): null {
    const { bridge, direct, window, domain } = found
    const remove = bridge.node.cells('ibm,ddw-applicable')[2]
    if (direct !== null && remove !== undefined) {
      const { status } = this.#platform.rtas.callToken(remove, [direct.liobn], 1)
      this.#context.log(`${bridge.path}: ibm,remove-pe-dma-window of LIOBN 0x${direct.liobn.toString(16)}: ${status}`)
    }
    found.direct = null
    found.asked = false
    const start = window.hi * 0x1_0000_0000 + window.lo
    domain.unmap(start, 2 ** window.windowShift)
    found.taken = to
    return null
  }

  msiMessage(): null {
    return null
  }

  readFaults(): readonly [] {
    return []
  }

  flushQueues(): void {}

  why(device: PciDevice): readonly Fact[] {
    return this.#facts.of(device)
  }
}
