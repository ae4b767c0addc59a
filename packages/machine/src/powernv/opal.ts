import type { GuestRam } from '@dmascope/memory'
import type { PciFunction } from '@dmascope/pci'
import { ESB_PAGE_SHIFT } from '../pseries/spec/hcalls.ts'
import { isEndpoint, numberAt, type OpalArguments } from './opal-arguments.ts'
import { mapDmaWindow, mapDmaWindowReal } from './opal-dma-windows.ts'
import type { Phb } from './phb.ts'
import { MSI64_HI } from './spec/address-map.ts'
import {
  COMPARE_BUS,
  FREEZE,
  MAP_PE,
  OPAL,
  OPAL_RETURN,
  RESET_IODA_TABLE,
  TCE_KILL,
  WINDOW_TYPE,
  XIVE_IRQ_LSI,
} from './spec/opal-calls.ts'
import type { XiveSources } from './xive-sources.ts'

const { OPAL_SUCCESS, OPAL_PARAMETER, OPAL_HARDWARE, OPAL_UNSUPPORTED } = OPAL_RETURN
const MOST_ARGUMENTS = 8
/** The shift of the smaller page size that each size has a name for. */
const KILL_SHIFTS = [12, 16, 21, 30]

/** What OPAL works on. */
export interface OpalSite {
  readonly ram: GuestRam
  readonly phbs: readonly Phb[]
  readonly sources: XiveSources
}

/**
 * The calls of OPAL that a kernel needs for PCI: configuration space, partitionable endpoints and their windows,
 * messages, and the sources of XIVE. What a call answers beside its code goes to memory, big-endian, where its arguments
 * point to. Other calls are answered with OPAL_UNSUPPORTED.
 *
 * DEVIATION: OPAL is software in memory that the kernel enters; here it is a call out of the simulated processor, so
 * that it takes no memory that software could overwrite. Its RTT lies outside of memory, too.
 */
export class OpalServices {
  readonly #site: OpalSite
  readonly #args = new Uint32Array(MOST_ARGUMENTS * 2)

  constructor(site: OpalSite) {
    this.#site = site
  }

  /** @returns what r3 would hold */
  call(token: number, given: Uint32Array): number {
    const args = this.#args
    args.fill(0)
    args.set(given.subarray(0, args.length))
    switch (token) {
      case OPAL.OPAL_XIVE_RESET:
        this.#site.sources.reset()
        return OPAL_SUCCESS
      case OPAL.OPAL_XIVE_GET_IRQ_INFO:
        return this.#interruptInfo(args)
      case OPAL.OPAL_XIVE_SET_IRQ_CONFIG:
        return this.#site.sources.configure(numberAt(args, 0), numberAt(args, 2) & 0xff, numberAt(args, 3))
          ? OPAL_SUCCESS
          : OPAL_PARAMETER
    }
    const phb = this.#site.phbs.find(({ index }) => index === numberAt(args, 0))
    return phb === undefined ? OPAL_PARAMETER : this.#callOf(phb, token, args)
  }

