import { PortTlb, type RequesterId } from '@dmascope/iommu'
import { AddressSpace, type CpuBus, type DmaWitness, GuestRam, type MmioHandler } from '@dmascope/memory'
import { isPhysicalFunction, type PciBus, type PciFunction, type PciSlot, RootComplex } from '@dmascope/pci'
import type { Architecture, Board, BoardHardware } from './board/board.ts'
import { IncoherentCpuBus } from './coherency/incoherent-cpu-bus.ts'
import { createMemorySystem, type MemorySystem, type MemorySystemPlan } from './coherency/memory-system.ts'
import type { ReadAheadCache } from './coherency/read-ahead-cache.ts'
import { CONFIDENTIAL_GUESTS, type ConfidentialKind } from './confidential/confidential-guest.ts'
import { PrivateMemory } from './confidential/private-memory.ts'
import type { DeviceDescription } from './description.ts'
import type { DeviceMemory } from './fabric/device-memory.ts'
import { FabricPort } from './fabric/fabric-port.ts'
import { DeviceLedger, Ledger, type TracedAccess } from './fabric/ledger.ts'
import type { MemoryOwners } from './fabric/memory-owners.ts'
import { type ChannelDevice, PlatformDevices, type PluggedPlatformDevice } from './fabric/platform-devices.ts'
import { PluggedFunctions } from './fabric/plugged-functions.ts'
import { RunQueue } from './fabric/run-queue.ts'
import type { FirmwareFiles } from './firmware/firmware-file.ts'
import { type FileRefresh, FwCfg } from './firmware/fw-cfg.ts'
import type { FirmwareRegion } from './firmware-regions/firmware-region.ts'
import { ResidentEngine } from './firmware-regions/resident-engine.ts'
import type { InboundMap } from './inbound/inbound-map.ts'
import type { IommuWiring, MachineIommu } from './iommu/machine-iommu.ts'
import type { DeviceObservation } from './observation.ts'
import { MemoryFilter, type OpenRegion } from './restricted/memory-filter.ts'

/** A function to plug in, and which IOMMUs stand on its ways. */
export interface PluggedFunction {
  readonly function: PciFunction
  readonly model: string
  readonly described: DeviceDescription | null
  readonly bus?: PciBus
  /** The segment that it goes into; the first unless given. */
  readonly root?: RootComplex
  readonly device: number
  readonly fn: number
  /** What its DMA goes through; null for straight to memory. */
  readonly dmaThrough: MachineIommu | null
  /** What its interrupt messages go through: they can meet an IOMMU that its DMA does not. */
  readonly messagesThrough: MachineIommu | null
  /** False where its DMA is wired past the buses above it, straight to memory; through their windows unless given. */
  readonly entersBus?: boolean
  /** Of a function with SR-IOV: the model of its virtual ones, which are wired as it is itself. */
  readonly virtualModel?: string
  /** Instead: each of them, in order, where they are devices of their own. */
  readonly virtual?: readonly Pick<PluggedFunction, 'model' | 'described' | 'dmaThrough' | 'entersBus'>[]
}

/** A root bus besides the first, as an expander on the first one brings it. */
export interface ExpanderBus {
  readonly number: number
  readonly express: boolean
  /** Device number of the expander on the first root bus: interrupt pins pass through it. */
  readonly device: number
}

export interface MachineOptions {
  readonly board: Board
  readonly memory: number
  /** Makes the IOMMUs, where there are any, over the machine's RAM. */
  readonly createIommus?: (wiring: IommuWiring) => readonly MachineIommu[]
  /** Which of the IOMMUs is in front of the first root bus: the first unless given; null where none is. */
  readonly rootIommu?: number | null
  /** How the buses of PCI see memory; at its own address unless given. */
  readonly inbound?: InboundMap | null
  /** What stands between the processor and RAM, where that is not nothing. */
  readonly memorySystem?: MemorySystemPlan | null
  /** The only memory that devices reach; all of it unless given. */
  readonly openRegion?: OpenRegion | null
  /** The guest's memory is closed to devices, but for what the guest opens. */
  readonly confidential?: ConfidentialKind | null
  /** Record each DMA. */
  readonly trace?: boolean
}

