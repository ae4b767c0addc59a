/** Bytes of the firmware image, which ends at 4 GiB and whose last 128 KiB also stand below 1 MiB. */
export const BIOS_ROM_BYTES = 0x4_0000
export const BIOS_ROM_BASE = 0x1_0000_0000 - BIOS_ROM_BYTES

/** `ljmp $0xf000, $0xe05b`, where the processor starts. */
const RESET_VECTOR = [0xea, 0x5b, 0xe0, 0x00, 0xf0]

let image: Uint8Array | null = null

/**
 * A stand-in for a firmware image: as many bytes, dense as machine code is, always the same. What they are matters to
 * nobody but to a device that takes an address in here for its ring.
 *
 * DEVIATION: not SeaBIOS's bytes. Firmware runs beside the machine, over its CPU bus, and not from here.
 */
export function biosRom(): Uint8Array {
  if (image !== null) return image
  image = new Uint8Array(BIOS_ROM_BYTES)
  let state = 0x9e37_79b9
  for (let offset = 0; offset < image.length; offset++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    image[offset] = state >>> 24
  }
  image.set(RESET_VECTOR, BIOS_ROM_BYTES - 16)
  return image
}
