import type { PciDevice } from '../contract.ts'

/**
 * Linux's notion: the header says so, or the function is not number 0, so that it has siblings. A virtual function
 * stands for itself, whatever its number.
 */
export const isMultifunction = (device: PciDevice): boolean =>
  device.physical === undefined && (device.function > 0 || (device.headerType & 0x80) !== 0)
