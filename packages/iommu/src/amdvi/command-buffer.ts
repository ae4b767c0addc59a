import type { Bits } from '@dmascope/layout'
import type { GuestRam } from '@dmascope/memory'
import type { RequesterId } from '../translator.ts'
import type { EventLog } from './event-log.ts'
import { FAULTS } from './faults.ts'
import { encodedLog2 } from './host-walk.ts'
import type { AmdViFeatures, AmdViWiring, DeviceTlbAnswer } from './options.ts'
import type { RegisterFile } from './register-file.ts'
import {
  COMMAND,
  COMMAND_HEADER,
  COMPLETE_PPR_REQUEST,
  COMPLETE_PPR_REQUEST_HIGH,
  COMPLETION_WAIT,
  INVALIDATE_DEVTAB_ENTRY,
  INVALIDATE_INTERRUPT_TABLE,
  INVALIDATE_IOMMU_ALL,
  INVALIDATE_IOMMU_PAGES,
  INVALIDATE_IOMMU_PAGES_HIGH,
  INVALIDATE_IOTLB_PAGES,
  INVALIDATE_IOTLB_PAGES_HIGH,
  OPCODE,
  PREFETCH_IOMMU_PAGES,
  PREFETCH_IOMMU_PAGES_HIGH,
} from './spec/commands.ts'
import { AMDVI_REGISTERS, COMMAND_BUFFER_BASE, CONTROL, STATUS } from './spec/registers.ts'

const AT = AMDVI_REGISTERS.registers
const { CmdBufRun, ComWaitInt } = STATUS.fields
const BYTES = COMMAND.size
/** ComLen below 8 is reserved. */
const SHORTEST = 8
const { DeviceID } = INVALIDATE_DEVTAB_ENTRY.fields
const ALL = 64

/** Which bits of the four words a command's fields cover; the others are reserved. */
const reservedOf = (low: Bits, high?: Bits): readonly number[] => {
  const words = [0, 0, 0, 0]
  for (const { loMask, hiMask } of Object.values(low.fields)) {
    words[0]! |= loMask
    words[1]! |= hiMask
  }
  for (const { loMask, hiMask } of Object.values(high?.fields ?? {})) {
    words[2]! |= loMask
    words[3]! |= hiMask
  }
  return words.map((covered) => ~covered | 0)
}
const [WAIT_LO, WAIT_HI] = reservedOf(COMPLETION_WAIT) as [number, number]
const RESERVED: Readonly<Record<number, readonly number[]>> = {
  // All of its second half is data.
  [OPCODE.COMPLETION_WAIT]: [WAIT_LO, WAIT_HI, 0, 0],
  [OPCODE.INVALIDATE_DEVTAB_ENTRY]: reservedOf(INVALIDATE_DEVTAB_ENTRY),
  [OPCODE.INVALIDATE_IOMMU_PAGES]: reservedOf(INVALIDATE_IOMMU_PAGES, INVALIDATE_IOMMU_PAGES_HIGH),
  [OPCODE.INVALIDATE_IOTLB_PAGES]: reservedOf(INVALIDATE_IOTLB_PAGES, INVALIDATE_IOTLB_PAGES_HIGH),
  [OPCODE.INVALIDATE_INTERRUPT_TABLE]: reservedOf(INVALIDATE_INTERRUPT_TABLE),
  [OPCODE.PREFETCH_IOMMU_PAGES]: reservedOf(PREFETCH_IOMMU_PAGES, PREFETCH_IOMMU_PAGES_HIGH),
  [OPCODE.COMPLETE_PPR_REQUEST]: reservedOf(COMPLETE_PPR_REQUEST, COMPLETE_PPR_REQUEST_HIGH),
  [OPCODE.INVALIDATE_IOMMU_ALL]: reservedOf(INVALIDATE_IOMMU_ALL),
}

/** What the commands invalidate. */
export interface Invalidations {
  device(requester: RequesterId): void
  /** The aligned 2^log2Size bytes around the address; 64: all of the domain. */
  pages(domain: number, hi: number, lo: number, log2Size: number, directories: boolean): void
  pagesOf(requester: RequesterId, hi: number, lo: number, log2Size: number): void
  interruptTable(requester: RequesterId): void
  all(): void
}

