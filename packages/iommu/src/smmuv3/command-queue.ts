import type { GlobalErrors } from './global-errors.ts'
import type { SmmuV3Features, SmmuV3Wiring } from './options.ts'
import type { RegisterFile } from './register-file.ts'
import {
  CMD_CFGI,
  CMD_CFGI_STE_RANGE_HIGH,
  CMD_SYNC,
  CMD_TLBI,
  CMD_TLBI_HIGH,
  COMMAND,
  COMMAND_HEADER,
  OPCODE,
  SYNC_SIGNAL,
} from './spec/commands.ts'
import { CERROR, CMDQ_BASE, CMDQ_CONS, CR0, GERROR, SMMU_REGISTERS } from './spec/registers.ts'

const AT = SMMU_REGISTERS.registers
const { Opcode, SSec } = COMMAND_HEADER.fields
const { StreamID } = CMD_CFGI.fields
const { ASID, VMID, NUM, SCALE } = CMD_TLBI.fields
const { TG } = CMD_TLBI_HIGH.fields
const BYTES = COMMAND.size
/** How many commands one access of the CPU sets off. A longer queue goes on when CMDQ_CONS is read. */
const MOST_AT_ONCE = 65536
const ALL_ASIDS = -1

/** What the commands invalidate. Pages are of 4 KiB, counted over 52 bits. */
export interface Invalidations {
  streams(first: number, last: number): void
  everything(): void
  /** -1 for all ASIDs. `leaf`: the tables above did not change. */
  pages(vmid: number, asid: number, firstPage: number, pages: number, leaf: boolean): void
  asid(vmid: number, asid: number): void
  /** Stage 1 of a virtual machine. */
  stageOne(vmid: number): void
  /** Both stages of a virtual machine. */
  machine(vmid: number): void
  /** What stage 2 made alone. */
  intermediatePages(vmid: number, firstPage: number, pages: number): void
}

/** The command queue: commands are worked off when software moves CMDQ_PROD. */
export class CommandQueue {
  readonly #registers: RegisterFile
  readonly #features: SmmuV3Features
  readonly #wiring: SmmuV3Wiring
  readonly #errors: GlobalErrors
  readonly #targets: Invalidations
  readonly #asidMask: number
  readonly #vmidMask: number

  constructor(
    registers: RegisterFile,
    features: SmmuV3Features,
    wiring: SmmuV3Wiring,
    errors: GlobalErrors,
    targets: Invalidations,
  ) {
    this.#registers = registers
    this.#features = features
    this.#wiring = wiring
    this.#errors = errors
    this.#targets = targets
    this.#asidMask = features.asid16 ? 0xffff : 0xff
    this.#vmidMask = !features.stage2 ? 0 : features.vmid16 ? 0xffff : 0xff
  }

  /** Consumes from CMDQ_CONS to CMDQ_PROD, and stops at an error until software has acknowledged it. */
  run(): void {
    const registers = this.#registers
    if ((registers.get(AT.CR0.offset) & CR0.fields.CMDQEN.loMask) === 0) return
    const baseLo = registers.get(AT.CMDQ_BASE.offset)
    const baseHi = registers.get(AT.CMDQ_BASE.offset + 4)
    const entries = 2 ** Math.min(CMDQ_BASE.fields.LOG2SIZE.get(baseLo), this.#features.log2Commands)
    const address = CMDQ_BASE.fields.ADDR.get(baseLo, baseHi)
    const base = address - (address % (entries * BYTES))
    const wrapped = 2 * entries - 1
    for (let left = MOST_AT_ONCE; left > 0; left--) {
      if ((this.#errors.active & GERROR.fields.CMDQ_ERR.loMask) !== 0) return
      const cons = registers.get(AT.CMDQ_CONS.offset) & wrapped
      if (((cons ^ registers.get(AT.CMDQ_PROD.offset)) & wrapped) === 0) return
      const error = this.#fetch(base + (cons & (entries - 1)) * BYTES)
      if (error !== CERROR.NONE) {
        // RD stays at the command, for software to replace it.
        registers.set(AT.CMDQ_CONS.offset, CMDQ_CONS.fields.ERR.setLo(cons, error))
        this.#errors.raise(GERROR.fields.CMDQ_ERR.loMask)
        return
      }
      registers.set(AT.CMDQ_CONS.offset, (cons + 1) & wrapped)
    }
  }

  /** Answers CERROR_*. */
  #fetch(address: number): number {
    const at = this.#wiring.ram.offsetToRead(address)
    if (at < 0) return CERROR.ABT
    const { view } = this.#wiring.ram
    const { low, high } = COMMAND.fields
    const w0 = low.lo.get(view, at)
    const w1 = low.hi.get(view, at)
    // No security state but Non-secure has a queue here.
    if (SSec.get(w0) !== 0) return CERROR.ILL
    return this.#execute(Opcode.get(w0), w0, w1, high.lo.get(view, at), high.hi.get(view, at))
  }

  #execute(opcode: number, w0: number, w1: number, w2: number, w3: number): number {
    const targets = this.#targets
    switch (opcode) {
      case OPCODE.CMD_PREFETCH_CONFIG:
      case OPCODE.CMD_PREFETCH_ADDR:
        // Hints: nothing is fetched ahead of its use.
        return CERROR.NONE
      case OPCODE.CMD_CFGI_STE:
        targets.streams(StreamID.get(w0, w1), StreamID.get(w0, w1))
        return CERROR.NONE
      case OPCODE.CMD_CFGI_STE_RANGE: {
        const count = 2 ** (CMD_CFGI_STE_RANGE_HIGH.fields.Range.get(w2) + 1)
        const first = Math.floor(StreamID.get(w0, w1) / count) * count
        targets.streams(first, first + count - 1)
        return CERROR.NONE
      }
      case OPCODE.CMD_CFGI_CD:
      case OPCODE.CMD_CFGI_CD_ALL:
        // Entry and descriptor are cached as one.
        targets.streams(StreamID.get(w0, w1), StreamID.get(w0, w1))
        return this.#features.stage1 ? CERROR.NONE : CERROR.ILL
      case OPCODE.CMD_SYNC:
        return this.#sync(w0)
      default:
        return this.#invalidate(opcode, w0, w1, w2, w3)
    }
  }

  /** All commands before it are complete by now. There is no SEV to send, nor a message (IDR0.SEV, IDR0.MSI). */
  #sync(w0: number): number {
    const signal = CMD_SYNC.fields.CS.get(w0)
    if (signal > SYNC_SIGNAL.sev) return CERROR.ILL
    if (signal === SYNC_SIGNAL.irq) this.#wiring.raiseInterrupt('cmd-sync')
    return CERROR.NONE
  }

