import type { PortTlb } from '@dmascope/iommu'
import { hexPair } from '@dmascope/layout'
import {
  ACCESS_READ,
  ACCESS_WRITE,
  type Access,
  type AddressSpace,
  DMA_DECODE_ERROR,
  DMA_DISABLED,
  DMA_FAULT,
  DMA_OK,
  type DmaPort,
  type DmaResult,
  type InterruptPort,
  type RingView,
} from '@dmascope/memory'
import { type Landing, landingOf, previewOf, ramPreview } from './dma-space.ts'
import { count, type DeviceLedger, type Ledger } from './ledger.ts'

const PAGE = 0x1000
/** An address that no memory of ours can have: bits beyond a Number's 53 are set. */
const FIRST_UNREACHABLE_HIGH = 0x20_0000
/** Messages go to this megabyte; a DMA write there is an interrupt, whoever makes it (Intel SDM vol. 3, §11.11). */
const MSI_FIRST = 0xfee0_0000
const MSI_LAST = 0xfeef_ffff

/** What a port is plugged into. */
export interface Fabric {
  /** Untranslated bus addresses lead here. */
  readonly space: AddressSpace
  readonly books: Ledger
  /**
   * A message of the function: through interrupt remapping where its bus has that, then to a processor. `address` is
   * the low word; the high one is 0.
   */
  sendMessage(addressLo: number, data: number): DmaResult
  setPin(asserted: boolean): void
  busMasterEnabled(): boolean
  /** The function's address, for traces. */
  name(): string
}

class FabricView implements RingView {
  readonly data: DataView
  readonly bytes: Uint8Array
  readonly epoch: number
  readonly generation: number
  readonly revocations: number
  readonly translated: boolean
  /** Pages of the view by bus address, to be looked up again when asked whether it is current. */
  readonly tags: Int32Array
  readonly tagEpochs: Uint32Array
  readonly busHi: number
  readonly busLo: number
  readonly physical: number

  constructor(from: Omit<FabricView, never>) {
    this.data = from.data
    this.bytes = from.bytes
    this.epoch = from.epoch
    this.generation = from.generation
    this.revocations = from.revocations
    this.translated = from.translated
    this.tags = from.tags
    this.tagEpochs = from.tagEpochs
    this.busHi = from.busHi
    this.busLo = from.busLo
    this.physical = from.physical
  }
}

/**
 * One function's way to memory: through its IOMMU where it is wired behind one, then into the machine's address space.
 * Every access is counted, and judged against what the guest had granted when it happened.
 */
export class FabricPort implements DmaPort, InterruptPort {
  readonly #fabric: Fabric
  readonly #ledger: DeviceLedger
  /** Null where the function is wired past every IOMMU. Replaced when a machine is rewired. */
  #tlb: PortTlb | null
  #views = 0
  /** Where a view was refused just now: the access that follows is the same one, and makes no second fault. */
  #refusedHi = -1
  #refusedLo = -1

  constructor(fabric: Fabric, ledger: DeviceLedger, tlb: PortTlb | null) {
    this.#fabric = fabric
    this.#ledger = ledger
    this.#tlb = tlb
  }

  get behindIommu(): boolean {
    return this.#tlb !== null
  }

  /** Plugs the port in elsewhere: behind this IOMMU, or past all of them. Views end. */
  rewire(tlb: PortTlb | null): void {
    this.#tlb = tlb
    this.#views++
  }

  read(hi: number, lo: number, into: Uint8Array): DmaResult {
    return this.#transfer(hi >>> 0, lo >>> 0, into, ACCESS_READ)
  }

  write(hi: number, lo: number, from: Uint8Array): DmaResult {
    if (hi === 0 && lo >= MSI_FIRST && lo <= MSI_LAST && from.length === 4) {
      return this.msi(hi, lo, new DataView(from.buffer, from.byteOffset, 4).getUint32(0, true))
    }
    return this.#transfer(hi >>> 0, lo >>> 0, from, ACCESS_WRITE)
  }

