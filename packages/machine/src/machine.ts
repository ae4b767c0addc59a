import { PortTlb } from '@dmascope/iommu'
import { AddressSpace, type CpuBus, type DmaWitness, GuestRam, PortSpace } from '@dmascope/memory'
import { type PciBus, type PciFunction, type PciSlot, RootComplex } from '@dmascope/pci'
import type { Chipset } from './chipset/chipset.ts'
import { followPciexbar, placeBiosRom } from './chipset/chipset.ts'
import { MachineCpuBus } from './cpu-bus.ts'
import type { DeviceDescription } from './description.ts'
import { FabricPort } from './fabric/fabric-port.ts'
import { DeviceLedger, Ledger, type TracedAccess } from './fabric/ledger.ts'
import { PciWindow } from './fabric/pci-window.ts'
import { PluggedFunctions } from './fabric/plugged-functions.ts'
import { RunQueue } from './fabric/run-queue.ts'
import { type FileRefresh, FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT, FwCfg } from './firmware/fw-cfg.ts'
import { IntxLines } from './interrupts/intx-lines.ts'
import { IOAPIC_BASE, IOAPIC_ID, IoApic } from './interrupts/ioapic.ts'
import { LocalApic } from './interrupts/lapic.ts'
import { MessageRouter } from './interrupts/message-router.ts'
import type { IommuWiring, MachineIommu } from './iommu/machine-iommu.ts'
import type { DeviceObservation } from './observation.ts'

const FOUR_GIB = 0x1_0000_0000

/** A function to plug in, and which IOMMUs stand on its ways. */
export interface PluggedFunction {
  readonly function: PciFunction
  readonly model: string
  readonly described: DeviceDescription | null
  readonly bus?: PciBus
  readonly device: number
  readonly fn: number
  /** What its DMA goes through; null for straight to memory. */
  readonly dmaThrough: MachineIommu | null
  /** What its interrupt messages go through: they can meet an IOMMU that its DMA does not. */
  readonly messagesThrough: MachineIommu | null
}

/** A root bus besides the first, as an expander on the first one brings it. */
export interface ExpanderBus {
  readonly number: number
  readonly express: boolean
  /** Device number of the expander on the first root bus: interrupt pins pass through it. */
  readonly device: number
}

export interface MachineOptions {
  readonly chipset: Chipset
  readonly memory: number
  /** Makes the IOMMUs, where there are any, over the machine's RAM. */
  readonly createIommus?: (wiring: IommuWiring) => readonly MachineIommu[]
  /** The first root bus is wired past the IOMMU: `default_bus_bypass_iommu`. */
  readonly rootBusBypass?: boolean
  /** Record each DMA. */
  readonly trace?: boolean
}

/**
 * An emulated PC. Software runs on its `bus`; devices reach memory through their ports; the ledger watches.
 *
 * Build one with `createMachine`, and `dispose` it when done: RAM is then used again.
 */
export class Machine {
  readonly bus: CpuBus
  readonly witness: DmaWitness
  readonly iommus: readonly MachineIommu[]
  readonly root: RootComplex
  readonly #ram: GuestRam
  readonly #cpuSpace: AddressSpace
  readonly #dmaSpace: AddressSpace
  readonly #ports = new PortSpace()
  readonly #lines: IntxLines
  readonly #queue = new RunQueue()
  readonly #ledger: Ledger
  readonly #plugged: PluggedFunctions
  readonly #chipset: Chipset
  readonly #expanders = new Map<PciBus, number>()
  readonly #messages: MessageRouter
  readonly #memory: number

  constructor(options: MachineOptions) {
    const { chipset, memory } = options
    this.#chipset = chipset
    this.#memory = memory
    const low = chipset.lowRamEnd(memory)
    this.#ram = new GuestRam(
      memory > low
        ? [
            { base: 0, size: low },
            { base: FOUR_GIB, size: memory - low },
          ]
        : [{ base: 0, size: low }],
    )
    this.#cpuSpace = new AddressSpace(this.#ram)
    this.#dmaSpace = new AddressSpace(this.#ram)
    const spaces = [this.#cpuSpace, this.#dmaSpace]
    this.root = new RootComplex({ bus: { extendedConfig: chipset.express } })
    this.#plugged = new PluggedFunctions(this.root)
    const apic = new LocalApic((vector) => ioapic.endOfInterrupt(vector))
    this.#messages = new MessageRouter(apic)
    const ioapic = new IoApic(IOAPIC_ID, (addressLo, data, level) => {
      const iommu = this.iommus.find(({ ioApicRequester }) => ioApicRequester !== null) ?? null
      this.#messages.send(iommu, iommu?.ioApicRequester ?? 0, addressLo, data, level)
    })
    this.#lines = new IntxLines(this.root, chipset.routing, ioapic, (bus) => this.#expanders.get(bus) ?? null)
    this.#ledger = new Ledger((owner) => this.#plugged.find(owner)?.ledger ?? null, { trace: options.trace === true })
    this.witness = this.#ledger
    this.iommus =
      options.createIommus?.({
        ram: this.#ram,
        raiseMsi: (_hi, _lo, data) => this.#messages.deliver(data, false),
        onFault: (fault) => this.#plugged.recordFault(fault),
      }) ?? []

    const window = new PciWindow(this.root, this.#queue)
    for (const space of spaces) {
      space.addWindow(window)
      space.add({ name: 'IOAPIC', base: IOAPIC_BASE, size: IoApic.size, kind: 'mmio', handler: ioapic })
      for (const { windows } of this.iommus) for (const registers of windows) space.add({ ...registers, kind: 'mmio' })
    }
    this.#cpuSpace.add({
      name: 'local APIC',
      base: LocalApic.base,
      size: LocalApic.size,
      kind: 'mmio',
      handler: apic,
    })
    this.#ports.add(0xcf8, 8, this.root.createCf8Ports())
    this.#ports.setFallback((port) => window.findPort(port))
    this.bus = new MachineCpuBus(this.#cpuSpace, this.#ports, apic, this.#queue)

    for (const { device, fn, model, function: one } of chipset.functions()) {
      const iommu = options.rootBusBypass === true ? null : (this.iommus[0] ?? null)
      this.plug({ function: one, model, described: null, device, fn, dmaThrough: iommu, messagesThrough: iommu })
    }
    const host = this.root.rootBus.slotAt(0, 0)?.function
    if (host !== undefined) {
      placeBiosRom(chipset, host.config, spaces)
      if (chipset.express) followPciexbar(host.config, this.root, spaces)
    }
  }