/**
 * An emulated machine. Software runs on its `bus`; devices reach memory through their ports; the ledger watches.
 *
 * Build one with `createMachine`, and `dispose` it when done: RAM is then used again.
 */
export class Machine {
  readonly bus: CpuBus
  readonly witness: DmaWitness
  readonly iommus: readonly MachineIommu[]
  readonly root: RootComplex
  /** One a segment of PCI; the first is `root`. */
  readonly roots: readonly RootComplex[]
  readonly #ram: GuestRam
  readonly #cpuSpace: AddressSpace
  readonly #dmaSpace: AddressSpace
  readonly #queue = new RunQueue()
  readonly #ledger: Ledger
  readonly #plugged: PluggedFunctions
  readonly #platform: PlatformDevices
  readonly #board: Board
  readonly #hardware: BoardHardware
  readonly #expanders = new Map<PciBus, number>()
  readonly #memory: number
  readonly #private: PrivateMemory | null
  readonly #memorySystem: MemorySystem | null
  readonly #inbound: InboundMap | null
  readonly #filter: MemoryFilter | null

  constructor(options: MachineOptions) {
    const { board, memory } = options
    this.#board = board
    this.#memory = memory
    this.#inbound = options.inbound ?? null
    this.#ram = new GuestRam(board.ramRanges(memory))
    const { memorySystem: between } = options
    this.#memorySystem = between ? createMemorySystem(between, this.#ram) : null
    this.#filter = options.openRegion ? new MemoryFilter(this.#ram, options.openRegion) : null
    this.#cpuSpace = new AddressSpace(this.#ram)
    this.#dmaSpace = new AddressSpace(this.#ram)
    const guest = options.confidential ? CONFIDENTIAL_GUESTS[options.confidential] : null
    this.#private = guest === null ? null : new PrivateMemory(this.#ram, guest.privacy)
    this.roots = (board.segments ?? [0]).map(
      (segment) => new RootComplex({ segment, bus: { extendedConfig: board.express } }),
    )
    this.root = this.roots[0]!
    this.#plugged = new PluggedFunctions(this.roots)
    this.#ledger = new Ledger((owner) => this.#plugged.find(owner)?.ledger ?? this.#platform.find(owner), {
      trace: options.trace === true,
    })
    this.witness = this.#ledger
    this.#platform = new PlatformDevices({
      cpuSpace: this.#cpuSpace,
      dmaSpace: this.#dmaSpace,
      books: this.#ledger,
      queue: this.#queue,
      memoryOf: (ledger) => this.#memoryOf(ledger),
      setWire: (wire, asserted) => this.#hardware.setWire(wire, asserted),
    })
    this.#hardware = board.build({
      cpuSpace: this.#cpuSpace,
      dmaSpace: this.#dmaSpace,
      root: this.root,
      roots: this.roots,
      queue: this.#queue,
      iommus: () => this.iommus,
      processor: guest === null || this.#private === null ? {} : guest.processor(this.#private),
      expanderOf: (bus) => this.#expanders.get(bus) ?? null,
    })
    const { bus } = this.#hardware
    this.bus = this.#memorySystem === null ? bus : new IncoherentCpuBus(bus, this.#cpuSpace, this.#memorySystem)
    this.iommus =
      options.createIommus?.({
        ram: this.#ram,
        raiseMsi: (hi, lo, data) => this.#hardware.raiseMsi(hi, lo, data),
        raiseWire: (index) => this.#hardware.raiseWire(index),
        onFault: (fault) => {
          const { current } = this.#queue
          if (!this.#platform.recordFault(fault, current)) this.#plugged.recordFault(fault, current)
        },
        hasRequester: (requester) => this.#plugged.hasRequester(requester),
        touch: (one) => this.#queue.touch(one),
      }) ?? []
    for (const space of [this.#cpuSpace, this.#dmaSpace]) {
      for (const { windows } of this.iommus) {
        for (const { name, base, size, handler } of windows) space.add({ name, base, size, handler, kind: 'mmio' })
      }
    }
    for (const built of board.functions) {
      const { device, fn, model } = built
      const iommu = options.rootIommu === null ? null : (this.iommus[options.rootIommu ?? 0] ?? null)
      this.plug({
        function: built.create(),
        model,
        described: null,
        device,
        fn,
        dmaThrough: iommu,
        messagesThrough: iommu,
      })
    }
    this.#hardware.finish()
  }

  get architecture(): Architecture {
    return this.#board.architecture
  }

  /** Adds a root bus. @throws RangeError where its number is taken */
  addExpanderBus({ number, express, device }: ExpanderBus): PciBus {
    const bus = this.root.addRootBus(number, { extendedConfig: express, expander: device })
    this.#expanders.set(bus, device)
    return bus
  }

  /** Plugs a function in, and wires it and its virtual functions. @throws RangeError where the slot is taken */
  plug(one: PluggedFunction): void {
    const root = one.root ?? this.root
    const at = { device: one.device, fn: one.fn, ...(one.bus !== undefined && { bus: one.bus }) }
    this.#wire(one, root, root.attach(one.function, at))
    if (!isPhysicalFunction(one.function)) return
    for (const [index, virtual] of one.function.virtualFunctions.entries()) {
      const own = one.virtual?.[index] ?? { model: one.virtualModel ?? one.model, described: null }
      this.#wire({ ...one, ...own, function: virtual }, root, root.slotOf(virtual))
    }
  }

  #wire(one: PluggedFunction, root: RootComplex, slot: PciSlot): void {
    const ledger = new DeviceLedger()
    const { messages } = this.#hardware
    const requester = requesterOf(slot, one.dmaThrough ?? one.messagesThrough)
    const tlb = tlbFor(requester, one.dmaThrough)
    const port = new FabricPort(
      {
        space: this.#dmaSpace,
        books: this.#ledger,
        messages,
        sendMessage: (addressLo, data) => messages.send(one.messagesThrough, slot.sourceId, addressLo, data),
        ringDoorbell: (address, data) => messages.ring(address, data, slot.sourceId),
        setPin: (asserted) => this.#hardware.setPin(one.function, asserted),
        busMasterEnabled: () => one.function.config.busMasterEnabled,
        turn: () => this.#queue.turns,
        name: () => this.#plugged.idOf(slot, root),
        ...this.#memoryOf(ledger),
      },
      ledger,
      tlb,
      one.messagesThrough === one.dmaThrough ? tlb : tlbFor(requester, one.messagesThrough),
      // Messages take the bus's way, whatever the data does.
      { dma: one.entersBus === false ? null : this.#inbound, messages: this.#inbound },
    )
    one.function.connect(port, port)
    one.function.config.onWrite(0, one.function.config.size, () => this.#queue.touch(one.function))
    this.#plugged.add({
      function: one.function,
      model: one.model,
      described: one.described,
      root,
      slot,
      requester,
      port,
      ledger,
      behindIommu: one.messagesThrough !== null,
      faults: [],
      resident: null,
    })
  }

  /**
   * Leaves something running in a device that uses memory of its own from now on.
   *
   * @param id - the device's name in the description
   * @throws RangeError where no function bears it
   */
  leaveRunning(id: string, base: number, size: number): FirmwareRegion {
    const plugged = this.#plugged.named(id)
    if (plugged === null) throw new RangeError(`no function of the name ${id}`)
    plugged.resident = new ResidentEngine(plugged.port, plugged.ledger, base, size)
    this.#queue.follow(plugged.function, plugged.resident)
    return { base, size, slot: plugged.slot, segment: plugged.root.segment }
  }

  #memoryOf(ledger: DeviceLedger): { readonly memory?: DeviceMemory } {
    const between = this.#memorySystem ?? this.#private ?? this.#filter
    return between === null ? {} : { memory: between.ofDevice(ledger) }
  }

  /** Waits until what the processor has written is in memory. */
  drainWrites(): void {
    this.#memorySystem?.drain()
  }

  /** What reads ahead between the processor's caches and RAM; null where nothing does. */
  get readAhead(): ReadAheadCache | null {
    return this.#memorySystem?.readAhead ?? null
  }

  /** Puts registers in place behind which there is no device. */
  addRegisters(registers: { name: string; base: number; size: number; handler: MmioHandler }): void {
    const { name, base, size, handler } = registers
    for (const space of [this.#cpuSpace, this.#dmaSpace]) space.add({ name, base, size, handler, kind: 'mmio' })
  }

  /** Plugs in a device that is on no bus. @throws RangeError where its place is taken */
  plugPlatform(one: PluggedPlatformDevice): void {
    this.#platform.plug(one)
  }

  /** Gives a device at the end of a subchannel its way to memory. @throws RangeError where another has its name */
  plugChannel(one: ChannelDevice): void {
    this.#platform.plugChannel(one)
  }

  /**
   * Wires a function's DMA anew: through its bus, behind the first IOMMU of its segment, or past both. Neither tables nor description change; the report must see it all the same.
   *
   * @throws RangeError where nothing sits at that address
   */
  rewire(id: string, behindIommu: boolean): void {
    const plugged = this.#plugged.find(id)
    if (plugged === null) throw new RangeError(`no function at ${id}`)
    const iommu = this.iommus.find(({ segment = 0 }) => segment === plugged.root.segment) ?? null
    plugged.port.rewire(tlbFor(plugged.requester, behindIommu ? iommu : null), behindIommu ? this.#inbound : null)
  }

  /**
   * Offers firmware its files through fw_cfg. Once.
   *
   * @param refresh - files that are made anew when firmware first reads one of them
   */
  offerFirmwareFiles(
    files: FirmwareFiles,
    facts: { readonly cpus: number; readonly commandLine: string },
    refresh: FileRefresh | null = null,
  ): void {
    this.#hardware.place(new FwCfg(this.#cpuSpace, { memoryBytes: this.#memory, ...facts }, files, refresh))
  }

  /** Puts bytes into memory before any software runs, as QEMU does with what it is to boot. */
  load(address: number, bytes: Uint8Array): void {
    if (this.#memorySystem === null) this.#cpuSpace.writeBytes(address, bytes)
    else this.#memorySystem.load(address, bytes)
  }

  /** Firmware is done: what devices do from now on is the kernel's doing. */
  endFirmwarePhase(): void {
    for (const { ledger } of this.#plugged) ledger.phase = 'probe'
    this.#platform.endFirmwarePhase()
    this.#private?.endFirmware()
  }

  /** What was seen of every function, in bus order, then of what is on no bus. Copies: later DMA does not change them. */
  observe(): DeviceObservation[] {
    return [...this.#plugged.observe(), ...this.#platform.observe()]
  }

  /** Each DMA, where the machine was built with `trace`; `dropped` counts those beyond what is kept. */
  get trace(): { readonly accesses: readonly TracedAccess[]; readonly dropped: number } {
    return { accesses: this.#ledger.trace ?? [], dropped: this.#ledger.traceDropped }
  }

  /** A hypervisor has the machine's memory now: whose it is is told with what goes astray. */
  setMemoryOwners(owners: MemoryOwners): void {
    this.#ledger.owners = owners
  }

  /** Gives RAM back. The machine must not be used after that. */
  dispose(): void {
    this.#ram.dispose()
    this.#memorySystem?.dispose()
  }
}

/** The ID that requests from this slot bear, or that the IOMMU takes them to bear. */
function requesterOf(slot: PciSlot, iommu: MachineIommu | null): () => RequesterId {
  if (iommu?.namesFunctionsOnce !== true) return () => slot.sourceId
  const first = slot.sourceId
  return () => first
}

/** A port's own copies of translations, in front of the IOMMU that it is wired behind. */
const tlbFor = (requester: () => RequesterId, iommu: MachineIommu | null): PortTlb | null =>
  iommu === null ? null : new PortTlb(iommu.translator, requester)
