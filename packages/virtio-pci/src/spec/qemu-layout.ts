/**
 * Where QEMU's devices put the structures. A driver finds them by the capabilities; this is for whoever builds such a
 * device, or reads a dump of one.
 */
export const LEGACY_BAR = 0
export const MSIX_BAR = 1
export const MODERN_BAR = 4
export const MODERN_BAR_SIZE = 0x4000
export const COMMON_CFG_OFFSET = 0x0000
export const ISR_CFG_OFFSET = 0x1000
export const DEVICE_CFG_OFFSET = 0x2000
export const NOTIFY_CFG_OFFSET = 0x3000
/** Bytes of each of the four. */
export const STRUCTURE_SIZE = 0x1000
export const NOTIFY_OFF_MULTIPLIER = 4
