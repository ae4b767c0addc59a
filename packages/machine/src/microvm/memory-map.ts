/** A stretch of guest-physical addresses. */
export interface AddressBlock {
  readonly base: number
  readonly size: number
}

/** Where QEMU's `microvm` has its devices. */
export const MICROVM = {
  pcieMmio: { base: 0xc000_0000, size: 0x2000_0000 },
  pcieEcam: { base: 0xe000_0000, size: 0x1000_0000 },
  generalEventDevice: { base: 0xfea0_0000, size: 4 },
  /** Sleep control, sleep status, and reset. */
  eventRegisters: { base: 0xfea0_0200, size: 3 },
  /** The first transport; the others follow. */
  virtioMmio: { base: 0xfeb0_0000, size: 0x200 },
  secondIoApic: { base: 0xfec1_0000, size: 0x1000 },
} as const satisfies Readonly<Record<string, AddressBlock>>

/** RAM below 4 GiB ends here at the latest; the rest goes on at 4 GiB. */
const LOW_RAM_END = 0xc000_0000
const HIGH_RAM_BASE = 0x1_0000_0000

/** Global system interrupt of power events. */
export const EVENT_GSI = 9
/** Pins of an I/O APIC. */
export const IO_APIC_PINS = 24

/** RAM of this many bytes, ascending. */
export const ramRanges = (memory: number): readonly AddressBlock[] =>
  memory <= LOW_RAM_END
    ? [{ base: 0, size: memory }]
    : [
        { base: 0, size: LOW_RAM_END },
        { base: HIGH_RAM_BASE, size: memory - LOW_RAM_END },
      ]

/** The host bridge's window above 4 GiB: the topmost quarter of what the processor addresses. */
export const highWindow = (addressBits: number): AddressBlock => {
  const size = 2 ** (addressBits - 2)
  return { base: 3 * size, size }
}