  #invalidate(opcode: number, w0: number, w1: number, w2: number, w3: number): number {
    const { stage1, stage2 } = this.#features
    const vmid = VMID.get(w0, w1) & this.#vmidMask
    const asid = ASID.get(w0, w1) & this.#asidMask
    const targets = this.#targets
    switch (opcode) {
      case OPCODE.CMD_TLBI_NSNH_ALL:
        targets.everything()
        return CERROR.NONE
      case OPCODE.CMD_TLBI_NH_ALL:
        if (!stage1) return CERROR.ILL
        targets.stageOne(vmid)
        return CERROR.NONE
      case OPCODE.CMD_TLBI_NH_ASID:
        if (!stage1) return CERROR.ILL
        targets.asid(vmid, asid)
        return CERROR.NONE
      case OPCODE.CMD_TLBI_NH_VA:
      case OPCODE.CMD_TLBI_NH_VAA: {
        if (!stage1) return CERROR.ILL
        const leaf = (w2 & CMD_TLBI_HIGH.fields.Leaf.loMask) !== 0
        const which = opcode === OPCODE.CMD_TLBI_NH_VA ? asid : ALL_ASIDS
        targets.pages(vmid, which, pageNumber(w2, w3), this.#pageCount(w0, w2), leaf)
        return CERROR.NONE
      }
      case OPCODE.CMD_TLBI_S12_VMALL:
        if (!stage2) return CERROR.ILL
        targets.machine(vmid)
        return CERROR.NONE
      case OPCODE.CMD_TLBI_S2_IPA:
        if (!stage2) return CERROR.ILL
        targets.intermediatePages(vmid, pageNumber(w2, w3), this.#pageCount(w0, w2))
        return CERROR.NONE
      default:
        return isForeign(opcode) && this.#features.acceptsForeignCommands ? CERROR.NONE : CERROR.ILL
    }
  }

  /** In pages of 4 KiB: (NUM + 1) * 2^SCALE of the granule that TG tells, or the one around the address. */
  #pageCount(w0: number, w2: number): number {
    const granule = TG.get(w2)
    if (granule === 0 || !this.#features.rangeInvalidation) return 1
    return (NUM.get(w0) + 1) * 2 ** SCALE.get(w0) * 2 ** (2 * granule - 2)
  }
}

const pageNumber = (w2: number, w3: number): number => w3 * 0x10_0000 + (w2 >>> 12)

/** Commands of what is not here: EL2, EL3, ATS, PRI and stalls. */
function isForeign(opcode: number): boolean {
  switch (opcode) {
    case OPCODE.CMD_TLBI_EL3_ALL:
    case OPCODE.CMD_TLBI_EL3_VA:
    case OPCODE.CMD_TLBI_EL2_ALL:
    case OPCODE.CMD_TLBI_EL2_ASID:
    case OPCODE.CMD_TLBI_EL2_VA:
    case OPCODE.CMD_TLBI_EL2_VAA:
    case OPCODE.CMD_ATC_INV:
    case OPCODE.CMD_PRI_RESP:
    case OPCODE.CMD_RESUME:
    case OPCODE.CMD_STALL_TERM:
      return true
    default:
      return false
  }
}
