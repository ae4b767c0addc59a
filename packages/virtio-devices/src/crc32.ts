const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1
  return value
})

/** CRC-32 as of IEEE 802.3: reflected, all ones in and out. Of "123456789" it is 0xcbf43926. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffff_ffff
  for (let index = 0; index < bytes.length; index++) {
    value = (value >>> 8) ^ TABLE[(value ^ bytes[index]!) & 0xff]!
  }
  return ~value >>> 0
}
