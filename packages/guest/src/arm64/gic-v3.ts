import {
  FIRST_LPI,
  FIRST_SPI,
  GIC_PIDR2,
  GIC_PIDR2_OFFSET,
  GICD,
  GICD_CTLR_V3,
  GICD_IROUTER_OFFSET,
  GICD_TYPER,
  GICR,
  GICR_FRAME,
  GICR_STRIDE,
  GICR_TYPER,
  GICR_WAKER,
  ICC_IGRPEN1_EL1,
  SYSTEM_REGISTERS,
} from '@dmascope/gic/spec'
import type { CpuBus, SystemRegisterBus } from '@dmascope/memory/contracts'
import { type Gic, NO_DYNAMIC, PRIORITY_MASK } from './gic.ts'
import { GicDistributor } from './gic-distributor.ts'

const AT = GICD.registers
const RD = GICR.registers
/** Redistributors are looked at until the last of a region, or until there cannot be more. */
const MOST_REDISTRIBUTORS = 4096
const PATIENCE = 1000
/** Architecture revisions that a GICv3 driver takes. */
const REVISIONS = [3, 4]

/** Where a GICv3 is. */
export interface GicV3Place {
  readonly distributor: number
  /** Regions of redistributors. */
  readonly redistributors: readonly { readonly base: number; readonly size: number }[]
}

/** The kernel's GICv3 driver, for one processor. */
export class GicV3Driver implements Gic {
  readonly dynamic = NO_DYNAMIC
  /** The processor's redistributor: address of its RD frame. */
  readonly redistributor: number
  /** Bits of an interrupt's number; LPIs are there from 14 on, if at all. */
  readonly idBits: number
  readonly hasLpis: boolean
  readonly #registers: SystemRegisterBus
  readonly #distributor: GicDistributor

  private constructor(bus: CpuBus, registers: SystemRegisterBus, distributor: GicDistributor, redistributor: number) {
    this.#registers = registers
    this.#distributor = distributor
    this.redistributor = redistributor
    const typer = distributor.read(AT.TYPER.offset)
    this.idBits = GICD_TYPER.fields.IDbits.get(typer) + 1
    const lpis = GICR_TYPER.fields.PLPIS.get(bus.read32(redistributor + RD.TYPER.offset))
    this.hasLpis = GICD_TYPER.fields.LPIS.get(typer) === 1 && lpis === 1
  }

  /** Brings the controller up, in Linux's order. A text is why it cannot be. */
  static start(bus: CpuBus, place: GicV3Place, log: (line: string) => void): GicV3Driver | string {
    const { systemRegisters } = bus
    if (systemRegisters === undefined) return 'GICv3: the processor has no GIC system registers'
    const distributor = new GicDistributor(bus, place.distributor)
    const revision = GIC_PIDR2.fields.ArchRev.get(distributor.read(GIC_PIDR2_OFFSET))
    if (!REVISIONS.includes(revision)) return 'GICv3: no distributor detected, giving up'
    const count = GicDistributor.count(distributor.read(AT.TYPER.offset))
    log(`GICv3: ${count - FIRST_SPI} SPIs implemented`)

    // gic_dist_init
    const { ARE, EnableGrp1 } = GICD_CTLR_V3.fields
    distributor.write(AT.CTLR.offset, 0)
    distributor.rest(FIRST_SPI, count, true)
    distributor.write(AT.CTLR.offset, ARE.loMask | EnableGrp1.loMask)
    const affinity = systemRegisters.read(SYSTEM_REGISTERS.MPIDR_EL1) & 0xff_ffff
    for (let intid = FIRST_SPI; intid < count; intid++) {
      distributor.write(GICD_IROUTER_OFFSET + intid * 8, affinity)
      distributor.write(GICD_IROUTER_OFFSET + intid * 8 + 4, 0)
    }

    // gic_populate_rdist
    const redistributor = findRedistributor(bus, place, affinity)
    if (redistributor === null)
      return `GICv3: no redistributor for the processor of affinity 0x${affinity.toString(16)}`
    log(`GICv3: CPU0: found redistributor ${affinity.toString(16)} at 0x${redistributor.toString(16)}`)

    // gic_enable_redist
    const { ProcessorSleep, ChildrenAsleep } = GICR_WAKER.fields
    const waker = redistributor + RD.WAKER.offset
    bus.write32(waker, (bus.read32(waker) & ~ProcessorSleep.loMask) >>> 0)
    let patience = PATIENCE
    while (ChildrenAsleep.get(bus.read32(waker)) === 1)
      if (--patience <= 0) return 'GICv3: the redistributor does not wake up'

    // gic_cpu_config, gic_cpu_sys_reg_init
    new GicDistributor(bus, redistributor + GICR_FRAME).rest(0, FIRST_SPI, true)
    systemRegisters.write(SYSTEM_REGISTERS.ICC_PMR_EL1, PRIORITY_MASK)
    systemRegisters.write(SYSTEM_REGISTERS.ICC_BPR1_EL1, 0)
    systemRegisters.write(SYSTEM_REGISTERS.ICC_CTLR_EL1, 0)
    systemRegisters.write(SYSTEM_REGISTERS.ICC_IGRPEN1_EL1, ICC_IGRPEN1_EL1.fields.Enable.loMask)
    return new GicV3Driver(bus, systemRegisters, distributor, redistributor)
  }

  enable(intid: number, trigger: 'edge' | 'level'): void {
    if (intid < FIRST_LPI) this.#distributor.enable(intid, trigger)
  }

  disable(intid: number): void {
    if (intid < FIRST_LPI) this.#distributor.disable(intid)
  }

  take(): number {
    const intid = this.#registers.read(SYSTEM_REGISTERS.ICC_IAR1_EL1) & 0xff_ffff
    return intid >= 1020 && intid < FIRST_LPI ? -1 : intid
  }

  endOfInterrupt(intid: number): void {
    this.#registers.write(SYSTEM_REGISTERS.ICC_EOIR1_EL1, intid)
  }
}

function findRedistributor(bus: CpuBus, place: GicV3Place, affinity: number): number | null {
  for (const { base, size } of place.redistributors) {
    for (let index = 0; index < MOST_REDISTRIBUTORS && (index + 1) * GICR_STRIDE <= size; index++) {
      const at = base + index * GICR_STRIDE
      if (!REVISIONS.includes(GIC_PIDR2.fields.ArchRev.get(bus.read32(at + GIC_PIDR2_OFFSET)))) break
      const lo = bus.read32(at + RD.TYPER.offset)
      if ((bus.read32(at + RD.TYPER.offset + 4) & 0xff_ffff) === affinity) return at
      if (GICR_TYPER.fields.Last.get(lo) === 1) break
    }
  }
  return null
}
