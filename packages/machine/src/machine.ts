import { PortTlb, type Msi as RemappedMessage } from '@dmascope/iommu'
import type { SeenFault, VtdUnit } from '@dmascope/iommu/vtd'
import { hexPair } from '@dmascope/layout'
import { AddressSpace, type CpuBus, type DmaWitness, GuestRam, PortSpace } from '@dmascope/memory'
import { type PciBus, type PciFunction, type PciSlot, RootComplex } from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'
import type { Chipset } from './chipset/chipset.ts'
import { followPciexbar, placeBiosRom } from './chipset/chipset.ts'
import { MachineCpuBus } from './cpu-bus.ts'
import type { DeviceDescription } from './description.ts'
import { FabricPort, type Route } from './fabric/fabric-port.ts'
import { DeviceLedger, Ledger, type TracedAccess } from './fabric/ledger.ts'
import { PciWindow } from './fabric/pci-window.ts'
import { RunQueue } from './fabric/run-queue.ts'
import { IOAPIC_BASE, IOAPIC_ID, IOAPIC_SOURCE_ID } from './firmware/acpi-tables.ts'
import { type FileRefresh, FW_CFG_PORT_BASE, FW_CFG_PORT_COUNT, FwCfg } from './firmware/fw-cfg.ts'
import { IntxLines } from './interrupts/intx-lines.ts'
import { IoApic } from './interrupts/ioapic.ts'
import { LocalApic } from './interrupts/lapic.ts'
import type { DeviceObservation } from './observation.ts'

/** Where QEMU puts the registers of its remapping unit. */
export const VTD_BASE = 0xfed9_0000
const FOUR_GIB = 0x1_0000_0000
/** Faults that are kept per device. */
const KEPT_FAULTS = 32

/** A function as it sits in the machine, with its way to memory and its books. */
interface Plugged {
  readonly function: PciFunction
  readonly slot: PciSlot
  readonly model: string
  readonly described: DeviceDescription | null
  readonly port: FabricPort
  readonly ledger: DeviceLedger
  readonly faults: DeviceObservation['faults'][number][]
}

/** A function to plug in, and whether its DMA goes through the machine's IOMMU. */
export interface PluggedFunction {
  readonly function: PciFunction
  readonly model: string
  readonly described: DeviceDescription | null
  readonly bus?: PciBus
  readonly device: number
  readonly fn: number
  readonly behindIommu: boolean
  /** Its root bus is wired past the IOMMU (`bypass_iommu`): its messages are not remapped. */
  readonly bypass?: boolean
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
  /** Makes the remapping unit, where there is one, over the machine's RAM. */
  readonly createIommu?: (wiring: {
    readonly ram: GuestRam
    readonly raiseMsi: (hi: number, lo: number, data: number) => void
    readonly onFault: (fault: SeenFault) => void
  }) => VtdUnit
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
  readonly iommu: VtdUnit | null
  readonly root: RootComplex
  readonly #ram: GuestRam
  readonly #cpuSpace: AddressSpace
  readonly #dmaSpace: AddressSpace
  readonly #ports = new PortSpace()
  readonly #apic: LocalApic
  readonly #lines: IntxLines
  readonly #queue = new RunQueue()
  readonly #ledger: Ledger
  readonly #plugged = new Map<PciFunction, Plugged>()
  /** Answers of `#byId`, good while the tree's generation stands. */
  readonly #named = new Map<string, Plugged | null>()
  #namedAt = -1
  readonly #chipset: Chipset
  readonly #expanders = new Map<PciBus, number>()
  readonly #message: RemappedMessage = { hi: 0, lo: 0, data: 0, remapped: false }
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
    const ioapic = new IoApic(IOAPIC_ID, (addressLo, data, level) => this.#sendFromIoApic(addressLo, data, level))
    this.#apic = new LocalApic((vector) => ioapic.endOfInterrupt(vector))
    this.#lines = new IntxLines(this.root, chipset.routing, ioapic, (bus) => this.#expanders.get(bus) ?? null)
    this.#ledger = new Ledger((owner) => this.#byId(owner)?.ledger ?? null, { trace: options.trace === true })
    this.witness = this.#ledger
    this.iommu =
      options.createIommu?.({
        ram: this.#ram,
        raiseMsi: (_hi, _lo, data) => this.#apic.accept(data & 0xff, false),
        onFault: (fault) => this.#recordFault(fault),
      }) ?? null

    const window = new PciWindow(this.root, this.#queue)
    for (const space of spaces) {
      space.addWindow(window)
      space.add({ name: 'IOAPIC', base: IOAPIC_BASE, size: IoApic.size, kind: 'mmio', handler: ioapic })
      if (this.iommu !== null)
        space.add({ name: 'VT-d', base: VTD_BASE, size: 0x1000, kind: 'mmio', handler: this.iommu })
    }
    this.#cpuSpace.add({
      name: 'local APIC',
      base: LocalApic.base,
      size: LocalApic.size,
      kind: 'mmio',
      handler: this.#apic,
    })
    this.#ports.add(0xcf8, 8, this.root.createCf8Ports())
    this.#ports.setFallback((port) => window.findPort(port))
    this.bus = new MachineCpuBus(this.#cpuSpace, this.#ports, this.#apic, this.#queue)

    for (const { device, fn, model, function: one } of chipset.functions()) {
      const bypass = options.rootBusBypass === true
      this.plug({ function: one, model, described: null, device, fn, behindIommu: !bypass, bypass })
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
        sendMessage: (addressLo, data) => this.#sendMessage(slot, one.bypass === true, addressLo, data),
        setPin: (asserted) => this.#lines.set(one.function, asserted),
        busMasterEnabled: () => one.function.config.busMasterEnabled,
        turn: () => this.#queue.turns,
        name: () => this.#idOf(slot),
      },
      ledger,
      this.#tlbFor(slot, one.behindIommu),
    )
    one.function.connect(port, port)
    one.function.config.onWrite(0, one.function.config.size, () => this.#queue.touch(one.function))
    this.#plugged.set(one.function, { ...one, slot, port, ledger, faults: [] })
  }

