import type { CpuBus } from '@dmascope/memory/contracts'
import {
  MSI_CAPABILITY_32,
  MSI_CAPABILITY_64,
  MSI_MESSAGE_CONTROL,
  MSIX_BAR_OFFSET,
  MSIX_CAPABILITY,
  MSIX_TABLE_ENTRY,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
} from '@dmascope/pci/spec'
import type { AllocatedMessages, MessageDomain } from '../interrupts/message-domain.ts'
import type { Vector, Vectors } from '../interrupts/vectors.ts'
import type { MsiMessage } from '../iommu/contract.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { type PciFunction, placedBar } from '../pci/pci-function.ts'
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
    const { rtas, interrupts, vectors } = this.#site
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
    const messages = this.#messages(fn, count, kind)
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

  #messages(fn: PciFunction, count: number, kind: 'msi' | 'msix'): readonly MsiMessage[] | null {
    const { config, bus } = this.#site
    if (kind === 'msi') {
      const at = fn.capabilities.get(PCI_CAP_ID_MSI)
      if (at === undefined) return null
      const control = config.read(fn, at + MSI_CAPABILITY_32.registers.MESSAGE_CONTROL.offset, 2)
      const wide = MSI_MESSAGE_CONTROL.fields.ADDRESS_64_BIT_CAPABLE.get(control) === 1
      const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS } = MSI_CAPABILITY_64.registers
      const { MESSAGE_DATA } = (wide ? MSI_CAPABILITY_64 : MSI_CAPABILITY_32).registers
      return [
        {
          hi: wide ? config.read(fn, at + MESSAGE_UPPER_ADDRESS.offset, 4) : 0,
          lo: config.read(fn, at + MESSAGE_ADDRESS.offset, 4),
          data: config.read(fn, at + MESSAGE_DATA.offset, 2),
        },
      ]
    }
    const at = fn.capabilities.get(PCI_CAP_ID_MSIX)
    if (at === undefined) return null
    const location = config.read(fn, at + MSIX_CAPABILITY.registers.TABLE_OFFSET.offset, 4)
    const bar = placedBar(fn, MSIX_BAR_OFFSET.fields.BIR.get(location), 'memory')
    if (bar === null) return null
    const table = bar.base + MSIX_BAR_OFFSET.fields.OFFSET.get(location) * 8
    const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS, MESSAGE_DATA } = MSIX_TABLE_ENTRY.registers
    return Array.from({ length: count }, (_, index) => {
      const entry = table + index * MSIX_TABLE_ENTRY.size
      return {
        hi: bus.read32(entry + MESSAGE_UPPER_ADDRESS.offset),
        lo: bus.read32(entry + MESSAGE_ADDRESS.offset),
        data: bus.read32(entry + MESSAGE_DATA.offset),
      }
    })
  }
}