  #callOf(phb: Phb, token: number, args: OpalArguments): number {
    switch (token) {
      case OPAL.OPAL_PCI_CONFIG_READ_BYTE:
        return this.#readConfig(phb, args, 1)
      case OPAL.OPAL_PCI_CONFIG_READ_HALF_WORD:
        return this.#readConfig(phb, args, 2)
      case OPAL.OPAL_PCI_CONFIG_READ_WORD:
        return this.#readConfig(phb, args, 4)
      case OPAL.OPAL_PCI_CONFIG_WRITE_BYTE:
        return writeConfig(phb, args, 1)
      case OPAL.OPAL_PCI_CONFIG_WRITE_HALF_WORD:
        return writeConfig(phb, args, 2)
      case OPAL.OPAL_PCI_CONFIG_WRITE_WORD:
        return writeConfig(phb, args, 4)
      case OPAL.OPAL_PCI_EEH_FREEZE_STATUS:
        return this.#freezeStatus(phb, args)
      case OPAL.OPAL_PCI_EEH_FREEZE_CLEAR:
        if (!isEndpoint(phb, numberAt(args, 1))) return OPAL_PARAMETER
        phb.unit.thaw(numberAt(args, 1))
        return OPAL_SUCCESS
      case OPAL.OPAL_PCI_PHB_MMIO_ENABLE:
        return enableWindow(phb, args)
      case OPAL.OPAL_PCI_SET_PHB_MEM_WINDOW:
        return setMemoryWindow(phb, args)
      case OPAL.OPAL_PCI_MAP_PE_MMIO_WINDOW:
        // Which endpoint a register belongs to matters where one is frozen, whose registers answer here all the same.
        return isEndpoint(phb, numberAt(args, 1)) ? OPAL_SUCCESS : OPAL_PARAMETER
      case OPAL.OPAL_PCI_SET_PE:
        return setEndpoint(phb, args)
      case OPAL.OPAL_PCI_SET_PELTV:
        return isEndpoint(phb, numberAt(args, 1)) && isEndpoint(phb, numberAt(args, 2)) ? OPAL_SUCCESS : OPAL_PARAMETER
      case OPAL.OPAL_PCI_SET_XIVE_PE:
        return isEndpoint(phb, numberAt(args, 1)) && isMessage(phb, numberAt(args, 2)) ? OPAL_SUCCESS : OPAL_PARAMETER
      case OPAL.OPAL_GET_MSI_64:
        return this.#messageOf(phb, args)
      case OPAL.OPAL_PCI_MAP_PE_DMA_WINDOW:
        return mapDmaWindow(phb, args)
      case OPAL.OPAL_PCI_MAP_PE_DMA_WINDOW_REAL:
        return mapDmaWindowReal(phb, args)
      case OPAL.OPAL_PCI_RESET:
        if (numberAt(args, 1) !== RESET_IODA_TABLE) return OPAL_UNSUPPORTED
        phb.unit.reset()
        return OPAL_SUCCESS
      case OPAL.OPAL_PCI_TCE_KILL:
        return killTces(phb, args)
    }
    return OPAL_UNSUPPORTED
  }

  /** Answers into memory. False where there is none. */
  #answer(at: number, bytes: number, hi: number, lo: number): boolean {
    if (!Number.isSafeInteger(at)) return false
    const view = new DataView(new ArrayBuffer(8))
    view.setUint32(0, hi)
    view.setUint32(4, lo)
    return this.#site.ram.writeBytes(at, new Uint8Array(view.buffer, 8 - bytes)) === bytes
  }

  #readConfig(phb: Phb, args: OpalArguments, width: 1 | 2 | 4): number {
    const register = registerAt(phb, args, width)
    if (register === 'none') return OPAL_PARAMETER
    // Where no function answers, the bridge reads all ones, and says that it has worked.
    const value = register === null ? 0xffff_ffff : register.one.config.read(register.offset, width)
    return this.#answer(numberAt(args, 3), width, 0, value) ? OPAL_SUCCESS : OPAL_PARAMETER
  }

  #freezeStatus(phb: Phb, args: OpalArguments): number {
    const endpoint = numberAt(args, 1)
    if (!isEndpoint(phb, endpoint)) return OPAL_PARAMETER
    const state = phb.unit.isFrozen(endpoint) ? FREEZE.BOTH : FREEZE.CLEAR
    const written = this.#answer(numberAt(args, 2), 1, 0, state) && this.#answer(numberAt(args, 3), 2, 0, 0)
    return written ? OPAL_SUCCESS : OPAL_PARAMETER
  }

  /** Of 64 bits: the address, and the data, that raise a message of the bridge's. */
  #messageOf(phb: Phb, args: OpalArguments): number {
    const message = numberAt(args, 2)
    if (!isEndpoint(phb, numberAt(args, 1)) || !isMessage(phb, message) || numberAt(args, 3) !== 1)
      return OPAL_PARAMETER
    const written =
      this.#answer(numberAt(args, 4), 8, MSI64_HI, (message << 4) & 0xffff_fe0f) &&
      this.#answer(numberAt(args, 5), 4, 0, message & 0x1f)
    return written ? OPAL_SUCCESS : OPAL_PARAMETER
  }

  /** Flags, the pages to acknowledge and to trigger it by, log2 of their size, and the chip. */
  #interruptInfo(args: OpalArguments): number {
    const source = numberAt(args, 0)
    const phb = this.#site.phbs.find(
      ({ place: { firstSource, firstLsi } }) => source >= firstSource && source < firstLsi + 8,
    )
    if (phb === undefined || !this.#site.sources.isClaimed(source)) return OPAL_PARAMETER
    const trigger = phb.esbOf(source)
    const acknowledge = trigger + 2 ** ESB_PAGE_SHIFT
    const put = (index: number, bytes: number, value: number): boolean => {
      const at = numberAt(args, index)
      return at === 0 || this.#answer(at, bytes, Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000)
    }
    const written =
      put(1, 8, source >= phb.place.firstLsi ? XIVE_IRQ_LSI : 0) &&
      put(2, 8, acknowledge) &&
      put(3, 8, trigger) &&
      put(4, 4, ESB_PAGE_SHIFT) &&
      put(5, 4, 0)
    return written ? OPAL_SUCCESS : OPAL_PARAMETER
  }
}