/**
 * The command buffer. Commands are worked off at once when software moves the tail; one pass goes around the buffer at
 * most once, whatever it holds.
 */
export class CommandBuffer {
  readonly #ram: GuestRam
  readonly #registers: RegisterFile
  readonly #log: EventLog
  readonly #targets: Invalidations
  readonly #features: AmdViFeatures
  readonly #raiseMsi: (message: number) => void
  readonly #deviceTlb: (requester: RequesterId, hi: number, lo: number, log2Size: number) => DeviceTlbAnswer

  constructor(
    registers: RegisterFile,
    features: AmdViFeatures,
    wiring: AmdViWiring,
    log: EventLog,
    targets: Invalidations,
  ) {
    this.#ram = wiring.ram
    this.#registers = registers
    this.#features = features
    this.#log = log
    this.#targets = targets
    this.#raiseMsi = wiring.raiseMsi
    this.#deviceTlb = wiring.onDeviceTlbInvalidate ?? (() => 'done')
  }

  get isRunning(): boolean {
    return (this.#registers.get(AT.Status.offset) & CmdBufRun.loMask) !== 0
  }

  /** Software wrote Control: the buffer runs while it is enabled, and after an error not before it is enabled anew. */
  controlWritten(before: number): void {
    const control = this.#registers.get(AT.Control.offset)
    const needed = CONTROL.fields.IommuEn.loMask | CONTROL.fields.CmdBufEn.loMask
    const enabled = (control & needed) === needed
    if (!enabled || this.#log2Length() < SHORTEST) this.#setStatus(0, CmdBufRun.loMask)
    else if ((before & needed) !== needed) {
      this.#setStatus(CmdBufRun.loMask, 0)
      this.run()
    }
  }

  /** Writing the base address empties the buffer. */
  baseWritten(): void {
    this.#registers.set(AT.CommandHead.offset, 0)
    this.#registers.set(AT.CommandTail.offset, 0)
  }

  #log2Length(): number {
    return COMMAND_BUFFER_BASE.fields.ComLen.get(0, this.#registers.get(AT.CommandBufferBase.offset + 4))
  }

  /** Fetches from head to tail. Pointers beyond the buffer count modulo its length. */
  run(): void {
    const registers = this.#registers
    const length = 2 ** this.#log2Length()
    const size = length * BYTES
    const base = registers.base(AT.CommandBufferBase.offset)
    const tail = registers.get(AT.CommandTail.offset) % size
    for (let left = length; left > 0 && this.isRunning; left--) {
      const head = registers.get(AT.CommandHead.offset) % size
      if (head === tail) return
      this.#fetch(base + head)
      // The head stays at a command that stopped the buffer, for software to see and to replace.
      if (this.isRunning) registers.set(AT.CommandHead.offset, (head + BYTES) % size)
    }
  }

  #fetch(address: number): void {
    const at = this.#ram.offsetToRead(address)
    if (at < 0) {
      this.#error(FAULTS.commandAccess.value, address)
      return
    }
    const { view } = this.#ram
    const { low, high } = COMMAND.fields
    const w0 = low.lo.get(view, at)
    const w1 = low.hi.get(view, at)
    const w2 = high.lo.get(view, at)
    const w3 = high.hi.get(view, at)
    const opcode = COMMAND_HEADER.fields.OpCode.get(w0, w1)
    const reserved = RESERVED[opcode]
    if (
      reserved === undefined ||
      !this.#isSupported(opcode) ||
      ((w0 & reserved[0]!) | (w1 & reserved[1]!) | (w2 & reserved[2]!) | (w3 & reserved[3]!)) !== 0
    ) {
      this.#error(FAULTS.illegalCommand.value, address)
      return
    }
    this.#execute(opcode, address, w0, w1, w2, w3)
  }

  #isSupported(opcode: number): boolean {
    switch (opcode) {
      case OPCODE.INVALIDATE_IOTLB_PAGES:
        return this.#features.deviceIotlb
      case OPCODE.PREFETCH_IOMMU_PAGES:
        return this.#features.prefetch
      case OPCODE.COMPLETE_PPR_REQUEST:
        return this.#features.announcesPageRequests
      case OPCODE.INVALIDATE_IOMMU_ALL:
        return this.#features.invalidateAll
      default:
        return true
    }
  }

