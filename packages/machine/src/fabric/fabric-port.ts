import type { PortTlb } from '@dmascope/iommu'
import { hexPair, highWord, lowWord } from '@dmascope/layout'
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
import type { InboundMap } from '../inbound/inbound-map.ts'
import type { DeviceMemory } from './device-memory.ts'
import { type Landing, landingOf, previewOf, ramPreview } from './dma-space.ts'
import { FabricView } from './fabric-view.ts'
import { count, type DeviceLedger, type Ledger, type TracedAccess } from './ledger.ts'
import { Refusals } from './refusals.ts'

const PAGE = 0x1000
/** An address that no memory of ours can have: bits beyond a Number's 53 are set. */
const FIRST_UNREACHABLE_HIGH = 0x20_0000

/** How an access went on its way to memory, or a message to a processor. */
export type Route = 'translated' | 'untranslated' | 'faulted'

/** What a port is plugged into. */
export interface Fabric {
  /** Untranslated bus addresses lead here. */
  readonly space: AddressSpace
  /** What the function finds where that is RAM; RAM itself unless given. */
  readonly memory?: DeviceMemory
  readonly books: Ledger
  /**
   * Bus addresses that are messages before they are addresses: upper half `hi`, 0 unless given, lower half [first, last].
   * None where first > last.
   */
  readonly messages: { readonly hi?: number; readonly first: number; readonly last: number }
  /**
   * A message of the function to that range: through interrupt remapping where its bus has that, then to a processor.
   * `address` is the low word. Answers which way it went; `faulted`: remapping refused it.
   */
  sendMessage(addressLo: number, data: number): Route
  /** A write of four bytes has come to this physical address. False where that is no interrupt controller's doorbell. */
  ringDoorbell(address: number, data: number): boolean
  setPin(asserted: boolean): void
  busMasterEnabled(): boolean
  /** Changes with each turn that functions get to work. */
  turn(): number
  /** The function's address, for traces. */
  name(): string
}

/** Windows of the buses above a function, where those see memory elsewhere. Null: addresses are memory's own. */
export interface InboundWay {
  readonly dma: InboundMap | null
  readonly messages: InboundMap | null
}

const STRAIGHT: InboundWay = { dma: null, messages: null }

/**
 * One function's way to memory: through its IOMMU where it is wired behind one, then into the machine's address space.
 * Every access is counted, and judged against what the guest had granted when it happened.
 */
export class FabricPort implements DmaPort, InterruptPort {
  readonly #fabric: Fabric
  readonly #ledger: DeviceLedger
  readonly #memory: Pick<DeviceMemory, 'readBytes' | 'writeBytes'>
  /** Null where the function is wired past every IOMMU. Replaced when a machine is rewired. */
  #tlb: PortTlb | null
  /** What messages meet that are no more than writes: the IOMMU of the bus, whatever the data goes through. */
  readonly #messageTlb: PortTlb | null
  /** What stands on the way of data that no IOMMU translates. Replaced with the IOMMU. */
  #inbound: InboundMap | null
  readonly #messageInbound: InboundMap | null
  readonly #messageHi: number
  readonly #messageFirst: number
  readonly #messageLast: number
  #views = 0
  readonly #refusals: Refusals

  constructor(
    fabric: Fabric,
    ledger: DeviceLedger,
    tlb: PortTlb | null,
    messageTlb: PortTlb | null,
    inbound: InboundWay = STRAIGHT,
  ) {
    this.#fabric = fabric
    this.#ledger = ledger
    this.#memory = fabric.memory ?? fabric.space.ram
    this.#tlb = tlb
    this.#messageTlb = messageTlb
    this.#inbound = inbound.dma
    this.#messageInbound = inbound.messages
    this.#messageHi = fabric.messages.hi ?? 0
    this.#messageFirst = fabric.messages.first
    this.#messageLast = fabric.messages.last
    this.#refusals = new Refusals(() => fabric.turn())
  }

  get behindIommu(): boolean {
    return this.#tlb !== null
  }

