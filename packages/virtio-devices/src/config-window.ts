/**
 * Device-specific configuration that stands in a DataView, little-endian, as virtio 1.3 §4 and legacy x86 guests see
 * it. Bytes past the end read as zero.
 */
export function readConfig(view: DataView, offset: number, width: 1 | 2 | 4): number {
  if (offset + width <= view.byteLength) {
    return width === 4
      ? view.getUint32(offset, true)
      : width === 2
        ? view.getUint16(offset, true)
        : view.getUint8(offset)
  }
  let value = 0
  for (let index = 0; index < width; index++) {
    if (offset + index < view.byteLength) value |= view.getUint8(offset + index) << (index * 8)
  }
  return value >>> 0
}

/**
 * Applies a driver's write byte by byte: `write` gets each byte's offset and value. Configuration fields may be
 * written in parts (virtio 1.3 §4.1.3.1), and few of them can be written at all.
 */
export function eachByte(
  offset: number,
  width: 1 | 2 | 4,
  value: number,
  write: (offset: number, byte: number) => void,
): void {
  for (let index = 0; index < width; index++) write(offset + index, (value >>> (index * 8)) & 0xff)
}
