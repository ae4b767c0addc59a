/**
 * The Internet checksum (RFC 1071) of `bytes`, as it stands in a header. Over data that holds a right checksum it is 0.
 */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0
  for (let index = 0; index + 1 < bytes.length; index += 2) sum += (bytes[index]! << 8) | bytes[index + 1]!
  if (bytes.length % 2 === 1) sum += bytes[bytes.length - 1]! << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
