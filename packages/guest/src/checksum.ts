const TABLE = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1
  TABLE[byte] = value >>> 0
}

/** CRC-32 as in IEEE 802.3, reflected, polynomial 0x04c11db7; unsigned. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffff_ffff
  for (let index = 0; index < bytes.length; index++) {
    value = (value >>> 8) ^ TABLE[(value ^ bytes[index]!) & 0xff]!
  }
  return (value ^ 0xffff_ffff) >>> 0
}
