import { MSI_TYPER, V2M } from '@dmascope/gic/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { Gic } from './gic.ts'
import type { ControllerMessages, MessageController } from './message-controller.ts'

const AT = V2M.registers

/** A GICv2m frame: a device writes the number of a shared interrupt. */
export class GicV2mDriver implements MessageController {
  readonly isolates = false
  readonly name: string
  readonly #base: number
  readonly #gic: Gic
  readonly #first: number
  readonly #taken: boolean[]

  /** @param spis - what firmware says of its interrupts, where it does; else its register is asked */
  constructor(
    bus: CpuBus,
    base: number,
    gic: Gic,
    log: (line: string) => void,
    spis: { readonly first: number; readonly count: number } | null = null,
  ) {
    const typer = bus.read32(base + AT.MSI_TYPER.offset)
    const { SPI_BASE, SPI_COUNT } = MSI_TYPER.fields
    const absent = typer === 0xffff_ffff
    this.name = `GICv2m@0x${base.toString(16)}`
    this.#base = base
    this.#gic = gic
    this.#first = spis?.first ?? SPI_BASE.get(typer)
    this.#taken = new Array<boolean>(spis?.count ?? (absent ? 0 : SPI_COUNT.get(typer))).fill(false)
    log(`GICv2m: range [mem 0x${base.toString(16)}], SPI [${this.#first}:${this.#first + this.#taken.length - 1}]`)
  }

  allocate(_deviceId: number, count: number): ControllerMessages | string {
    const intids: number[] = []
    for (const [index, taken] of this.#taken.entries()) {
      if (taken || intids.length === count) continue
      this.#taken[index] = true
      intids.push(this.#first + index)
    }
    const messages = { intids, doorbell: this.#base + AT.MSI_SETSPI_NS.offset, data: intids }
    if (intids.length < count) {
      this.release(_deviceId, messages)
      return `${this.name} has no interrupt left`
    }
    for (const intid of intids) this.#gic.enable(intid, 'edge')
    return messages
  }

  release(_deviceId: number, { intids }: ControllerMessages): void {
    for (const intid of intids) {
      this.#gic.disable(intid)
      this.#taken[intid - this.#first] = false
    }
  }
}
