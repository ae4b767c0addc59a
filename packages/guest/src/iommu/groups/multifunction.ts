import type { PciDevice } from '../contract.ts'

/** Linux's notion: the header says so, or the function is not number 0, so that it has siblings. */
export const isMultifunction = (device: PciDevice): boolean => device.function > 0 || (device.headerType & 0x80) !== 0
