import {
  ARP_HARDWARE_ETHERNET,
  ARP_REPLY,
  ARP_REQUEST,
  arp_packet,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ethernet_header,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  IPPROTO_ICMP,
  icmp_echo,
  ipv4_header,
} from '@dmascope/virtio-devices/spec'
import { fillPattern, firstDifference } from './test-pattern.ts'

/** The addresses of QEMU's user network: the guest's own, and the gateway that answers. */
const OUR_ADDRESS = 0x0a00_020f
const GATEWAY_ADDRESS = 0x0a00_0202

const BROADCAST = new Uint8Array(6).fill(0xff)
const ETHERNET_MIN = 60
const PAYLOAD_BYTES = 56
const IDENTIFIER = 0xd5c0
const IHL_20_BYTES = 0x45

function ethernet(destination: Uint8Array, source: Uint8Array, type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(Math.max(ETHERNET_MIN, ethernet_header.size + payload.length))
  const view = new DataView(frame.buffer)
  ethernet_header.fields.destination.set(view, 0, destination)
  ethernet_header.fields.source.set(view, 0, source)
  ethernet_header.fields.ethertype.set(view, 0, type)
  frame.set(payload, ethernet_header.size)
  return frame
}

/** The ones' complement sum that IPv4 and ICMP use (RFC 1071). */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** Asks for the gateway's hardware address. */
export function arpRequest(mac: Uint8Array): Uint8Array {
  const arp = new DataView(new ArrayBuffer(arp_packet.size))
  const { fields } = arp_packet
  fields.hardware_type.set(arp, 0, ARP_HARDWARE_ETHERNET)
  fields.protocol_type.set(arp, 0, ETHERTYPE_IPV4)
  fields.hardware_length.set(arp, 0, 6)
  fields.protocol_length.set(arp, 0, 4)
  fields.operation.set(arp, 0, ARP_REQUEST)
  fields.sender_hardware.set(arp, 0, mac)
  fields.sender_protocol.set(arp, 0, OUR_ADDRESS)
  fields.target_protocol.set(arp, 0, GATEWAY_ADDRESS)
  return ethernet(BROADCAST, mac, ETHERTYPE_ARP, new Uint8Array(arp.buffer))
}

/** The gateway's hardware address, a copy; null where the frame is no ARP reply of its. */
export function readArpReply(frame: Uint8Array): Uint8Array | null {
  if (frame.length < ethernet_header.size + arp_packet.size) return null
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const { fields } = arp_packet
  const at = ethernet_header.size
  if (ethernet_header.fields.ethertype.get(view, 0) !== ETHERTYPE_ARP) return null
  if (fields.operation.get(view, at) !== ARP_REPLY || fields.sender_protocol.get(view, at) !== GATEWAY_ADDRESS)
    return null
  return Uint8Array.from(fields.sender_hardware.get(view, at))
}

const payload = (): Uint8Array => fillPattern(new Uint8Array(PAYLOAD_BYTES), IDENTIFIER)

/** An ICMP echo request to the gateway with a payload that the answer must repeat. */
export function echoRequest(mac: Uint8Array, gateway: Uint8Array): Uint8Array {
  const icmp = new Uint8Array(icmp_echo.size + PAYLOAD_BYTES)
  const icmpView = new DataView(icmp.buffer)
  icmp_echo.fields.type.set(icmpView, 0, ICMP_ECHO)
  icmp_echo.fields.identifier.set(icmpView, 0, IDENTIFIER)
  icmp_echo.fields.sequence_number.set(icmpView, 0, 1)
  icmp.set(payload(), icmp_echo.size)
  icmp_echo.fields.checksum.set(icmpView, 0, internetChecksum(icmp))
  const packet = new Uint8Array(ipv4_header.size + icmp.length)
  const view = new DataView(packet.buffer)
  const { fields } = ipv4_header
  fields.version_ihl.set(view, 0, IHL_20_BYTES)
  fields.total_length.set(view, 0, packet.length)
  fields.time_to_live.set(view, 0, 64)
  fields.protocol.set(view, 0, IPPROTO_ICMP)
  fields.source_address.set(view, 0, OUR_ADDRESS)
  fields.destination_address.set(view, 0, GATEWAY_ADDRESS)
  fields.header_checksum.set(view, 0, internetChecksum(packet.subarray(0, ipv4_header.size)))
  packet.set(icmp, ipv4_header.size)
  return ethernet(gateway, mac, ETHERTYPE_IPV4, packet)
}

/**
 * Looks at a frame that may answer the echo request.
 *
 * @returns null where it is something else; `''` for the right answer; else what is wrong with it
 */
export function checkEchoReply(frame: Uint8Array): string | null {
  const ip = ethernet_header.size
  const icmp = ip + ipv4_header.size
  if (frame.length < icmp + icmp_echo.size) return null
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (ethernet_header.fields.ethertype.get(view, 0) !== ETHERTYPE_IPV4) return null
  const { fields } = ipv4_header
  if (fields.protocol.get(view, ip) !== IPPROTO_ICMP || fields.source_address.get(view, ip) !== GATEWAY_ADDRESS)
    return null
  if (icmp_echo.fields.type.get(view, icmp) !== ICMP_ECHO_REPLY) return null
  if (icmp_echo.fields.identifier.get(view, icmp) !== IDENTIFIER) return null
  if (internetChecksum(frame.subarray(ip, icmp)) !== 0) return 'the IP header checksum is wrong'
  const data = frame.subarray(icmp + icmp_echo.size, icmp + icmp_echo.size + PAYLOAD_BYTES)
  const difference = firstDifference(data, payload())
  return difference === null ? '' : `the echoed data differ at ${difference}`
}
