/** Bytes of the firmware image, which ends at 4 GiB and whose last 128 KiB also stand below 1 MiB. */
const BIOS_ROM_BYTES = 0x4_0000
const BIOS_ROM_LOW_BYTES = 0x4_0000
export const BIOS_ROM_BASE = 0x1_0000_0000 - BIOS_ROM_BYTES

/** `ljmp $0xf000, $0xe05b`, where the processor starts. */
const RESET_VECTOR = [0xea, 0x5b, 0xe0, 0x00, 0xf0]

let image: Uint8Array | null = null
let lowImage: Uint8Array | null = null

/**
 * A stand-in for a firmware image: as many bytes, dense as machine code is, always the same. What they are matters to
 * nobody but to a device that takes an address in here for its ring.
 *
 * DEVIATION: not SeaBIOS's bytes. Firmware runs beside the machine, over its CPU bus, and not from here.
 */
export function biosRom(): Uint8Array {
  if (image !== null) return image
  // By words, as every start of the command waits for it (xorshift32).
  const words = new DataView(new ArrayBuffer(BIOS_ROM_BYTES))
  let state = 0x9e37_79b9
  for (let offset = 0; offset < BIOS_ROM_BYTES; offset += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words.setInt32(offset, state, true)
  }
  image = new Uint8Array(words.buffer)
  image.set(RESET_VECTOR, BIOS_ROM_BYTES - 16)
  return image
}

/** What stands from 0xc0000 to 0xfffff while no RAM is laid over it: the image's last half, at the end. */
export function lowBiosRom(): Uint8Array {
  if (lowImage !== null) return lowImage
  lowImage = new Uint8Array(BIOS_ROM_LOW_BYTES)
  lowImage.set(biosRom().subarray(BIOS_ROM_BYTES - 0x2_0000), BIOS_ROM_LOW_BYTES - 0x2_0000)
  return lowImage
}
