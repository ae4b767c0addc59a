import type { MmioHandler } from '@dmascope/memory'
import { CpuInterface } from './cpu-interface.ts'
import { InterruptBank } from './interrupt-bank.ts'
import { LPI_ID_BITS, LpiTable } from './lpi-table.ts'
import { Redistributor } from './redistributor.ts'
import {
  FIRST_SPI,
  GIC_PIDR2_OFFSET,
  GICD,
  GICD_ARRAYS,
  GICD_CTLR_V3,
  GICD_IROUTER_OFFSET,
  GICD_TYPER,
} from './spec/distributor.ts'
import { GICR_STRIDE } from './spec/redistributor.ts'
import { ICC_CTLR_EL1, ICC_IGRPEN1_EL1, ICC_SRE_EL1, SYSTEM_REGISTERS } from './spec/system-registers.ts'

const AT = GICD.registers
const { DS, ARE, EnableGrp0, EnableGrp1 } = GICD_CTLR_V3.fields
const IIDR = 0x43b
const PIDR2 = 0x3b
const PRIORITY_BITS = 5
const PRIORITY_MASK = 0xf8
const ARRAYS_END = GICD_ARRAYS.ICFGR.offset + 0x100
const DISTRIBUTOR_SIZE = 0x1_0000

export interface GicV3Options {
  /** Shared peripheral interrupts: a multiple of 32, at most 960. */
  readonly spis: number
  /** GICD_TYPER.ITLinesNumber, where it is not what `spis` makes. */
  readonly itLinesNumber?: number
  /** Affinity of each processor, as in MPIDR_EL1 bits [31:0]; software runs on the first. */
  readonly affinities: readonly number[]
  /** Null: no LPIs. Else reads a byte of physical memory, for their configuration. */
  readonly readByte: ((address: number) => number) | null
}

/**
 * A GICv3 with one Security state: distributor, redistributors, and the CPU interface of the processor that software
 * runs on, in system registers.
 */
export class GicV3 {
  readonly distributor: MmioHandler
  /** Redistributors one after the other, two frames each. */
  readonly redistributors: MmioHandler
  /** Bytes of `redistributors`. */
  readonly redistributorsSize: number
  readonly #bank: InterruptBank
  readonly #lpis: LpiTable | null
  readonly #cpu: CpuInterface
  readonly #typer: number
  readonly #affinity: number
  readonly #routers: Uint32Array
  readonly #frames: readonly Redistributor[]
  #control = ARE.loMask
  #groupEnabled = 0
  #preemption = 0

