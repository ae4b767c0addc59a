import {
  createPeDmaWindow,
  queryPeDmaWindow,
  removePeDmaWindow,
  resetPeDmaWindow,
  type TceCalls,
} from '@dmascope/iommu/tce'
import { HCALL_RETURN, RTAS_STATUS } from '@dmascope/iommu/tce/spec'
import type { GuestRam } from '@dmascope/memory'
import type { PciFunction } from '@dmascope/pci'
import type { HostBridge } from './host-bridge.ts'
import type { InterruptSources } from './interrupt-sources.ts'
import { messagesOf, setMsiMessage, setMsixMessages } from './message-setup.ts'
import { BUID_HI, MSI_WINDOW_HI, MSI_WINDOW_LO } from './spec/address-map.ts'
import { MASKED_PRIORITY } from './spec/hcalls.ts'
import { CHANGE_MSI, INTERRUPT_TYPE, MOST_RTAS_CELLS, RTAS_ARGUMENTS } from './spec/rtas-arguments.ts'
import { FIRST_RTAS_TOKEN, RTAS_CALLS, type RtasCall } from './spec/rtas-tokens.ts'

const { success, hardwareError, parameterError } = RTAS_STATUS

/** Arguments and results of one call; results are zero before it. */
type Call = (args: Uint32Array, results: Uint32Array) => void

/** What RTAS works on. */
export interface RtasSite {
  readonly ram: GuestRam
  readonly bridges: readonly HostBridge[]
  readonly sources: InterruptSources
  readonly tce: TceCalls
}

/**
 * Run-time abstraction services, as QEMU answers them: configuration space, messages, dynamic DMA windows, and the
 * masking of interrupts under XICS. Other calls of the tree are answered with a parameter error.
 */
export class Rtas {
  readonly #site: RtasSite
  readonly #calls: ReadonlyMap<RtasCall, Call>

