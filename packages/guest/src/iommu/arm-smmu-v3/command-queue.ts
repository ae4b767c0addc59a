import {
  CERROR,
  CMD_CFGI,
  CMD_CFGI_HIGH,
  CMD_CFGI_STE_RANGE_HIGH,
  CMD_SYNC,
  CMD_TLBI,
  CMD_TLBI_HIGH,
  CMDQ_BASE,
  CMDQ_CONS,
  COMMAND_HEADER,
  GERROR,
  OPCODE,
  SMMU_REGISTERS,
  SYNC_SIGNAL,
} from '@dmascope/iommu/smmuv3/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { RegisterFile } from '../register-file.ts'
import type { QueueRing } from './queue-ring.ts'

const R = SMMU_REGISTERS.registers
const { Opcode } = COMMAND_HEADER.fields
const POLLS = 1000
/** How often a queue that stopped is set going again for one batch. */
const MOST_ERRORS = 100
const INNER_SHAREABLE = 3
const WRITE_BACK = 0xf

/** A command's four words, low to high. */
export type Command = readonly [number, number, number, number]

/** The driver's end of the command queue. A batch ends with a CMD_SYNC that is waited for. */
export class CommandQueue {
  readonly #bus: CpuBus
  readonly #registers: RegisterFile
  readonly #ring: QueueRing
  readonly #log: (line: string) => void
  #prod = 0

  constructor(bus: CpuBus, registers: RegisterFile, ring: QueueRing, log: (line: string) => void) {
    this.#bus = bus
    this.#registers = registers
    this.#ring = ring
    this.#log = log
  }

  /** CMDQ_BASE, CMDQ_PROD, CMDQ_CONS. */
  program(): void {
    const { RA, ADDR, LOG2SIZE } = CMDQ_BASE.fields
    const { base, log2Entries } = this.#ring
    const lo = LOG2SIZE.setLo(ADDR.setLo(0, base), log2Entries)
    this.#registers.write64(R.CMDQ_BASE, ADDR.setHi(RA.setHi(0, 1), base), lo)
    this.#prod = 0
    this.#registers.write32(R.CMDQ_PROD, 0)
    this.#registers.write32(R.CMDQ_CONS, 0)
  }

  /** Sends commands without waiting for them. */
  send(...commands: readonly Command[]): void {
    for (const words of commands) this.#put(words)
    this.#registers.write32(R.CMDQ_PROD, this.#prod)
  }