  #transfer(startHi: number, startLo: number, buffer: Uint8Array, access: 1 | 2): DmaResult {
    if (!this.#fabric.busMasterEnabled()) return DMA_DISABLED
    const tlb = this.#tlb
    const counts = this.#ledger.counts[this.#ledger.phase]
    if (tlb === null) {
      const result =
        startHi >= FIRST_UNREACHABLE_HIGH
          ? this.#miss(buffer, access)
          : this.#land(startHi, startLo, startHi * 0x1_0000_0000 + startLo, buffer, access, 'untranslated')
      count(counts, access, buffer.length, 'untranslated')
      return result
    }
    let hi = startHi
    let lo = startLo
    let done = 0
    let translated = false
    let worst: DmaResult = DMA_OK
    while (done < buffer.length) {
      const length = Math.min(buffer.length - done, PAGE - (lo & (PAGE - 1)))
      if (this.#wasRefused(hi, lo) || tlb.lookup(hi, lo, access) !== 0) {
        counts.faulted++
        if (done > 0) count(counts, access, done, translated ? 'translated' : 'untranslated')
        this.#trace(access, hi, lo, null, length, 'faulted')
        return DMA_FAULT
      }
      const route = tlb.route === 'translated' ? 'translated' : 'untranslated'
      translated ||= route === 'translated'
      const piece = length === buffer.length ? buffer : buffer.subarray(done, done + length)
      const result =
        tlb.hi >= FIRST_UNREACHABLE_HIGH
          ? this.#miss(piece, access)
          : this.#land(hi, lo, tlb.hi * 0x1_0000_0000 + tlb.lo, piece, access, route)
      if (result !== DMA_OK) worst = result
      done += length
      lo = (lo + length) >>> 0
      if (lo === 0) hi = (hi + 1) >>> 0
    }
    count(counts, access, buffer.length, translated ? 'translated' : 'untranslated')
    return worst
  }