  /** @throws RangeError where there can be no such GIC */
  constructor({ spis, itLinesNumber = spis / 32, affinities, readByte }: GicV3Options) {
    if (!(Number.isInteger(spis) && spis >= 32 && spis <= 960 && spis % 32 === 0)) {
      throw new RangeError(`a GIC has 32 to 960 shared interrupts, in steps of 32; got ${spis}`)
    }
    if (affinities.length === 0) throw new RangeError('a GICv3 serves at least one processor')
    this.#bank = new InterruptBank(FIRST_SPI + spis, PRIORITY_BITS)
    this.#lpis = readByte === null ? null : new LpiTable(readByte)
    this.#routers = new Uint32Array((FIRST_SPI + spis) * 2)
    this.#affinity = affinities[0]!
    const { No1N, A3V, IDbits, LPIS, ITLinesNumber } = GICD_TYPER.fields
    let typer = No1N.loMask | A3V.loMask | (readByte === null ? 0 : LPIS.loMask)
    typer = IDbits.setLo(typer, LPI_ID_BITS - 1)
    this.#typer = ITLinesNumber.setLo(typer, itLinesNumber)
    this.#cpu = new CpuInterface({
      bank: this.#bank,
      lpis: this.#lpis,
      groups: () => this.#control & (this.#groupEnabled << 1) & 2,
    })
    this.#frames = affinities.map(
      (affinity, number) =>
        new Redistributor({
          affinity,
          number,
          last: number === affinities.length - 1,
          // Only the first processor runs: the others' private interrupts and LPIs are never taken.
          bank: number === 0 ? this.#bank : new InterruptBank(FIRST_SPI, PRIORITY_BITS),
          lpis: readByte === null ? null : number === 0 ? this.#lpis : new LpiTable(readByte),
        }),
    )
    this.redistributorsSize = affinities.length * GICR_STRIDE
    this.redistributors = {
      read: (offset, width) => this.#frames[Math.floor(offset / GICR_STRIDE)]?.read(offset % GICR_STRIDE, width) ?? 0,
      write: (offset, width, value) => {
        this.#frames[Math.floor(offset / GICR_STRIDE)]?.write(offset % GICR_STRIDE, width, value)
      },
    }
    this.distributor = {
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => this.#write(offset, width, value),
    }
  }

  static readonly distributorSize = DISTRIBUTOR_SIZE

  /** Whether the processor is being interrupted. */
  get asserted(): boolean {
    return this.#cpu.asserted
  }

  /** LPIs of each processor, by its number; for the ITS. */
  get lpiTables(): readonly (LpiTable | null)[] {
    return this.#frames.map(({ lpis }) => lpis)
  }

  /** Drives a shared interrupt's input. @param spi - from 0 on */
  setSpi(spi: number, level: boolean): void {
    if (FIRST_SPI + spi < this.#bank.count) this.#bank.setLine(FIRST_SPI + spi, level)
  }

  /** An edge on a shared interrupt's input. */
  pulseSpi(spi: number): void {
    if (FIRST_SPI + spi < this.#bank.count) this.#bank.pulse(FIRST_SPI + spi)
  }

  #read(offset: number, width: 1 | 2 | 4): number {
    if (offset >= GICD_ARRAYS.IGROUPR.offset && offset < ARRAYS_END) {
      return this.#bank.read(offset, width, FIRST_SPI, this.#bank.count)
    }
    const router = (offset - GICD_IROUTER_OFFSET) >>> 2
    if (offset >= GICD_IROUTER_OFFSET && router < this.#routers.length) return width === 4 ? this.#routers[router]! : 0
    switch (offset) {
      case AT.CTLR.offset:
        return (this.#control | DS.loMask) >>> 0
      case AT.TYPER.offset:
        return this.#typer
      case AT.IIDR.offset:
        return IIDR
      case GIC_PIDR2_OFFSET:
        return PIDR2
      default:
        return 0
    }
  }

  #write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset >= GICD_ARRAYS.IGROUPR.offset && offset < ARRAYS_END) {
      this.#bank.write(offset, width, value, FIRST_SPI, this.#bank.count)
      return
    }
    if (offset === AT.CTLR.offset) {
      // Affinity routing is always on.
      this.#control = (value & (EnableGrp0.loMask | EnableGrp1.loMask)) | ARE.loMask
      return
    }
    const router = (offset - GICD_IROUTER_OFFSET) >>> 2
    if (offset >= GICD_IROUTER_OFFSET && router >= FIRST_SPI * 2 && router < this.#routers.length && width === 4) {
      this.#routers[router] = value
    }
  }

  /** A system register as MRS reads it; 0 for one that is not here. */
  readSystemRegister(register: number): number {
    const cpu = this.#cpu
    switch (register) {
      case SYSTEM_REGISTERS.MPIDR_EL1:
        // Bit 31 is one.
        return (this.#affinity | 0x8000_0000) >>> 0
      case SYSTEM_REGISTERS.ICC_PMR_EL1:
        return cpu.priorityMask
      case SYSTEM_REGISTERS.ICC_AP1R0_EL1:
        return this.#preemption
      case SYSTEM_REGISTERS.ICC_RPR_EL1:
        return cpu.runningPriority
      case SYSTEM_REGISTERS.ICC_IAR1_EL1:
        return cpu.acknowledge()
      case SYSTEM_REGISTERS.ICC_HPPIR1_EL1:
        return cpu.next
      case SYSTEM_REGISTERS.ICC_BPR1_EL1:
        return cpu.binaryPoint
      case SYSTEM_REGISTERS.ICC_CTLR_EL1: {
        const { A3V, PRIbits, EOImode } = ICC_CTLR_EL1.fields
        return EOImode.setLo(PRIbits.setLo(A3V.loMask, PRIORITY_BITS - 1), cpu.splitEnd ? 1 : 0)
      }
      case SYSTEM_REGISTERS.ICC_SRE_EL1: {
        const { SRE, DFB, DIB } = ICC_SRE_EL1.fields
        return SRE.loMask | DFB.loMask | DIB.loMask
      }
      case SYSTEM_REGISTERS.ICC_IGRPEN1_EL1:
        return this.#groupEnabled
      default:
        return 0
    }
  }

  /** The same as MSR writes it. One that is not here takes no notice. */
  writeSystemRegister(register: number, value: number): void {
    const cpu = this.#cpu
    switch (register) {
      case SYSTEM_REGISTERS.ICC_PMR_EL1:
        cpu.priorityMask = value & PRIORITY_MASK
        break
      case SYSTEM_REGISTERS.ICC_AP1R0_EL1:
        this.#preemption = value >>> 0
        break
      case SYSTEM_REGISTERS.ICC_EOIR1_EL1:
        cpu.endOfInterrupt(value & 0xff_ffff)
        break
      case SYSTEM_REGISTERS.ICC_DIR_EL1:
        cpu.deactivate(value & 0xff_ffff)
        break
      case SYSTEM_REGISTERS.ICC_BPR1_EL1:
        cpu.binaryPoint = value & 7
        break
      case SYSTEM_REGISTERS.ICC_CTLR_EL1:
        cpu.splitEnd = ICC_CTLR_EL1.fields.EOImode.get(value >>> 0) === 1
        break
      case SYSTEM_REGISTERS.ICC_IGRPEN1_EL1:
        this.#groupEnabled = ICC_IGRPEN1_EL1.fields.Enable.get(value >>> 0)
        break
      case SYSTEM_REGISTERS.ICC_SGI1R_EL1:
        this.#sendSgi(value)
        break
      default:
    }
  }

  /** Bits [27:24] number the interrupt; a list of targets within a cluster stands below. Others' never come here. */
  #sendSgi(value: number): void {
    const hi = Math.floor(value / 0x1_0000_0000)
    // IRM: to all but the sender.
    if (((hi >>> 8) & 1) === 1) return
    const aff1 = (value >>> 16) & 0xff
    const cluster = (this.#affinity >>> 8) & 0xff
    if (aff1 === cluster && ((value >>> (this.#affinity & 0xf)) & 1) === 1) this.#bank.setPending((value >>> 24) & 0xf)
  }
}
