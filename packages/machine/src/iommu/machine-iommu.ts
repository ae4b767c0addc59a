import type { RequesterId, Translator } from '@dmascope/iommu'
import type { GuestRam, MmioHandler } from '@dmascope/memory'
import type { PciFunction } from '@dmascope/pci'

/** A fault as the machine's observer sees it, whether or not the hardware recorded it. */
export interface IommuFault {
  /** Negative where no requester caused it. */
  readonly requester: RequesterId
  /** Of PCI; 0 unless given. */
  readonly segment?: number
  readonly access: string
  readonly hi: number
  readonly lo: number
  /** The model's own code. */
  readonly reason: number
  readonly text: string
}

/** What an IOMMU is wired to. */
export interface IommuWiring {
  /** Guest RAM, where its tables lie. */
  readonly ram: GuestRam
  /** Sends a message of the unit's own, which nothing remaps. */
  readonly raiseMsi: (hi: number, lo: number, data: number) => void
  /** An edge on this interrupt wire of the board, by its number there, on boards that have such wires. */
  readonly raiseWire: (wire: number) => void
  readonly onFault: (fault: IommuFault) => void
  /** Whether requests of a function whose bus is not wired past the IOMMU bear this ID. */
  readonly hasRequester: (requester: RequesterId) => boolean
  /** The IOMMU's function on PCI has work to do that no register write told of. */
  readonly touch: (pciFunction: PciFunction) => void
}

/** Registers of an IOMMU at a fixed place. */
interface RegisterWindow {
  readonly name: string
  readonly base: number
  readonly size: number
  readonly handler: MmioHandler
}

/**
 * An IOMMU as it stands in a machine. Each function that is wired behind it has a `PortTlb` of its own in front of the
 * translator, and sends its messages through `translator.remapInterrupt`, be its DMA translated or not.
 */
export interface MachineIommu {
  readonly translator: Translator
  /** Mapped where software and devices see them. Empty for one that is reached through PCI or by hypercalls. */
  readonly windows: readonly RegisterWindow[]
  /** The function that it is on PCI; null for one that is none. It is plugged in where the plan says. */
  readonly pciFunction: PciFunction | null
  /** The segment of PCI that it serves; 0 unless given. */
  readonly segment?: number
  /** The requester ID of the I/O APIC's messages; null where they go past this IOMMU. */
  readonly ioApicRequester: RequesterId | null
  /**
   * It knows a function for good by the requester ID of the moment when it was plugged in. Buses behind bridges have
   * the number 0 then, so that what stands there passes for a function of the first bus.
   */
  readonly namesFunctionsOnce?: boolean
}
