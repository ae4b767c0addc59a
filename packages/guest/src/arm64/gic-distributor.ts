import { FIRST_SPI, GICD_ARRAYS, GICD_TYPER } from '@dmascope/gic/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import { DEFAULT_PRIORITY } from './gic.ts'

const { IGROUPR, ISENABLER, ICENABLER, ICACTIVER, IPRIORITYR, ICFGR } = GICD_ARRAYS
const EVERY_BYTE = 0x0101_0101
/** GICD_TYPER counts no more interrupts than this. */
const MOST_INTERRUPTS = 1020

/** Registers by interrupt, which a distributor and a redistributor's SGI frame have at the same offsets. */
export class GicDistributor {
  readonly #bus: CpuBus
  readonly #base: number

  constructor(bus: CpuBus, base: number) {
    this.#bus = bus
    this.#base = base
  }

  /** Interrupts that GICD_TYPER announces. */
  static count(typer: number): number {
    return Math.min((GICD_TYPER.fields.ITLinesNumber.get(typer) + 1) * 32, MOST_INTERRUPTS)
  }

  read(offset: number): number {
    return this.#bus.read32(this.#base + offset)
  }

  write(offset: number, value: number): void {
    this.#bus.write32(this.#base + offset, value)
  }

  /** Puts interrupts [first, end) to rest: level-triggered, at the default priority, disabled (`gic_dist_config`). */
  rest(first: number, end: number, group1: boolean): void {
    for (let intid = first; intid < end; intid += 16) if (intid >= FIRST_SPI) this.write(ICFGR.offset + intid / 4, 0)
    for (let intid = first; intid < end; intid += 4)
      this.write(IPRIORITYR.offset + intid, DEFAULT_PRIORITY * EVERY_BYTE)
    for (let intid = first; intid < end; intid += 32) {
      if (group1) this.write(IGROUPR.offset + intid / 8, 0xffff_ffff)
      this.write(ICACTIVER.offset + intid / 8, 0xffff_ffff)
      this.write(ICENABLER.offset + intid / 8, 0xffff_ffff)
    }
  }

  enable(intid: number, trigger: 'edge' | 'level'): void {
    const at = ICFGR.offset + Math.floor(intid / 16) * 4
    const edge = 2 << ((intid % 16) * 2)
    const old = this.read(at)
    const value = (trigger === 'edge' ? old | edge : old & ~edge) >>> 0
    if (value !== old) this.write(at, value)
    this.write(ISENABLER.offset + Math.floor(intid / 32) * 4, (1 << (intid % 32)) >>> 0)
  }

  disable(intid: number): void {
    this.write(ICENABLER.offset + Math.floor(intid / 32) * 4, (1 << (intid % 32)) >>> 0)
  }
}