const isMessage = (phb: Phb, number: number): boolean => number >= 0 && number < phb.place.messages

/** The function and register that a configuration access means; null where no function answers. */
function registerAt(
  { root }: Phb,
  args: OpalArguments,
  width: number,
): { readonly one: PciFunction; readonly offset: number } | null | 'none' {
  const offset = numberAt(args, 2)
  const id = numberAt(args, 1)
  if (!(id <= 0xffff) || !(offset <= 0xfff) || offset % width !== 0) return 'none'
  // Below the root complex is one port: configuration requests to other devices of its bus go nowhere.
  const one = id >>> 8 === 0 && id !== 0 ? null : root.functionAt(id)
  return one === null || offset >= one.config.size ? null : { one, offset }
}

function writeConfig(phb: Phb, args: OpalArguments, width: 1 | 2 | 4): number {
  const register = registerAt(phb, args, width)
  if (register === 'none') return OPAL_PARAMETER
  register?.one.config.write(register.offset, width, args[6]!)
  return OPAL_SUCCESS
}

function setMemoryWindow(phb: Phb, args: OpalArguments): number {
  const bar = numberAt(args, 1) === WINDOW_TYPE.M64 ? phb.mem64Bars[numberAt(args, 2)] : undefined
  const base = numberAt(args, 3)
  const size = numberAt(args, 5)
  const { mem64 } = phb.place
  if (bar === undefined || numberAt(args, 2) === 0 || !(base >= mem64.base && base + size <= mem64.base + mem64.size)) {
    return OPAL_PARAMETER
  }
  if (bar.enabled) return OPAL_HARDWARE
  bar.base = base
  bar.size = size
  return OPAL_SUCCESS
}

/** Enables a window, for the endpoints by its segments or for one, or disables it. */
function enableWindow(phb: Phb, args: OpalArguments): number {
  const bar = numberAt(args, 1) === WINDOW_TYPE.M64 ? phb.mem64Bars[numberAt(args, 2)] : undefined
  if (bar === undefined || numberAt(args, 2) === 0) return OPAL_PARAMETER
  bar.enabled = numberAt(args, 3) !== 0
  return OPAL_SUCCESS
}

/** Bits of a bus number that are compared, from the top, by the names in `COMPARE_BUS`. */
function busBits(compare: number): number | null {
  if (compare === COMPARE_BUS.ANY) return 0
  return compare >= COMPARE_BUS.THREE_BITS && compare <= COMPARE_BUS.ALL ? compare + 1 : null
}

/** Puts the requesters that match into an endpoint, or takes them out of it. */
function setEndpoint(phb: Phb, args: OpalArguments): number {
  const endpoint = numberAt(args, 1)
  const requester = numberAt(args, 2)
  const bits = busBits(numberAt(args, 3))
  if (!isEndpoint(phb, endpoint) || !(requester <= 0xffff) || bits === null) return OPAL_PARAMETER
  let mask = bits === 0 ? 0 : (0xff00 << (8 - bits)) & 0xff00
  if (numberAt(args, 4) === 1) mask |= 0x00f8
  if (numberAt(args, 5) === 1) mask |= 0x0007
  const target = numberAt(args, 6) === MAP_PE ? endpoint : phb.unit.reservedEndpoint
  for (let id = 0; id <= 0xffff; id++) {
    if ((id & mask) === (requester & mask)) phb.unit.assign(id, target)
  }
  return OPAL_SUCCESS
}

function killTces(phb: Phb, args: OpalArguments): number {
  const kind = numberAt(args, 1)
  if (kind === TCE_KILL.ALL || kind === TCE_KILL.PE) {
    phb.unit.killAll()
    return OPAL_SUCCESS
  }
  const endpoint = numberAt(args, 2)
  const shift = KILL_SHIFTS.find((one) => 2 ** one === numberAt(args, 3))
  if (kind !== TCE_KILL.PAGES || !isEndpoint(phb, endpoint) || shift === undefined) return OPAL_PARAMETER
  phb.unit.killPages(endpoint, args[9]!, args[8]!, shift, args[10]!)
  return OPAL_SUCCESS
}