  #tlbFor(slot: PciSlot, behindIommu: boolean): PortTlb | null {
    return behindIommu && this.iommu !== null ? new PortTlb(this.iommu, () => slot.sourceId) : null
  }

  /**
   * Wires a function's DMA anew: behind the IOMMU, or past it. Neither tables nor description change; the report must
   * see it all the same.
   *
   * @throws RangeError where nothing sits at that address
   */
  rewire(id: string, behindIommu: boolean): void {
    const plugged = this.#byId(id)
    if (plugged === null) throw new RangeError(`no function at ${id}`)
    plugged.port.rewire(this.#tlbFor(plugged.slot, behindIommu))
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
    for (const { ledger } of this.#plugged.values()) ledger.phase = 'probe'
  }

  #idOf(slot: PciSlot): string {
    return formatBdf(slot.requesterId, this.root.segment)
  }

  /** The guest names a device thousands of times: each name is taken apart once for a state of the tree. */
  #byId(id: string): Plugged | null {
    if (this.#namedAt !== this.root.generation) {
      this.#named.clear()
      this.#namedAt = this.root.generation
    }
    let found = this.#named.get(id)
    if (found === undefined) {
      found = this.#find(id)
      this.#named.set(id, found)
    }
    return found
  }

  #find(id: string): Plugged | null {
    const match = /^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/.exec(id)
    if (match === null || Number.parseInt(match[1]!, 16) !== this.root.segment) return null
    const [bus, device, fn] = [match[2]!, match[3]!, match[4]!].map((part) => Number.parseInt(part, 16)) as [
      number,
      number,
      number,
    ]
    const found = this.root.functionAt((bus << 8) | (device << 3) | fn)
    return found === null ? null : (this.#plugged.get(found) ?? null)
  }

  #sendMessage(slot: PciSlot, bypass: boolean, addressLo: number, data: number): Route {
    if (this.iommu === null || bypass) {
      this.#deliver(data, false)
      return 'untranslated'
    }
    const out = this.#message
    if (this.iommu.remapInterrupt(slot.sourceId, 0, addressLo, data, out) !== 0) return 'faulted'
    this.#deliver(out.data, false)
    return out.remapped ? 'translated' : 'untranslated'
  }

  #sendFromIoApic(addressLo: number, data: number, level: boolean): void {
    const out = this.#message
    if (this.iommu === null) this.#deliver(data, level)
    else if (this.iommu.remapInterrupt(IOAPIC_SOURCE_ID, 0, addressLo, data, out) === 0) this.#deliver(out.data, level)
  }

  /** Software runs on one processor, so that every destination is that one. */
  #deliver(data: number, level: boolean): void {
    this.#apic.accept(data & 0xff, level)
  }

  #recordFault(fault: SeenFault): void {
    const found = this.root.functionAt(fault.requester)
    const plugged = found === null ? undefined : this.#plugged.get(found)
    if (plugged === undefined || plugged.faults.length >= KEPT_FAULTS) return
    plugged.faults.push({
      address: `0x${hexPair(fault.hi, fault.lo).replace(/^0+(?=.)/, '')}`,
      reason: fault.reason,
      text: `${fault.access}: ${fault.text}`,
      phase: plugged.ledger.phase,
    })
  }

  /** What was seen of every function, in bus order. Copies: later DMA does not change them. */
  observe(): DeviceObservation[] {
    const seen: DeviceObservation[] = []
    for (const slot of this.root.functions()) {
      const plugged = this.#plugged.get(slot.function)
      if (plugged === undefined) continue
      const { ledger, port, described, model, faults } = plugged
      seen.push({
        id: this.#idOf(slot),
        model,
        deviceId: described?.id ?? null,
        behindIommu: port.behindIommu,
        dma: {
          firmware: { ...ledger.counts.firmware },
          probe: { ...ledger.counts.probe },
          'self-test': { ...ledger.counts['self-test'] },
        },
        msi: ledger.msi,
        strays: [...ledger.strays],
        strayCount: ledger.strayCount,
        faults: [...faults],
        described:
          described === null
            ? null
            : { location: described.location.text, model: described.model, properties: described.properties },
      })
    }
    return seen
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