  /** Bytes of RAM below 4 GiB. */
  get lowRamEnd(): number {
    return this.#chipset.lowRamEnd(this.#memory)
  }

  /** Adds a root bus. @throws RangeError where its number is taken */
  addExpanderBus({ number, express, device }: ExpanderBus): PciBus {
    const bus = this.root.addRootBus(number, { extendedConfig: express })
    this.#expanders.set(bus, device)
    return bus
  }

  /** Plugs a function in, and wires it. @throws RangeError where the slot is taken */
  plug(one: PluggedFunction): void {
    const slot = this.root.attach(one.function, {
      device: one.device,
      fn: one.fn,
      ...(one.bus !== undefined && { bus: one.bus }),
    })
    const ledger = new DeviceLedger()
    const port = new FabricPort(
      {
        space: this.#dmaSpace,
        books: this.#ledger,
        sendMessage: (addressLo, data) =>
          this.#messages.send(one.messagesThrough, slot.sourceId, addressLo, data, false),
        setPin: (asserted) => this.#lines.set(one.function, asserted),
        busMasterEnabled: () => one.function.config.busMasterEnabled,
        turn: () => this.#queue.turns,
        name: () => this.#plugged.idOf(slot),
      },
      ledger,
      tlbFor(slot, one.dmaThrough),
    )
    one.function.connect(port, port)
    one.function.config.onWrite(0, one.function.config.size, () => this.#queue.touch(one.function))
    this.#plugged.add({
      function: one.function,
      model: one.model,
      described: one.described,
      slot,
      port,
      ledger,
      faults: [],
    })
  }

  /**
   * Wires a function's DMA anew: behind the machine's first IOMMU, or past it. Neither tables nor description change; the report must
   * see it all the same.
   *
   * @throws RangeError where nothing sits at that address
   */
  rewire(id: string, behindIommu: boolean): void {
    const plugged = this.#plugged.find(id)
    if (plugged === null) throw new RangeError(`no function at ${id}`)
    plugged.port.rewire(tlbFor(plugged.slot, behindIommu ? (this.iommus[0] ?? null) : null))
  }

  /**
   * Offers firmware its files through fw_cfg. Once.
   *
   * @param refresh - files that are made anew when firmware first reads one of them
   */
  offerFirmwareFiles(
    files: ReadonlyMap<string, Uint8Array>,
    facts: { readonly cpus: number; readonly commandLine: string },
    refresh: FileRefresh | null = null,
  ): void {
    this.#ports.add(
      FW_CFG_PORT_BASE,
      FW_CFG_PORT_COUNT,
      new FwCfg(this.#cpuSpace, { memoryBytes: this.#memory, ...facts }, files, refresh),
    )
  }

  /** Firmware is done: what devices do from now on is the kernel's doing. */
  endFirmwarePhase(): void {
    for (const { ledger } of this.#plugged) ledger.phase = 'probe'
  }

  /** What was seen of every function, in bus order. Copies: later DMA does not change them. */
  observe(): DeviceObservation[] {
    return this.#plugged.observe()
  }

  /** Each DMA, where the machine was built with `trace`; `dropped` counts those beyond what is kept. */
  get trace(): { readonly accesses: readonly TracedAccess[]; readonly dropped: number } {
    return { accesses: this.#ledger.trace ?? [], dropped: this.#ledger.traceDropped }
  }

  /** Gives RAM back. The machine must not be used after that. */
  dispose(): void {
    this.#ram.dispose()
  }
}

/** A port's own copies of translations, in front of the IOMMU that it is wired behind. */
const tlbFor = (slot: PciSlot, iommu: MachineIommu | null): PortTlb | null =>
  iommu === null ? null : new PortTlb(iommu.translator, () => slot.sourceId)
