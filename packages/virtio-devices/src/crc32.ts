/** Four tables of 256: the effect of a byte that is followed by none, one, two or three more of the same word. */
const TABLES = new Uint32Array(1024)
for (let byte = 0; byte < 256; byte++) {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1
  TABLES[byte] = value
}
for (let index = 256; index < 1024; index++) {
  const before = TABLES[index - 256]!
  TABLES[index] = (before >>> 8) ^ TABLES[before & 0xff]!
}

/** CRC-32 as of IEEE 802.3: reflected, all ones in and out. Of "123456789" it is 0xcbf43926. */
export function crc32(bytes: Uint8Array): number {
  let value = -1
  let index = 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (; index + 4 <= bytes.length; index += 4) {
    value ^= view.getUint32(index, true)
    value =
      TABLES[768 + (value & 0xff)]! ^
      TABLES[512 + ((value >>> 8) & 0xff)]! ^
      TABLES[256 + ((value >>> 16) & 0xff)]! ^
      TABLES[value >>> 24]!
  }
  for (; index < bytes.length; index++) value = (value >>> 8) ^ TABLES[(value ^ bytes[index]!) & 0xff]!
  return ~value >>> 0
}
