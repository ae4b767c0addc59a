import type { Msi as RemappedMessage, RequesterId } from '@dmascope/iommu'
import type { MessageWiring } from '../board/board.ts'
import type { Route } from '../fabric/fabric-port.ts'
import type { MachineIommu } from '../iommu/machine-iommu.ts'
import type { LocalApic } from './lapic.ts'

/** Takes interrupt messages through the IOMMU that they meet, if any, to the processor: there is one for all of them. */
export class MessageRouter {
  readonly #apic: LocalApic
  readonly #message: RemappedMessage = { hi: 0, lo: 0, data: 0, remapped: false }

  constructor(apic: LocalApic) {
    this.#apic = apic
  }

  /** Which way the message went; `faulted`: remapping refused it. */
  send(iommu: MachineIommu | null, requester: RequesterId, addressLo: number, data: number, level: boolean): Route {
    if (iommu === null) {
      this.deliver(data, level)
      return 'untranslated'
    }
    const out = this.#message
    if (iommu.translator.remapInterrupt(requester, 0, addressLo, data, out) !== 0) return 'faulted'
    this.deliver(out.data, level)
    return out.remapped ? 'translated' : 'untranslated'
  }

  /** Past every IOMMU. */
  deliver(data: number, level: boolean): void {
    this.#apic.accept(data & 0xff, level)
  }
}

/** Messages go to this megabyte; a DMA write there is an interrupt, whoever makes it (Intel SDM vol. 3, §11.11). */
const MSI_FIRST = 0xfee0_0000
const MSI_LAST = 0xfeef_ffff

/** How messages reach local APICs. */
export const apicMessages = (router: MessageRouter): MessageWiring => ({
  first: MSI_FIRST,
  last: MSI_LAST,
  send: (iommu, requester, addressLo, data) => router.send(iommu, requester, addressLo, data, false),
  ring: () => false,
})
