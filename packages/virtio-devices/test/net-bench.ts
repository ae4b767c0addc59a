import { createNet } from '../src/index.ts'
import { internetChecksum } from '../src/internet-checksum.ts'
import { Bench, type BenchOptions } from './bench.ts'

export const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)
export const GATEWAY_MAC = [0x52, 0x55, 10, 0, 2, 2]
export const RX = 0
export const TX = 1
export const CTRL = 2
export const LEGACY_WITHOUT_MERGING: BenchOptions = { features: { lo: 0, hi: 0 }, without: { lo: 1 << 15, hi: 0 } }

export const be16 = (value: number): number[] => [value >>> 8, value & 0xff]
/** An ARP request for 10.0.2.`host`, from 10.0.2.15. */
export const arpRequest = (host = 2): Uint8Array =>
  Uint8Array.of(
    ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...MAC, 8, 6],
    ...[0, 1, 8, 0, 6, 4, 0, 1, ...MAC, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, host],
  )
/** An ICMP echo request to 10.0.2.2 with `payload`. */
export function echoRequest(payload: Uint8Array, options: { flags?: number; ihl?: number } = {}): Uint8Array {
  const icmp = Uint8Array.of(8, 0, 0, 0, 0x12, 0x34, 0, 7, ...payload)
  icmp.set(be16(internetChecksum(icmp)), 2)
  const ip = Uint8Array.of(
    ...[0x40 | (options.ihl ?? 5), 0, ...be16(20 + icmp.length), 0xab, 0xcd, ...be16(options.flags ?? 0x4000), 64, 1],
    ...[0, 0, 10, 0, 2, 15, 10, 0, 2, 2],
  )
  ip.set(be16(internetChecksum(ip)), 10)
  return Uint8Array.of(...GATEWAY_MAC, ...MAC, 8, 0, ...ip, ...icmp)
}

export function setup(options?: BenchOptions) {
  const device = createNet({ mac: MAC })
  return { device, bench: new Bench(device, options) }
}
export const withHeader = (bytes: number, frame: Uint8Array): Uint8Array => {
  const packet = new Uint8Array(bytes + frame.length)
  packet.set(frame, bytes)
  return packet
}