  #execute(opcode: number, address: number, w0: number, w1: number, w2: number, w3: number): void {
    switch (opcode) {
      case OPCODE.COMPLETION_WAIT:
        this.#wait(w0, w1, w2, w3)
        break
      case OPCODE.INVALIDATE_DEVTAB_ENTRY:
        this.#targets.device(DeviceID.get(w0))
        break
      case OPCODE.INVALIDATE_IOMMU_PAGES:
        this.#invalidatePages(w1, w2, w3)
        break
      case OPCODE.INVALIDATE_IOTLB_PAGES:
        this.#invalidateDeviceTlb(address, w0, w2, w3)
        break
      case OPCODE.INVALIDATE_INTERRUPT_TABLE:
        this.#targets.interruptTable(DeviceID.get(w0))
        break
      case OPCODE.PREFETCH_IOMMU_PAGES:
        // A hint, but for what is to be invalidated first.
        if ((w2 & PREFETCH_IOMMU_PAGES_HIGH.fields.Inval.loMask) !== 0) {
          this.#targets.pagesOf(DeviceID.get(w0), w3, (w2 & -4096) >>> 0, log2SizeOf(w2, w3))
        }
        break
      case OPCODE.INVALIDATE_IOMMU_ALL:
        this.#targets.all()
        break
    }
  }

  #invalidatePages(w1: number, w2: number, w3: number): void {
    const { GN, PDE } = INVALIDATE_IOMMU_PAGES_HIGH.fields
    // Guest translations, which GN names, are not there.
    if ((w2 & GN.loMask) !== 0) return
    const domain = INVALIDATE_IOMMU_PAGES.fields.DomainID.get(0, w1)
    const log2Size = this.#features.invalidateWholeDomain ? ALL : log2SizeOf(w2, w3)
    this.#targets.pages(domain, w3, (w2 & -4096) >>> 0, log2Size, (w2 & PDE.loMask) !== 0)
  }

  #invalidateDeviceTlb(address: number, w0: number, w2: number, w3: number): void {
    const requester = DeviceID.get(w0)
    if (this.#deviceTlb(requester, w3, (w2 & -4096) >>> 0, log2SizeOf(w2, w3)) === 'done') return
    const hi = Math.floor(address / 0x1_0000_0000)
    this.#log.report(requester, 'command', hi, address >>> 0, FAULTS.deviceTlbTimeout.value, 0, false)
  }

  /** All commands before it are complete by now, with its f bit or without. */
  #wait(w0: number, w1: number, w2: number, w3: number): void {
    const { s, i, StoreAddress } = COMPLETION_WAIT.fields
    if ((w0 & s.loMask) !== 0) {
      const address = StoreAddress.get(w0, w1)
      const at = this.#ram.offsetToWrite(address, 8)
      if (at < 0) {
        this.#error(FAULTS.commandAccess.value, address)
        return
      }
      this.#ram.view.setUint32(at, w2, true)
      this.#ram.view.setUint32(at + 4, w3, true)
    }
    if ((w0 & i.loMask) === 0) return
    // §2.4.1: the status is set in any case; ComWaitIntEn is about the interrupt.
    const pending = (this.#registers.get(AT.Status.offset) & ComWaitInt.loMask) !== 0
    this.#setStatus(ComWaitInt.loMask, 0)
    const enabled = (this.#registers.get(AT.Control.offset) & CONTROL.fields.ComWaitIntEn.loMask) !== 0
    if (enabled && !pending) this.#raiseMsi(0)
  }

  #error(value: number, address: number): void {
    if (this.#features.haltOnCommandError) this.#setStatus(0, CmdBufRun.loMask)
    this.#log.report(-1, 'command', Math.floor(address / 0x1_0000_0000), address >>> 0, value, 0, false)
  }

  #setStatus(set: number, clear: number): void {
    const old = this.#registers.get(AT.Status.offset)
    this.#registers.set(AT.Status.offset, ((old & ~clear) | set) >>> 0)
  }
}

/** 4 KiB, or with S what the address encodes; from 52 bits on, all. */
function log2SizeOf(w2: number, w3: number): number {
  return (w2 & INVALIDATE_IOMMU_PAGES_HIGH.fields.S.loMask) === 0 ? 12 : encodedLog2(w3, w2)
}
