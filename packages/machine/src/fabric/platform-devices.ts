import { PortTlb, type RequesterId } from '@dmascope/iommu'
import { type AddressSpace, type PlatformDevice, platformOwner } from '@dmascope/memory'
import type { DeviceDescription } from '../description.ts'
import type { InboundMap } from '../inbound/inbound-map.ts'
import type { IommuFault, MachineIommu } from '../iommu/machine-iommu.ts'
import type { DeviceObservation } from '../observation.ts'
import type { DeviceMemory } from './device-memory.ts'
import { FabricPort } from './fabric-port.ts'
import { DeviceLedger, type Ledger } from './ledger.ts'
import { KEPT_FAULTS, observationOf, observedFault, type WatchedDevice } from './observe-device.ts'
import type { RunQueue, Worker } from './run-queue.ts'

/** A device on no bus, to plug in: what it is, and where the platform has it. */
export interface PluggedPlatformDevice {
  readonly device: PlatformDevice
  readonly model: string
  readonly described: DeviceDescription | null
  /** Guest-physical address of its registers, and their bytes. */
  readonly base: number
  readonly size: number
  /** The board's interrupt wire that its line drives, by its number there. */
  readonly wire: number
  /** An IOMMU that its DMA goes through, and the ID that it bears there; straight to memory unless given. */
  readonly behind?: { readonly iommu: MachineIommu; readonly requester: RequesterId }
  /** How the bus that it is on sees memory; at its own address unless given. */
  readonly inbound?: InboundMap
}

/** A device that has no registers in memory, to give its way to memory: what it is, and how the witness knows it. */
export interface ChannelDevice {
  readonly id: string
  readonly worker: Worker
  readonly model: string
  readonly described: DeviceDescription | null
  connect(port: FabricPort): void
}

interface Surroundings {
  readonly cpuSpace: AddressSpace
  readonly dmaSpace: AddressSpace
  readonly books: Ledger
  readonly queue: RunQueue
  /** What a device finds where there is RAM, unless that is RAM itself. */
  memoryOf(ledger: DeviceLedger): { readonly memory?: DeviceMemory }
  setWire(wire: number, asserted: boolean): void
}

/** A device as it is plugged in. */
interface PluggedDevice extends WatchedDevice {
  readonly device: Worker
  /** Null where it bears none. */
  readonly requester: RequesterId | null
  readonly faults: DeviceObservation['faults'][number][]
}

/**
 * The machine's devices that are on no bus. Unless told otherwise their DMA lands in memory as it is: the IOMMUs of
 * QEMU's machines stand above PCI. Nothing is between such a device and memory that software could turn off, as Bus
 * Master Enable is on PCI.
 */
export class PlatformDevices {
  readonly #around: Surroundings
  readonly #plugged = new Map<string, PluggedDevice>()

  constructor(around: Surroundings) {
    this.#around = around
  }

  /** @throws RangeError where the registers of another begin at the same address */
  plug({ device, model, described, base, size, wire, behind, inbound }: PluggedPlatformDevice): void {
    const { cpuSpace, dmaSpace, queue } = this.#around
    const id = platformOwner(base)
    if (this.#plugged.has(id)) throw new RangeError(`the registers of another device begin at 0x${base.toString(16)}`)
    const ledger = new DeviceLedger()
    const port = this.#portOf(id, ledger, wire, behind, inbound)
    device.connect(port, { drive: (asserted) => port.intx(asserted) })
    const handler = {
      read: (offset: number, width: 1 | 2 | 4): number => device.read(offset, width),
      write: (offset: number, width: 1 | 2 | 4, value: number): void => {
        device.write(offset, width, value)
        queue.touch(device)
      },
    }
    for (const space of [cpuSpace, dmaSpace]) space.add({ name: model, base, size, kind: 'mmio', handler })
    this.#plugged.set(id, { device, requester: behind?.requester ?? null, model, described, port, ledger, faults: [] })
  }

  /** @throws RangeError where another has its name */
  plugChannel({ id, worker, connect, model, described }: ChannelDevice): void {
    if (this.#plugged.has(id)) throw new RangeError(`another device is called ${id}`)
    const ledger = new DeviceLedger()
    const port = this.#portOf(id, ledger, null)
    connect(port)
    this.#plugged.set(id, { device: worker, requester: null, model, described, port, ledger, faults: [] })
  }

  /** @param wire - what its line drives; null where it has none */
  #portOf(
    id: string,
    ledger: DeviceLedger,
    wire: number | null,
    behind?: PluggedPlatformDevice['behind'],
    inbound: InboundMap | null = null,
  ): FabricPort {
    const { dmaSpace, books, queue } = this.#around
    return new FabricPort(
      {
        space: dmaSpace,
        ...this.#around.memoryOf(ledger),
        books,
        messages: { first: 1, last: 0 },
        sendMessage: () => 'untranslated',
        ringDoorbell: () => false,
        setPin: (asserted) => {
          if (wire !== null) this.#around.setWire(wire, asserted)
        },
        busMasterEnabled: () => true,
        turn: () => queue.turns,
        name: () => id,
      },
      ledger,
      behind === undefined ? null : new PortTlb(behind.iommu.translator, () => behind.requester),
      null,
      { dma: inbound, messages: null },
    )
  }

  /** The books of the device that the witness knows by this name; null where there is none. */
  find(id: string): DeviceLedger | null {
    return this.#plugged.get(id)?.ledger ?? null
  }

  /** Keeps a fault with the device that caused it. False where that is none of these. */
  recordFault(fault: IommuFault, current: Worker | null): boolean {
    for (const { device, requester, faults, ledger } of this.#plugged.values()) {
      if (device !== current || requester !== fault.requester) continue
      if (faults.length < KEPT_FAULTS) faults.push(observedFault(fault, ledger.phase))
      return true
    }
    return false
  }

  /** Firmware is done. */
  endFirmwarePhase(): void {
    for (const { ledger } of this.#plugged.values()) ledger.phase = 'probe'
  }

  /** What was seen of each, by address. Copies. */
  observe(): DeviceObservation[] {
    return [...this.#plugged].map(([id, watched]) => observationOf(id, watched))
  }
}
