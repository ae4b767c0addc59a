import {
  FIRST_SPI,
  GICC,
  GICC_CTLR,
  GICC_INTERRUPT,
  GICD,
  GICD_ARRAYS,
  GICD_CTLR_V2,
  SPURIOUS_INTID,
} from '@dmascope/gic/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import { type Gic, NO_DYNAMIC, PRIORITY_MASK } from './gic.ts'
import { GicDistributor } from './gic-distributor.ts'

const CPU = GICC.registers

/** The kernel's GICv2 driver, for one processor. */
export class GicV2Driver implements Gic {
  readonly dynamic = NO_DYNAMIC
  readonly #bus: CpuBus
  readonly #distributor: GicDistributor
  readonly #cpu: number

  /** Brings the controller up (`gic_dist_init`, `gic_cpu_init`). */
  constructor(bus: CpuBus, distributor: number, cpuInterface: number, log: (line: string) => void) {
    this.#bus = bus
    this.#cpu = cpuInterface
    this.#distributor = new GicDistributor(bus, distributor)
    const one = this.#distributor
    one.write(GICD.registers.CTLR.offset, 0)
    const count = GicDistributor.count(one.read(GICD.registers.TYPER.offset))
    log(`GIC: ${count - FIRST_SPI} SPIs`)
    // Every shared interrupt goes to this processor, whose bit it is that its own interrupts show.
    const own = one.read(GICD_ARRAYS.ITARGETSR.offset) & 0xff
    for (let intid = FIRST_SPI; intid < count; intid += 4) {
      one.write(GICD_ARRAYS.ITARGETSR.offset + intid, ((own || 1) * 0x0101_0101) >>> 0)
    }
    one.rest(FIRST_SPI, count, false)
    one.write(GICD.registers.CTLR.offset, GICD_CTLR_V2.fields.EnableGrp0.loMask)
    one.rest(0, FIRST_SPI, false)
    bus.write32(cpuInterface + CPU.PMR.offset, PRIORITY_MASK)
    bus.write32(cpuInterface + CPU.CTLR.offset, GICC_CTLR.fields.EnableGrp0.loMask)
  }

  enable(intid: number, trigger: 'edge' | 'level'): void {
    this.#distributor.enable(intid, trigger)
  }

  disable(intid: number): void {
    this.#distributor.disable(intid)
  }

  take(): number {
    const intid = GICC_INTERRUPT.fields.INTID.get(this.#bus.read32(this.#cpu + CPU.IAR.offset))
    return intid >= 1020 && intid <= SPURIOUS_INTID ? -1 : intid
  }

  endOfInterrupt(intid: number): void {
    this.#bus.write32(this.#cpu + CPU.EOIR.offset, intid)
  }
}