  /** Grows with each change of what the port is plugged into, and with each that software makes there. */
  get #wiring(): number {
    return this.#views + (this.#inbound?.revision ?? 0)
  }

  /** Plugs the port in elsewhere: behind this IOMMU or these windows, or past all of them. Views end. */
  rewire(tlb: PortTlb | null, inbound: InboundMap | null = null): void {
    this.#views = this.#wiring + 1 - (inbound?.revision ?? 0)
    this.#tlb = tlb
    this.#inbound = inbound
  }

  read(hi: number, lo: number, into: Uint8Array): DmaResult {
    return this.#transfer(hi >>> 0, lo >>> 0, into, ACCESS_READ)
  }

  write(hi: number, lo: number, from: Uint8Array): DmaResult {
    if (hi === this.#messageHi && lo >= this.#messageFirst && lo <= this.#messageLast && from.length === 4) {
      return this.msi(hi, lo, new DataView(from.buffer, from.byteOffset, 4).getUint32(0, true))
    }
    return this.#transfer(hi >>> 0, lo >>> 0, from, ACCESS_WRITE)
  }

  #transfer(startHi: number, startLo: number, buffer: Uint8Array, access: 1 | 2): DmaResult {
    if (!this.#fabric.busMasterEnabled()) return DMA_DISABLED
    // No bytes, no access: it would count as one that nothing translated.
    if (buffer.length === 0) return DMA_OK
    const counts = this.#ledger.now
    if (this.#tlb === null) {
      count(counts, access, buffer.length, 'untranslated')
      return this.#transferUntranslated(startHi, startLo, buffer, access)
    }
    const tlb = this.#tlb
    let hi = startHi
    let lo = startLo
    let done = 0
    let translated = false
    let worst: DmaResult = DMA_OK
    while (done < buffer.length) {
      const length = Math.min(buffer.length - done, PAGE - (lo & (PAGE - 1)))
      if (this.#refusals.take(hi, lo, access) || tlb.lookup(hi, lo, access) !== 0) {
        counts.faulted++
        if (done > 0) count(counts, access, done, translated ? 'translated' : 'untranslated')
        this.#trace(access === ACCESS_READ ? 'read' : 'write', hi, lo, null, length, 'faulted')
        return DMA_FAULT
      }
      const route = tlb.route === 'translated' ? 'translated' : 'untranslated'
      translated ||= route === 'translated'
      const piece = length === buffer.length ? buffer : buffer.subarray(done, done + length)
      const result = this.#land(hi, lo, tlb.hi, tlb.lo, piece, access, route)
      if (result !== DMA_OK) worst = result
      done += length
      lo = (lo + length) >>> 0
      if (lo === 0) hi = (hi + 1) >>> 0
    }
    count(counts, access, buffer.length, translated ? 'translated' : 'untranslated')
    return worst
  }

  /** At one go where all of it is RAM that the device was given; else by pages, each judged for itself. */
  #transferUntranslated(startHi: number, startLo: number, buffer: Uint8Array, access: 1 | 2): DmaResult {
    const bus = startHi * 0x1_0000_0000 + startLo
    const start = this.#inbound === null ? bus : this.#inbound.memoryOf(bus, buffer.length)
    if (
      start >= 0 &&
      this.#fabric.space.isRam(start, buffer.length) &&
      this.#ledger.allows(start, buffer.length, access)
    ) {
      const kind = access === ACCESS_READ ? 'read' : 'write'
      this.#trace(kind, startHi, startLo, start, buffer.length, 'untranslated')
      if (access === ACCESS_READ) this.#memory.readBytes(start, buffer)
      else this.#memory.writeBytes(start, buffer)
      return DMA_OK
    }
    let worst: DmaResult = DMA_OK
    let hi = startHi
    let lo = startLo
    for (let done = 0; done < buffer.length; ) {
      const length = Math.min(buffer.length - done, PAGE - (lo & (PAGE - 1)))
      const piece = buffer.subarray(done, done + length)
      const result =
        this.#inbound === null
          ? this.#land(hi, lo, hi, lo, piece, access, 'untranslated')
          : this.#landThrough(this.#inbound, hi, lo, piece, access)
      if (result !== DMA_OK) worst = result
      done += length
      lo = (lo + length) >>> 0
      if (lo === 0) hi = (hi + 1) >>> 0
    }
    return worst
  }

  /** A piece of one page: where the window has it, or nowhere, since nothing on the bus answers. */
  #landThrough(windows: InboundMap, hi: number, lo: number, piece: Uint8Array, access: 1 | 2): DmaResult {
    const memory = windows.memoryOf(hi * 0x1_0000_0000 + lo, piece.length)
    if (memory >= 0) return this.#land(hi, lo, highWord(memory), lowWord(memory), piece, access, 'untranslated')
    this.#trace(access === ACCESS_READ ? 'read' : 'write', hi, lo, null, piece.length, 'untranslated')
    if (access === ACCESS_READ) piece.fill(0xff)
    if (!this.#ledger.unjudged) this.#recordStray(hi, lo, null, piece, access, 'hole', undefined)
    return DMA_DECODE_ERROR
  }

  /** Moves bytes at a physical address, after judging the access. */
  #land(
    hi: number,
    lo: number,
    physicalHi: number,
    physicalLo: number,
    buffer: Uint8Array,
    access: 1 | 2,
    route: 'translated' | 'untranslated',
  ): DmaResult {
    const { space } = this.#fabric
    const kind = access === ACCESS_READ ? 'read' : 'write'
    if (physicalHi >= FIRST_UNREACHABLE_HIGH) {
      this.#trace(kind, hi, lo, null, buffer.length, route)
      if (access === ACCESS_READ) buffer.fill(0xff)
      return DMA_DECODE_ERROR
    }
    const physical = physicalHi * 0x1_0000_0000 + physicalLo
    const ram = space.isRam(physical, buffer.length)
    const allowed = this.#ledger.allows(physical, buffer.length, access)
    this.#trace(kind, hi, lo, physical, buffer.length, route)
    if (ram && allowed) {
      if (access === ACCESS_READ) this.#memory.readBytes(physical, buffer)
      else this.#memory.writeBytes(physical, buffer)
      return DMA_OK
    }
    if (!allowed) this.#fabric.books.owners?.touch(physical, buffer.length)
    const landed = landingOf(space, physical)
    if (landed === 'mmio' && access === ACCESS_WRITE && buffer.length === 4 && this.#ring(physical, buffer))
      return DMA_OK
    const before =
      !allowed && access === ACCESS_WRITE && landed === 'ram' ? ramPreview(space, physical, buffer.length) : undefined
    if (landed === 'hole') {
      if (access === ACCESS_READ) buffer.fill(0xff)
    } else {
      const there = ram ? this.#memory : space
      if (access === ACCESS_READ) there.readBytes(physical, buffer)
      else there.writeBytes(physical, buffer)
    }
    if (!allowed) this.#recordStray(hi, lo, physical, buffer, access, landed, before)
    return landed === 'hole' ? DMA_DECODE_ERROR : DMA_OK
  }

  /** A plain write to a doorbell is a message like any other. */
  #ring(physical: number, buffer: Uint8Array): boolean {
    const data = new DataView(buffer.buffer, buffer.byteOffset, 4).getUint32(0, true)
    if (!this.#fabric.ringDoorbell(physical, data)) return false
    this.#ledger.msi++
    return true
  }

  #recordStray(
    hi: number,
    lo: number,
    physical: number | null,
    buffer: Uint8Array,
    access: 1 | 2,
    landed: Landing,
    before: string | undefined,
  ): void {
    const owner = physical === null ? null : (this.#fabric.books.owners?.ownerOf(physical) ?? null)
    this.#ledger.stray({
      kind: access === ACCESS_READ ? 'read' : 'write',
      busAddress: `0x${hexPair(hi, lo).replace(/^0+(?=.)/, '')}`,
      physical: physical === null ? null : `0x${physical.toString(16)}`,
      length: buffer.length,
      landed,
      count: 1,
      ...(owner !== null && { owner }),
      ...(physical !== null && this.#ledger.grants.wasCovered(physical, buffer.length, access) && { takenBack: true }),
      ...(before !== undefined && { before }),
      ...(landed !== 'hole' && { after: previewOf(buffer) }),
    })
  }

  #trace(
    kind: TracedAccess['kind'],
    hi: number,
    lo: number,
    physical: number | null,
    length: number,
    route: Route,
  ): void {
    const { books } = this.#fabric
    if (books.trace === null) return
    books.record({
      device: this.#fabric.name(),
      kind,
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
    const tags: number[] = []
    const tagEpochs: number[] = []
    let physical = hi >= FIRST_UNREACHABLE_HIGH ? -1 : hi * 0x1_0000_0000 + lo
    if (this.#inbound !== null && tlb === null) physical = this.#inbound.memoryOf(physical, length)
    let translated = false
    for (let page = 0; tlb !== null && page < pages; page++) {
      const offset = page === 0 ? 0 : page * PAGE - (lo & (PAGE - 1))
      const busLo = (lo + offset) >>> 0
      const busHi = busLo < lo ? (hi + 1) >>> 0 : hi
      // Each direction for itself, so that a refusal is known to be the next read's or the next write's.
      for (const way of [ACCESS_READ, ACCESS_WRITE] as const) {
        if ((access & way) === 0 || tlb.lookup(busHi, busLo, way) === 0) continue
        this.#refusals.note(busHi, busLo, way)
        return null
      }
      const { tag } = tlb
      if (tag < 0) return null
      const at = tlb.hi >= FIRST_UNREACHABLE_HIGH ? -1 : tlb.hi * 0x1_0000_0000 + tlb.lo
      if (page === 0) physical = at
      else if (at !== physical + offset) return null
      translated ||= tlb.route === 'translated'
      tags.push(tag)
      tagEpochs.push(tlb.epochOf(tag))
    }
    if (physical < 0 || !space.isRam(physical, length) || space.ram.runLength(physical) < length) return null
    if (!this.#ledger.allows(physical, length, access)) return null
    if (this.#fabric.memory?.isOpen(physical, length) === false) return null
    const offset = space.ram.offsetToWrite(physical, length)
    const origin = {
      bytes: space.ram.bytes.subarray(offset, offset + length),
      epoch: this.#wiring,
      generation: space.ram.generation,
      physical,
      access,
      unjudged: this.#ledger.unjudged,
      translated,
      tags,
      tagEpochs,
    }
    return new FabricView(origin, this.#ledger.grants.revocations)
  }

  isCurrent(view: RingView): boolean {
    if (!(view instanceof FabricView) || view.epoch !== this.#wiring || !this.#fabric.busMasterEnabled()) return false
    const { origin } = view
    if (origin.generation !== this.#fabric.space.ram.generation) return false
    if (origin.unjudged && !this.#ledger.unjudged) return false
    const tlb = this.#tlb
    for (let page = 0; tlb !== null && page < origin.tags.length; page++) {
      if (tlb.epochOf(origin.tags[page]!) !== origin.tagEpochs[page]) return false
    }
    const { revocations } = this.#ledger.grants
    if (view.judgedAt === revocations) return true
    // Something was taken back: this may still be the device's.
    const { physical, bytes, access } = origin
    if (!this.#ledger.allows(physical, bytes.length, access)) return false
    if (this.#fabric.memory?.isOpen(physical, bytes.length) === false) return false
    view.judgedAt = revocations
    return true
  }

  account(view: RingView, reads: number, writes: number, bytes: number): void {
    const counts = this.#ledger.now
    counts.reads += reads
    counts.writes += writes
    counts.bytes += bytes
    counts[view instanceof FabricView && view.origin.translated ? 'translated' : 'untranslated'] += reads + writes
  }

  msi(hi: number, lo: number, data: number): DmaResult {
    if (!this.#fabric.busMasterEnabled()) return DMA_DISABLED
    if (hi === this.#messageHi && lo >= this.#messageFirst && lo <= this.#messageLast) {
      this.#ledger.msi++
      const route = this.#fabric.sendMessage(lo, data)
      this.#trace('msi', hi, lo, null, 4, route)
      return route === 'faulted' ? DMA_FAULT : DMA_OK
    }
    return this.#writeMessage(hi >>> 0, lo >>> 0, data)
  }

  /** A message that is a write of four bytes, translated as one: to a doorbell, or wherever it leads. */
  #writeMessage(hi: number, lo: number, data: number): DmaResult {
    const tlb = this.#messageTlb
    if (tlb !== null && tlb.lookup(hi, lo, ACCESS_WRITE) !== 0) {
      this.#trace('msi', hi, lo, null, 4, 'faulted')
      return DMA_FAULT
    }
    const route = tlb?.route === 'translated' ? 'translated' : 'untranslated'
    let toHi = tlb === null ? hi : tlb.hi
    let toLo = tlb === null ? lo : tlb.lo
    if (tlb === null && this.#messageInbound !== null) {
      const memory = this.#messageInbound.memoryOf(hi * 0x1_0000_0000 + lo, 4)
      if (memory < 0) {
        this.#trace('msi', hi, lo, null, 4, 'untranslated')
        return DMA_DECODE_ERROR
      }
      toHi = highWord(memory)
      toLo = lowWord(memory)
    }
    if (toHi < FIRST_UNREACHABLE_HIGH) {
      const address = toHi * 0x1_0000_0000 + toLo
      if (this.#fabric.ringDoorbell(address, data)) {
        this.#ledger.msi++
        this.#trace('msi', hi, lo, address, 4, route)
        return DMA_OK
      }
    }
    const word = new Uint8Array(4)
    new DataView(word.buffer).setUint32(0, data, true)
    count(this.#ledger.now, ACCESS_WRITE, 4, route)
    return this.#land(hi, lo, toHi, toLo, word, ACCESS_WRITE, route)
  }

  intx(level: boolean): void {
    this.#fabric.setPin(level)
  }
}
