/** The byte that makes the sum of `data` and itself zero modulo 256: 0 where the sum is zero already. */
export function checksum(data: Uint8Array): number {
  let sum = 0
  for (let index = 0; index < data.length; index++) sum += data[index]!
  return -sum & 0xff
}