  constructor(site: RtasSite) {
    this.#site = site
    this.#calls = new Map<RtasCall, Call>([
      ['ibm,read-pci-config', (args, results) => this.#readConfig(args, results)],
      ['ibm,write-pci-config', (args, results) => this.#writeConfig(args, results)],
      ['ibm,change-msi', (args, results) => this.#changeMsi(args, results)],
      ['ibm,query-interrupt-source-number', (args, results) => this.#querySource(args, results)],
      ['ibm,query-pe-dma-window', (args, results) => queryPeDmaWindow(this.#unitOf(args), args, results)],
      ['ibm,create-pe-dma-window', (args, results) => createPeDmaWindow(this.#unitOf(args), args, results)],
      ['ibm,remove-pe-dma-window', (args, results) => removePeDmaWindow(site.tce.unitOf(args[0] ?? 0), args, results)],
      ['ibm,reset-pe-dma-window', (args, results) => resetPeDmaWindow(this.#unitOf(args), args, results)],
      ['ibm,set-xive', (args, results) => this.#setXive(args[0], args[2], results)],
      ['ibm,int-on', (args, results) => this.#setXive(args[0], 0, results)],
      ['ibm,int-off', (args, results) => this.#setXive(args[0], MASKED_PRIORITY, results)],
      ['ibm,get-xive', (args, results) => this.#getXive(args, results)],
    ])
  }

  /** H_RTAS: the call whose arguments stand at this address. */
  call(hi: number, lo: number): number {
    const { ram } = this.#site
    const at = hi * 0x1_0000_0000 + lo
    const header = this.#cells(at, 3)
    if (header === null) return HCALL_RETURN.H_PARAMETER
    const [token, nargs, nret] = [header[0]!, header[1]!, header[2]!]
    const args = nargs + nret > MOST_RTAS_CELLS ? null : this.#cells(at + RTAS_ARGUMENTS.ARGS, nargs)
    if (args === null) return HCALL_RETURN.H_PARAMETER
    const name = RTAS_CALLS[token - FIRST_RTAS_TOKEN]
    const call = name === undefined ? undefined : this.#calls.get(name)
    const results = new Uint32Array(nret)
    if (call === undefined) results[0] = parameterError
    else call(args, results)
    const bytes = new DataView(new ArrayBuffer(nret * 4))
    for (const [index, result] of results.entries()) bytes.setUint32(index * 4, result)
    ram.writeBytes(at + RTAS_ARGUMENTS.ARGS + nargs * 4, new Uint8Array(bytes.buffer))
    return name === undefined ? HCALL_RETURN.H_PARAMETER : HCALL_RETURN.H_SUCCESS
  }

  /** Null where they are not all in memory. */
  #cells(at: number, count: number): Uint32Array | null {
    const bytes = new Uint8Array(count * 4)
    if (this.#site.ram.readBytes(at, bytes) < bytes.length) return null
    const view = new DataView(bytes.buffer)
    return Uint32Array.from({ length: count }, (_, index) => view.getUint32(index * 4))
  }

  /** The bridge that the BUID in arguments 1 and 2 names. */
  #bridgeOf(args: Uint32Array): HostBridge | null {
    if (args[1] !== BUID_HI) return null
    return this.#site.bridges.find(({ place }) => place.buidLo === args[2]) ?? null
  }

  #unitOf(args: Uint32Array): HostBridge['unit'] | null {
    return this.#bridgeOf(args)?.unit ?? null
  }

  /** Bus, device and function stand in bits 23:8 of the configuration address. */
  #functionOf(args: Uint32Array): PciFunction | null {
    return this.#bridgeOf(args)?.root.functionAt((args[0]! >>> 8) & 0xffff) ?? null
  }

  /** The function and the register that a configuration access means; null where it is none. */
  #register(
    args: Uint32Array,
  ): { readonly one: PciFunction; readonly offset: number; readonly size: 1 | 2 | 4 } | null {
    const size = args[3]
    if (size !== 1 && size !== 2 && size !== 4) return null
    const one = this.#functionOf(args)
    // Bits 31:28 extend the register number in bits 7:0.
    const offset = ((args[0]! >>> 20) & 0xf00) | (args[0]! & 0xff)
    return one === null || offset % size !== 0 || offset >= one.config.size ? null : { one, offset, size }
  }

  #readConfig(args: Uint32Array, results: Uint32Array): void {
    const register = args.length === 4 && results.length === 2 ? this.#register(args) : null
    results[0] = register === null ? hardwareError : success
    if (register !== null) results[1] = register.one.config.read(register.offset, register.size)
  }

  #writeConfig(args: Uint32Array, results: Uint32Array): void {
    const register = args.length === 5 && results.length === 1 ? this.#register(args) : null
    results[0] = register === null ? hardwareError : success
    register?.one.config.write(register.offset, register.size, args[4]!)
  }

  #changeMsi(args: Uint32Array, results: Uint32Array): void {
    const [configAddress, , , wanted, asked, sequence] = args
    const bridge = this.#bridgeOf(args)
    const one = this.#functionOf(args)
    if (args.length < 6 || results.length < 3 || bridge === null || one === null) {
      results[0] = parameterError
      return
    }
    const have = messagesOf(one)
    const byMsi = wanted === CHANGE_MSI.MSI || (wanted === CHANGE_MSI.RELEASE_OR_ANY && have.msi !== 0)
    const byMsix = !byMsi && (wanted === CHANGE_MSI.MSIX || wanted === CHANGE_MSI.RELEASE_OR_ANY)
    const most = byMsi ? have.msi : byMsix ? have.msix : 0
    if (most === 0) {
      results[0] = parameterError
      return
    }
    if (asked === 0) {
      results[0] = this.#releaseMessages(bridge, one, configAddress!) ? success : hardwareError
      return
    }
    const count = Math.min(asked!, most)
    // Whoever asks for more than there are is told how many there are, and asks again.
    if (count === asked && !this.#giveMessages(bridge, one, configAddress!, count, byMsi)) {
      results[0] = hardwareError
      return
    }
    results.set([success, count, sequence! + 1])
    if (results.length > 3) results[3] = byMsi ? INTERRUPT_TYPE.MSI : INTERRUPT_TYPE.MSIX
  }

  #releaseMessages(bridge: HostBridge, one: PciFunction, configAddress: number): boolean {
    const given = bridge.messages.get(configAddress)
    if (given === undefined) return false
    const have = messagesOf(one)
    if (have.msi !== 0) setMsiMessage(one, 0, 0, 0)
    if (have.msix !== 0) setMsixMessages(one, 0, 0, 0, Math.min(given.count, have.msix))
    for (let index = 0; index < given.count; index++) this.#site.sources.free(given.first + index)
    bridge.messages.delete(configAddress)
    return true
  }

  #giveMessages(bridge: HostBridge, one: PciFunction, configAddress: number, count: number, byMsi: boolean): boolean {
    const { sources } = this.#site
    const first = sources.findMessages(count, byMsi)
    if (first < 0) return false
    for (let index = 0; index < count; index++) sources.claim(first + index, false)
    const before = bridge.messages.get(configAddress)
    for (let index = 0; index < (before?.count ?? 0); index++) sources.free(before!.first + index)
    if (byMsi) setMsiMessage(one, MSI_WINDOW_HI, MSI_WINDOW_LO, first)
    else setMsixMessages(one, MSI_WINDOW_HI, MSI_WINDOW_LO, first, count)
    bridge.messages.set(configAddress, { first, count })
    return true
  }

  #querySource(args: Uint32Array, results: Uint32Array): void {
    const bridge = this.#bridgeOf(args)
    if (args.length < 4 || results.length < 3 || bridge === null || this.#functionOf(args) === null) {
      results[0] = parameterError
      return
    }
    const given = bridge.messages.get(args[0]!)
    if (given === undefined || args[3]! >= given.count) results[0] = hardwareError
    else results.set([success, given.first + args[3]!, 1])
  }

  #setXive(source: number | undefined, priority: number | undefined, results: Uint32Array): void {
    const { sources } = this.#site
    const isKnown = source !== undefined && priority !== undefined && sources.isClaimed(source)
    if (isKnown) sources.enable(source, priority & 0xff)
    results[0] = isKnown ? success : parameterError
  }

  #getXive(args: Uint32Array, results: Uint32Array): void {
    const { sources } = this.#site
    const isKnown = args[0] !== undefined && sources.isClaimed(args[0])
    if (isKnown && results.length === 3) results.set([success, 0, sources.priorityOf(args[0]!)])
    else results[0] = parameterError
  }
}
