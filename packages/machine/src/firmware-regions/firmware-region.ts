import type { PciSlot } from '@dmascope/pci'
import type { MachineDescription } from '../description.ts'

const PAGE = 4096
const MIB = 0x10_0000
/** Firmware's own tables and buffers are in the last megabytes of RAM below 4 GiB; the regions are below those. */
const LEFT_AT_THE_END = 32 * MIB

/** [base, base + size) of memory that what firmware left running in a device goes on using. */
export interface FirmwareRegion {
  readonly base: number
  readonly size: number
  /** The device. */
  readonly slot: PciSlot
  readonly segment: number
}

/** Where each region of the description goes: from the top of RAM below 4 GiB down, in whole pages. */
export function placeFirmwareRegions(
  { firmwareRegions = [] }: MachineDescription,
  lowRamEnd: number,
): readonly { readonly device: string; readonly base: number; readonly size: number }[] {
  let top = lowRamEnd - LEFT_AT_THE_END
  return firmwareRegions.map(({ device, size: wanted }) => {
    const size = Math.ceil(wanted / PAGE) * PAGE
    top -= size
    return { device, base: top, size }
  })
}