  /** Sends commands and waits until all are complete. False where they never are. */
  issue(...commands: readonly Command[]): boolean {
    this.send(...commands, SYNC)
    let errors = 0
    for (let polls = 0; polls < POLLS; polls++) {
      const cons = this.#registers.read32(R.CMDQ_CONS)
      if (this.#ring.isSame(cons, this.#prod)) return true
      if (this.#isStopped() && (++errors > MOST_ERRORS || !this.skipError())) return false
    }
    const [prod, cons] = [R.CMDQ_PROD, R.CMDQ_CONS].map((register) => hex8(this.#registers.read32(register)))
    this.#log(`CMD_SYNC timeout at ${hex8(this.#prod)} [hwprod ${prod}, hwcons ${cons}]`)
    return false
  }

  #isStopped(): boolean {
    const active = this.#registers.read32(R.GERROR) ^ this.#registers.read32(R.GERRORN)
    return (active & GERROR.fields.CMDQ_ERR.loMask) !== 0
  }

  /**
   * Puts a CMD_SYNC in the place of the command that stopped the queue, and acknowledges the error, as the handler of
   * global errors does. False where there is nothing to skip: the command could not be fetched at all.
   */
  skipError(): boolean {
    const cons = this.#registers.read32(R.CMDQ_CONS)
    const code = CMDQ_CONS.fields.ERR.get(cons)
    const known = ['No error', 'Illegal command', 'Abort on command fetch', 'ATC invalidate timeout'][code]
    this.#log(`CMDQ error (cons ${hex8(cons)}): ${known ?? 'Unknown'}`)
    const at = this.#ring.addressOf(cons)
    if (code === CERROR.ILL || code > CERROR.ATC_INV_SYNC) {
      const words = [0, 4, 8, 12].map((offset) => this.#bus.read32(at + offset))
      this.#log(`skipping command in error state: ${hex16(words[1]!, words[0]!)} ${hex16(words[3]!, words[2]!)}`)
      SYNC.forEach((word, index) => {
        this.#bus.write32(at + 4 * index, word)
      })
    }
    this.#registers.write32(R.GERRORN, this.#registers.read32(R.GERROR))
    return code !== CERROR.ABT
  }

  #put(words: Command): void {
    const at = this.#ring.addressOf(this.#prod)
    words.forEach((word, index) => {
      this.#bus.write32(at + 4 * index, word >>> 0)
    })
    this.#prod = this.#ring.after(this.#prod)
  }
}

const hex8 = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`
const hex16 = (hi: number, lo: number): string => hex8(hi) + lo.toString(16).padStart(8, '0')

const SYNC: Command = (() => {
  const { CS, MSH, MSIAttr } = CMD_SYNC.fields
  let lo = Opcode.setLo(0, OPCODE.CMD_SYNC)
  // An event wakes a waiting processor, where the hardware can send one.
  lo = CS.setLo(lo, SYNC_SIGNAL.sev)
  return [MSIAttr.setLo(MSH.setLo(lo, INNER_SHAREABLE), WRITE_BACK), 0, 0, 0]
})()

/** CMD_CFGI_ALL. */
export const INVALIDATE_CONFIGURATION: Command = [
  Opcode.setLo(0, OPCODE.CMD_CFGI_STE_RANGE),
  0,
  CMD_CFGI_STE_RANGE_HIGH.fields.Range.setLo(0, 31),
  0,
]

/** CMD_TLBI_NSNH_ALL. */
export const INVALIDATE_ALL: Command = [Opcode.setLo(0, OPCODE.CMD_TLBI_NSNH_ALL), 0, 0, 0]

const ofStream = (opcode: number, stream: number, leaf: boolean): Command => [
  CMD_CFGI.fields.Opcode.setLo(0, opcode),
  CMD_CFGI.fields.StreamID.setHi(0, stream),
  CMD_CFGI_HIGH.fields.Leaf.setLo(0, leaf ? 1 : 0),
  0,
]

/** CMD_CFGI_STE, with Leaf: the level-1 descriptor stays. */
export const invalidateEntry = (stream: number): Command => ofStream(OPCODE.CMD_CFGI_STE, stream, true)

/** CMD_CFGI_CD of substream 0. */
export const invalidateDescriptor = (stream: number): Command => ofStream(OPCODE.CMD_CFGI_CD, stream, true)

export const prefetchConfiguration = (stream: number): Command => ofStream(OPCODE.CMD_PREFETCH_CONFIG, stream, false)

/** CMD_TLBI_NH_ASID. */
export const invalidateAsid = (asid: number): Command => [
  Opcode.setLo(0, OPCODE.CMD_TLBI_NH_ASID),
  CMD_TLBI.fields.ASID.setHi(0, asid),
  0,
  0,
]

const PAGE = 4096
/** NUM has five bits. */
const MOST_CHUNKS = 31
/** TG of the 4 KiB granule. */
const GRANULE_4K = 1

/**
 * CMD_TLBI_NH_VA for a range. With ranges, one command for each five bits of the number of pages, from the lowest set
 * bit up; else one for each page.
 *
 * @param granule - bytes that each invalidated descriptor maps
 * @param leaf - tables above stay; else they may have gone, and the level is left open
 */
export function invalidateRange(
  asid: number,
  iova: number,
  length: number,
  granule: number,
  leaf: boolean,
  ranges: boolean,
): readonly Command[] {
  const { ASID, NUM, SCALE } = CMD_TLBI.fields
  const { Address, TG, TTL, Leaf } = CMD_TLBI_HIGH.fields
  const made: Command[] = []
  const put = (low: number, at: number, high: number): void => {
    const address = Address.setLo(Leaf.setLo(high, leaf ? 1 : 0), at)
    made.push([Opcode.setLo(low, OPCODE.CMD_TLBI_NH_VA), ASID.setHi(0, asid), lowWord(address), highWord(at)])
  }
  if (!ranges) {
    for (let at = iova; at < iova + length; at += granule) put(0, at, 0)
    return made
  }
  let pages = length / PAGE
  // Where scale and number would both be zero, a range of one page is no range: one more is harmless.
  if (!leaf && (pages & MOST_CHUNKS) === 1) pages++
  const level = leaf ? 4 - Math.floor((Math.log2(granule) - 3) / 9) : 0
  for (let at = iova; pages > 0; ) {
    let scale = 0
    while ((pages / 2 ** scale) % 2 === 0) scale++
    const chunks = Math.floor(pages / 2 ** scale) % (MOST_CHUNKS + 1)
    put(NUM.setLo(SCALE.setLo(0, scale), chunks - 1), at, TTL.setLo(TG.setLo(0, GRANULE_4K), level))
    at += chunks * 2 ** scale * PAGE
    pages -= chunks * 2 ** scale
  }
  return made
}
