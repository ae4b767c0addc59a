import type { MmioHandler } from '@dmascope/memory'
import { FIRST_SPI } from './spec/distributor.ts'
import { MSI_TYPER, V2M } from './spec/v2m-frame.ts'

const AT = V2M.registers
/** As QEMU has it: product 0x53. */
const IIDR = 0x5300_0000

/** A GICv2m frame: shared interrupts that are raised by writing their numbers. Whoever writes, it knows no device. */
export class GicV2m implements MmioHandler {
  readonly #firstSpi: number
  readonly #count: number
  readonly #pulse: (spi: number) => void

  /** @param firstSpi - from 0 on; @param pulse - an edge on a shared interrupt's input */
  constructor(firstSpi: number, count: number, pulse: (spi: number) => void) {
    this.#firstSpi = firstSpi
    this.#count = count
    this.#pulse = pulse
  }

  read(offset: number, _width: 1 | 2 | 4): number {
    const { SPI_BASE, SPI_COUNT } = MSI_TYPER.fields
    if (offset === AT.MSI_TYPER.offset)
      return SPI_BASE.setLo(SPI_COUNT.setLo(0, this.#count), FIRST_SPI + this.#firstSpi)
    return offset === AT.MSI_IIDR.offset ? IIDR : 0
  }

  write(offset: number, _width: 1 | 2 | 4, value: number): void {
    if (offset === AT.MSI_SETSPI_NS.offset) this.raise(value)
  }

  /** Raises the interrupt of this number. False where it is none of the frame's. */
  raise(intid: number): boolean {
    const spi = (intid & 0x3ff) - FIRST_SPI
    if (spi < this.#firstSpi || spi >= this.#firstSpi + this.#count) return false
    this.#pulse(spi)
    return true
  }
}
