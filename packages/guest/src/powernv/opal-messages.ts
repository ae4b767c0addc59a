import type { AllocatedMessages, MessageDomain } from '../interrupts/message-domain.ts'
import type { Vector, Vectors } from '../interrupts/vectors.ts'
import type { MsiMessage } from '../iommu/contract.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { PaprInterrupts } from '../pseries/papr-interrupts.ts'
import { OPAL_GET_MSI_64, OPAL_PCI_SET_XIVE_PE } from '../spec/opal.ts'
import type { Opal } from './opal.ts'
import type { OpalPhb } from './phbs.ts'

/** Where a call leaves the message's data, behind its address. */
const DATA_OFFSET = 8

/** What messages on this platform work with. */
export interface OpalMessageSite {
  readonly opal: Opal
  readonly phbs: readonly OpalPhb[]
  readonly interrupts: PaprInterrupts
  readonly vectors: Vectors
  /** `pci=nomsi` */
  readonly off: boolean
  /** Null for a function that is in no endpoint of Linux's. */
  endpointOf(fn: PciFunction): number | null
}

/**
 * Messages of PCI functions: Linux picks an interrupt source of the host bridge, tells OPAL which endpoint may raise it,
 * and is told what to write where (`pnv_msi_compose_msg`).
 *
 * DEVIATION: functions without 64-bit message addresses get none; Linux would ask OPAL for others.
 */
export class OpalMessages implements MessageDomain {
  readonly #site: OpalMessageSite
  readonly #taken = new Set<number>()

  constructor(site: OpalMessageSite) {
    this.#site = site
  }

  allocate(fn: PciFunction, count: number): AllocatedMessages | string {
    const { opal, phbs, interrupts, vectors, endpointOf, off } = this.#site
    if (off) return 'pci=nomsi'
    const phb = phbs.find(({ segment }) => segment === fn.segment)
    const endpoint = endpointOf(fn)
    if (phb === undefined || endpoint === null) return 'the function is in no endpoint of a host bridge'
    const first = this.#find(phb, count)
    if (first === null) return `no ${count} interrupt sources of ${phb.path} are free`
    const taken: Vector[] = []
    const messages: MsiMessage[] = []
    const undo = (why: string): string => {
      for (const vector of taken) this.#giveBack(vector)
      return why
    }
    for (let number = first; number < first + count; number++) {
      const index = number - phb.messages.first
      const vector = vectors.claim(number, 'edge')
      if (vector === null) return undo(`interrupt source ${number} is taken`)
      taken.push(vector)
      this.#taken.add(number)
      const allowed = opal.call(OPAL_PCI_SET_XIVE_PE, phb.segment, endpoint, index)
      if (allowed !== 0) return undo(`OPAL_PCI_SET_XIVE_PE answers ${allowed}`)
      const { buffer } = opal
      const answer = opal.call(OPAL_GET_MSI_64, phb.segment, endpoint, index, 1, buffer, buffer + DATA_OFFSET)
      if (answer !== 0) return undo(`OPAL_GET_MSI_64 answers ${answer}`)
      messages.push({ hi: opal.result(0, 4), lo: opal.result(4, 4), data: opal.result(DATA_OFFSET, 4) })
      if (!interrupts.enable(number)) return undo(`OPAL does not let source ${number} through`)
    }
    return { vectors: taken, messages }
  }

  release(_fn: PciFunction, { vectors }: AllocatedMessages): void {
    for (const vector of vectors) this.#giveBack(vector)
  }

  #giveBack(vector: Vector): void {
    this.#site.interrupts.disable(vector.number)
    this.#site.vectors.release(vector)
    this.#taken.delete(vector.number)
  }

  /** So many sources in a row, aligned to the next power of two. */
  #find({ messages: { first, count: all } }: OpalPhb, count: number): number | null {
    const step = 2 ** Math.ceil(Math.log2(count))
    for (let at = 0; at + count <= all; at += step) {
      let free = true
      for (let index = 0; index < count && free; index++) free = !this.#taken.has(first + at + index)
      if (free) return first + at
    }
    return null
  }
}