  #wasRefused(hi: number, lo: number): boolean {
    const refused = this.#refusedLo >>> 12 === lo >>> 12 && this.#refusedHi === hi
    this.#refusedHi = -1
    return refused
  }

  /** Moves bytes at a physical address, after judging the access. */
  #land(
    hi: number,
    lo: number,
    physical: number,
    buffer: Uint8Array,
    access: 1 | 2,
    route: 'translated' | 'untranslated',
  ): DmaResult {
    const { space } = this.#fabric
    const ram = space.isRam(physical, buffer.length)
    const allowed = this.#ledger.allows(physical, buffer.length, access)
    this.#trace(access, hi, lo, physical, buffer.length, route)
    if (ram && allowed) {
      if (access === ACCESS_READ) space.ram.readBytes(physical, buffer)
      else space.ram.writeBytes(physical, buffer)
      return DMA_OK
    }
    const landed = landingOf(space, physical)
    const before =
      !allowed && access === ACCESS_WRITE && landed === 'ram' ? ramPreview(space, physical, buffer.length) : undefined
    if (landed === 'hole') {
      if (access === ACCESS_READ) buffer.fill(0xff)
    } else if (access === ACCESS_READ) space.readBytes(physical, buffer)
    else space.writeBytes(physical, buffer)
    if (!allowed) this.#recordStray(hi, lo, physical, buffer, access, landed, before)
    return landed === 'hole' ? DMA_DECODE_ERROR : DMA_OK
  }

  #recordStray(
    hi: number,
    lo: number,
    physical: number,
    buffer: Uint8Array,
    access: 1 | 2,
    landed: Landing,
    before: string | undefined,
  ): void {
    this.#ledger.stray({
      kind: access === ACCESS_READ ? 'read' : 'write',
      busAddress: `0x${hexPair(hi, lo).replace(/^0{1,8}/, '')}`,
      physical: `0x${physical.toString(16)}`,
      length: buffer.length,
      landed,
      count: 1,
      ...(before !== undefined && { before }),
      ...(landed !== 'hole' && { after: previewOf(buffer) }),
    })
  }

  #miss(buffer: Uint8Array, access: 1 | 2): DmaResult {
    if (access === ACCESS_READ) buffer.fill(0xff)
    return DMA_DECODE_ERROR
  }

  #trace(
    access: 1 | 2,
    hi: number,
    lo: number,
    physical: number | null,
    length: number,
    route: 'translated' | 'untranslated' | 'faulted',
  ): void {
    const { books } = this.#fabric
    if (books.trace === null) return
    books.record({
      device: this.#fabric.name(),
      kind: access === ACCESS_READ ? 'read' : 'write',
      busAddress: `0x${hexPair(hi, lo)}`,
      physical: physical === null ? null : `0x${physical.toString(16)}`,
      length,
      route,
      phase: this.#ledger.phase,
    })
  }

  view(hi: number, lo: number, length: number, access: Access): RingView | null {
    const { space, books } = this.#fabric
    // A trace wants each access, and a view hides them.
    if (length <= 0 || books.trace !== null || !this.#fabric.busMasterEnabled()) return null
    const tlb = this.#tlb
    const pages = tlb === null ? 0 : Math.ceil(((lo & (PAGE - 1)) + length) / PAGE)
    const tags = new Int32Array(pages)
    const tagEpochs = new Uint32Array(pages)
    let physical = hi >= FIRST_UNREACHABLE_HIGH ? -1 : hi * 0x1_0000_0000 + lo
    let translated = false
    for (let page = 0; tlb !== null && page < pages; page++) {
      const offset = page === 0 ? 0 : page * PAGE - (lo & (PAGE - 1))
      const busLo = (lo + offset) >>> 0
      const busHi = busLo < lo ? (hi + 1) >>> 0 : hi
      if (tlb.lookup(busHi, busLo, access) !== 0) {
        this.#refusedHi = busHi
        this.#refusedLo = busLo
        return null
      }
      const { tag } = tlb
      if (tag < 0) return null
      const at = tlb.hi >= FIRST_UNREACHABLE_HIGH ? -1 : tlb.hi * 0x1_0000_0000 + tlb.lo
      if (page === 0) physical = at
      else if (at !== physical + offset) return null
      translated ||= tlb.route === 'translated'
      tags[page] = tag
      tagEpochs[page] = tlb.epochOf(tag)
    }
    if (physical < 0 || !space.isRam(physical, length) || space.ram.runLength(physical) < length) return null
    if (!this.#ledger.allows(physical, length, access)) return null
    const offset = space.ram.offsetToWrite(physical)
    return new FabricView({
      data: new DataView(space.ram.bytes.buffer, offset, length),
      bytes: space.ram.bytes.subarray(offset, offset + length),
      epoch: this.#views,
      generation: space.ram.generation,
      revocations: this.#ledger.grants.revocations,
      translated,
      tags,
      tagEpochs,
      busHi: hi,
      busLo: lo,
      physical,
    })
  }

  isCurrent(view: RingView): boolean {
    if (!(view instanceof FabricView) || view.epoch !== this.#views || !this.#fabric.busMasterEnabled()) return false
    if (view.generation !== this.#fabric.space.ram.generation) return false
    if (view.revocations !== this.#ledger.grants.revocations) return false
    const tlb = this.#tlb
    for (let page = 0; tlb !== null && page < view.tags.length; page++) {
      if (tlb.epochOf(view.tags[page]!) !== view.tagEpochs[page]) return false
    }
    return true
  }

  account(view: RingView, reads: number, writes: number, bytes: number): void {
    const counts = this.#ledger.counts[this.#ledger.phase]
    counts.reads += reads
    counts.writes += writes
    counts.bytes += bytes
    counts[view instanceof FabricView && view.translated ? 'translated' : 'untranslated'] += reads + writes
  }

  msi(hi: number, lo: number, data: number): DmaResult {
    if (!this.#fabric.busMasterEnabled()) return DMA_DISABLED
    if (hi === 0 && lo >= MSI_FIRST && lo <= MSI_LAST) {
      this.#ledger.msi++
      return this.#fabric.sendMessage(lo, data)
    }
    // A message elsewhere is a plain write of four bytes.
    const word = new Uint8Array(4)
    new DataView(word.buffer).setUint32(0, data, true)
    return this.#transfer(hi, lo, word, ACCESS_WRITE)
  }

  intx(level: boolean): void {
    this.#fabric.setPin(level)
  }
}
