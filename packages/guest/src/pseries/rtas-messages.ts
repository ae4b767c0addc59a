import type { CpuBus } from '@dmascope/memory/contracts'
import type { AllocatedMessages, MessageDomain } from '../interrupts/message-domain.ts'
import type { Vector, Vectors } from '../interrupts/vectors.ts'
import { writtenMessages } from '../interrupts/written-messages.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { RTAS_CHANGE_MSI_FN, RTAS_CHANGE_MSIX_FN } from '../spec/papr.ts'
import type { HostBridge } from './host-bridges.ts'
import type { PaprInterrupts } from './papr-interrupts.ts'
import type { Rtas } from './rtas.ts'
import { configAddress } from './rtas-config.ts'

/** What the messages of a partition work with. */
export interface RtasMessageSite {
  readonly bus: CpuBus
  readonly rtas: Rtas
  readonly config: ConfigAccess
  readonly bridges: readonly HostBridge[]
  readonly interrupts: PaprInterrupts
  readonly vectors: Vectors
}

/**
 * Messages of PCI functions in a partition: RTAS is asked for them, puts them into the function's own registers, and
 * tells which interrupt sources they are. Software reads the messages back from there, as Linux does.
 */
export class RtasMessages implements MessageDomain {
  readonly #site: RtasMessageSite
  /** The call by which each function got its messages: they are given back by the same. */
  readonly #calls = new Map<PciFunction, number>()

  constructor(site: RtasMessageSite) {
    this.#site = site
  }

  allocate(fn: PciFunction, count: number, kind: 'msi' | 'msix'): AllocatedMessages | string {
    const { bus, config, rtas, interrupts, vectors } = this.#site
    const place = this.#placeOf(fn)
    if (place === null) return 'no host bridge has the function'
    const call = kind === 'msix' ? RTAS_CHANGE_MSIX_FN : RTAS_CHANGE_MSI_FN
    const change = rtas.call('ibm,change-msi', [...place, call, count, 1], 4)
    if (change.status !== 0) return `ibm,change-msi answers ${change.status}`
    if (change.results[0] !== count) return `ibm,change-msi grants ${change.results[0]} messages of ${count}`
    const taken: Vector[] = []
    const undo = (why: string): string => {
      for (const vector of taken) vectors.release(vector)
      rtas.call('ibm,change-msi', [...place, call, 0, 1], 4)
      return why
    }
    for (let index = 0; index < count; index++) {
      const query = rtas.call('ibm,query-interrupt-source-number', [...place, index], 3)
      const source = query.results[0]
      if (query.status !== 0 || source === undefined) {
        return undo(`ibm,query-interrupt-source-number answers ${query.status}`)
      }
      const vector = vectors.claim(source, 'edge')
      if (vector === null) return undo(`interrupt source ${source} is taken`)
      taken.push(vector)
      if (!interrupts.enable(source)) return undo(`the hypervisor does not let source ${source} through`)
    }
    this.#calls.set(fn, call)
    const messages = writtenMessages(bus, config, fn, count, kind)
    return messages === null ? undo('the function’s messages cannot be read') : { vectors: taken, messages }
  }

  release(fn: PciFunction, { vectors }: AllocatedMessages): void {
    for (const vector of vectors) {
      this.#site.interrupts.disable(vector.number)
      this.#site.vectors.release(vector)
    }
    const place = this.#placeOf(fn)
    const call = this.#calls.get(fn)
    if (place !== null && call !== undefined) this.#site.rtas.call('ibm,change-msi', [...place, call, 0, 1], 4)
  }

  /** The first three arguments of calls about a function. */
  #placeOf(fn: PciFunction): readonly [number, number, number] | null {
    const bridge = this.#site.bridges.find(({ segment }) => segment === fn.segment)
    return bridge === undefined ? null : [configAddress(fn), bridge.buidHi, bridge.buidLo]
  }
}
