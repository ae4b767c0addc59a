/** The byte that makes the sum of `data` in [start, end) and itself zero modulo 256: 0 where the sum is zero already. */
export function checksum(data: Uint8Array, start = 0, end = data.length): number {
  let sum = 0
  for (let index = start; index < end; index++) sum += data[index]!
  return -sum & 0xff
}
