import { bits, field, reg32, registers } from '@dmascope/layout'

const SBSA = 'Arm SBSA (DEN 0029), GICv2m'

export const MSI_TYPER = bits(32, 'MSI_TYPER', SBSA, {
  /** First interrupt of the frame. */
  SPI_BASE: field([25, 16], 'ro'),
  SPI_COUNT: field([9, 0], 'ro'),
})

/** A frame of GICv2m: a write of an interrupt's number to SETSPI raises it. */
export const V2M = registers('GICv2m frame', SBSA, {
  MSI_TYPER: reg32(0x0008, 'ro', MSI_TYPER),
  MSI_SETSPI_NS: reg32(0x0040, 'wo'),
  MSI_IIDR: reg32(0x0fcc, 'ro'),
})
