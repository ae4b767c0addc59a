import type { MmioHandler } from '@dmascope/memory'
import { CpuInterface } from './cpu-interface.ts'
import { InterruptBank } from './interrupt-bank.ts'
import { GICC, GICC_CTLR, GICC_INTERRUPT } from './spec/cpu-interface.ts'
import {
  FIRST_SPI,
  GICD,
  GICD_ARRAYS,
  GICD_CTLR_V2,
  GICD_SGIR,
  GICD_TYPER,
  GICV2_PIDR2_OFFSET,
} from './spec/distributor.ts'

const AT = GICD.registers
const CPU = GICC.registers
/** Arm, revision 0. */
const IIDR = 0x0200_143b
const PIDR2 = 0x2b
const PRIORITY_BITS = 8
const ARRAYS_END = GICD_ARRAYS.ICFGR.offset + 0x100

export interface GicV2Options {
  /** Shared peripheral interrupts: a multiple of 32, at most 960. */
  readonly spis: number
  readonly cpus: number
}

/**
 * A GICv2 without the Security Extensions: the distributor, and the interface of the one processor that software runs
 * on. `distributor` and `cpuInterface` are their registers.
 */
export class GicV2 {
  readonly distributor: MmioHandler
  readonly cpuInterface: MmioHandler
  readonly #bank: InterruptBank
  readonly #cpu: CpuInterface
  readonly #typer: number
  #distributorControl = 0
  #cpuControl = 0

  /** @throws RangeError where there can be no such GIC */
  constructor({ spis, cpus }: GicV2Options) {
    if (!(Number.isInteger(spis) && spis >= 32 && spis <= 960 && spis % 32 === 0)) {
      throw new RangeError(`a GIC has 32 to 960 shared interrupts, in steps of 32; got ${spis}`)
    }
    if (!(Number.isInteger(cpus) && cpus >= 1 && cpus <= 8))
      throw new RangeError(`a GICv2 serves 1 to 8 processors, got ${cpus}`)
    this.#bank = new InterruptBank(FIRST_SPI + spis, PRIORITY_BITS)
    this.#typer = GICD_TYPER.fields.CPUNumber.setLo(spis / 32, cpus - 1)
    this.#cpu = new CpuInterface({
      bank: this.#bank,
      lpis: null,
      groups: () => this.#distributorControl & this.#cpuControl & 3,
    })
    this.distributor = {
      read: (offset, width) => this.#readDistributor(offset, width),
      write: (offset, width, value) => this.#writeDistributor(offset, width, value),
    }
    this.cpuInterface = {
      read: (offset, width) => this.#readCpu(offset, width),
      write: (offset, width, value) => this.#writeCpu(offset, width, value),
    }
  }

  /** Whether the processor is being interrupted. */
  get asserted(): boolean {
    return this.#cpu.asserted
  }

  /** Drives a shared interrupt's input. @param spi - from 0 on */
  setSpi(spi: number, level: boolean): void {
    if (FIRST_SPI + spi < this.#bank.count) this.#bank.setLine(FIRST_SPI + spi, level)
  }

  /** An edge on a shared interrupt's input. */
  pulseSpi(spi: number): void {
    if (FIRST_SPI + spi < this.#bank.count) this.#bank.pulse(FIRST_SPI + spi)
  }

  #readDistributor(offset: number, width: 1 | 2 | 4): number {
    if (offset >= GICD_ARRAYS.IGROUPR.offset && offset < ARRAYS_END) {
      // With one processor every interrupt goes to it.
      return this.#bank.read(offset, width, 0, this.#bank.count)
    }
    switch (offset) {
      case AT.CTLR.offset:
        return this.#distributorControl
      case AT.TYPER.offset:
        return this.#typer
      case AT.IIDR.offset:
        return IIDR
      case GICV2_PIDR2_OFFSET:
        return PIDR2
      default:
        return 0
    }
  }

  #writeDistributor(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset >= GICD_ARRAYS.IGROUPR.offset && offset < ARRAYS_END) {
      this.#bank.write(offset, width, value, 0, this.#bank.count)
    } else if (offset === AT.CTLR.offset) {
      const { EnableGrp0, EnableGrp1 } = GICD_CTLR_V2.fields
      this.#distributorControl = value & (EnableGrp0.loMask | EnableGrp1.loMask)
    } else if (offset === AT.SGIR.offset) {
      const { TargetListFilter, CPUTargetList, INTID } = GICD_SGIR.fields
      const filter = TargetListFilter.get(value)
      if (filter === 2 || (filter === 0 && (CPUTargetList.get(value) & 1) !== 0))
        this.#bank.setPending(INTID.get(value))
    }
  }

  #readCpu(offset: number, width: 1 | 2 | 4): number {
    if (width !== 4) return 0
    switch (offset) {
      case CPU.CTLR.offset:
        return this.#cpuControl
      case CPU.PMR.offset:
        return this.#cpu.priorityMask
      case CPU.BPR.offset:
        return this.#cpu.binaryPoint
      case CPU.IAR.offset:
        return this.#cpu.acknowledge()
      case CPU.RPR.offset:
        return this.#cpu.runningPriority
      case CPU.HPPIR.offset:
        return this.#cpu.next
      case CPU.IIDR.offset:
        return IIDR
      default:
        return 0
    }
  }

  #writeCpu(offset: number, width: 1 | 2 | 4, value: number): void {
    if (width !== 4) return
    switch (offset) {
      case CPU.CTLR.offset: {
        const { EnableGrp0, EnableGrp1, EOImode } = GICC_CTLR.fields
        this.#cpuControl = value & (EnableGrp0.loMask | EnableGrp1.loMask | EOImode.loMask)
        this.#cpu.splitEnd = EOImode.get(value) === 1
        break
      }
      case CPU.PMR.offset:
        this.#cpu.priorityMask = value & 0xff
        break
      case CPU.BPR.offset:
        this.#cpu.binaryPoint = value & 7
        break
      case CPU.EOIR.offset:
        this.#cpu.endOfInterrupt(GICC_INTERRUPT.fields.INTID.get(value))
        break
      case CPU.DIR.offset:
        this.#cpu.deactivate(GICC_INTERRUPT.fields.INTID.get(value))
        break
      default:
    }
  }
}
