import { internetChecksum } from './internet-checksum.ts'
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
} from './spec/ethernet.ts'

/** What is at the other end of a network card's cable. */
export interface NetworkPeer {
  /**
   * A frame from the card, without frame check sequence; good until this returns. Frames for the card go to `reply`,
   * at once or later; it copies them.
   */
  receive(frame: Uint8Array, reply: (frame: Uint8Array) => void): void
}

export interface LoopbackPeerOptions {
  /** IPv4 addresses that answer, dotted. Default: gateway and name server of QEMU's user network. */
  readonly addresses?: readonly string[]
}

const ETHERNET_BYTES = ethernet_header.size
/** Shorter frames are padded with zeroes, as a wire demands: 64 bytes less the frame check sequence. */
const LEAST_FRAME = 60
const IPV4_BYTES = ipv4_header.size
const DEFAULT_ADDRESSES = ['10.0.2.2', '10.0.2.3']
const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)

const ethernet = ethernet_header.fields
const arp = arp_packet.fields
const ip = ipv4_header.fields
const icmp = icmp_echo.fields

/** @throws RangeError where `text` is no dotted IPv4 address */
function parseAddress(text: string): number {
  const parts = text.split('.')
  const bytes = parts.map(Number)
  if (parts.length !== 4 || !parts.every((part, i) => /^\d{1,3}$/.test(part) && bytes[i]! <= 255)) {
    throw new RangeError(`${JSON.stringify(text)} is no IPv4 address such as 10.0.2.2`)
  }
  return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0
}

/** 52:55 and the IPv4 address, as QEMU's user network builds its hardware addresses. */
const hardwareAddress = (address: number): Uint8Array =>
  Uint8Array.of(0x52, 0x55, address >>> 24, (address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff)

/**
 * A host that answers ARP requests and ICMP echo for its addresses, and nothing else: enough to tell whether a card's
 * packets get out and back in one piece.
 *
 * @throws RangeError for an address that is none
 */
export function createLoopbackPeer(options: LoopbackPeerOptions = {}): NetworkPeer {
  const own = new Map(
    (options.addresses ?? DEFAULT_ADDRESSES).map((text) => {
      const address = parseAddress(text)
      return [address, hardwareAddress(address)] as const
    }),
  )

  function answerArp(frame: Uint8Array, view: DataView): Uint8Array | null {
    if (frame.length < ETHERNET_BYTES + arp_packet.size) return null
    const at = ETHERNET_BYTES
    const hardware = own.get(arp.target_protocol.get(view, at))
    if (
      hardware === undefined ||
      arp.operation.get(view, at) !== ARP_REQUEST ||
      arp.hardware_type.get(view, at) !== ARP_HARDWARE_ETHERNET ||
      arp.protocol_type.get(view, at) !== ETHERTYPE_IPV4 ||
      arp.hardware_length.get(view, at) !== 6 ||
      arp.protocol_length.get(view, at) !== 4
    ) {
      return null
    }
    const reply = new Uint8Array(LEAST_FRAME)
    const out = new DataView(reply.buffer)
    ethernet.destination.set(out, 0, arp.sender_hardware.get(view, at))
    ethernet.source.set(out, 0, hardware)
    ethernet.ethertype.set(out, 0, ETHERTYPE_ARP)
    arp.hardware_type.set(out, at, ARP_HARDWARE_ETHERNET)
    arp.protocol_type.set(out, at, ETHERTYPE_IPV4)
    arp.hardware_length.set(out, at, 6)
    arp.protocol_length.set(out, at, 4)
    arp.operation.set(out, at, ARP_REPLY)
    arp.sender_hardware.set(out, at, hardware)
    arp.sender_protocol.set(out, at, arp.target_protocol.get(view, at))
    arp.target_hardware.set(out, at, arp.sender_hardware.get(view, at))
    arp.target_protocol.set(out, at, arp.sender_protocol.get(view, at))
    return reply
  }

  function answerEcho(frame: Uint8Array, view: DataView): Uint8Array | null {
    const at = ETHERNET_BYTES
    if (frame.length < at + IPV4_BYTES) return null
    const versionLength = ip.version_ihl.get(view, at)
    const headerBytes = (versionLength & 0xf) * 4
    const total = ip.total_length.get(view, at)
    const hardware = own.get(ip.destination_address.get(view, at))
    if (hardware === undefined || versionLength >>> 4 !== 4 || headerBytes < IPV4_BYTES) return null
    if (total < headerBytes + icmp_echo.size || frame.length < at + total) return null
    // A fragment: More Fragments, or an offset. The Don't Fragment bit may be set.
    if ((ip.flags_fragment_offset.get(view, at) & 0x3fff) !== 0 || ip.protocol.get(view, at) !== IPPROTO_ICMP)
      return null
    const message = frame.subarray(at + headerBytes, at + total)
    if (internetChecksum(frame.subarray(at, at + headerBytes)) !== 0 || internetChecksum(message) !== 0) return null
    if (icmp.type.get(view, at + headerBytes) !== ICMP_ECHO || icmp.code.get(view, at + headerBytes) !== 0) return null

    // The request's options are not sent back.
    const reply = new Uint8Array(Math.max(at + IPV4_BYTES + message.length, LEAST_FRAME))
    const out = new DataView(reply.buffer)
    ethernet.destination.set(out, 0, ethernet.source.get(view, 0))
    ethernet.source.set(out, 0, hardware)
    ethernet.ethertype.set(out, 0, ETHERTYPE_IPV4)
    ip.version_ihl.set(out, at, 0x45)
    ip.type_of_service.set(out, at, ip.type_of_service.get(view, at))
    ip.total_length.set(out, at, IPV4_BYTES + message.length)
    ip.identification.set(out, at, ip.identification.get(view, at))
    ip.time_to_live.set(out, at, 255)
    ip.protocol.set(out, at, IPPROTO_ICMP)
    ip.source_address.set(out, at, ip.destination_address.get(view, at))
    ip.destination_address.set(out, at, ip.source_address.get(view, at))
    ip.header_checksum.set(out, at, internetChecksum(reply.subarray(at, at + IPV4_BYTES)))
    const body = reply.subarray(at + IPV4_BYTES, at + IPV4_BYTES + message.length)
    body.set(message)
    icmp.type.set(out, at + IPV4_BYTES, ICMP_ECHO_REPLY)
    icmp.checksum.set(out, at + IPV4_BYTES, 0)
    icmp.checksum.set(out, at + IPV4_BYTES, internetChecksum(body))
    return reply
  }

  const isForUs = (destination: Uint8Array): boolean => {
    if (equal(destination, BROADCAST)) return true
    for (const hardware of own.values()) if (equal(destination, hardware)) return true
    return false
  }

  return {
    receive(frame, reply) {
      if (frame.length < ETHERNET_BYTES || !isForUs(frame.subarray(0, 6))) return
      const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
      const ethertype = ethernet.ethertype.get(view, 0)
      const answer =
        ethertype === ETHERTYPE_ARP
          ? answerArp(frame, view)
          : ethertype === ETHERTYPE_IPV4
            ? answerEcho(frame, view)
            : null
      if (answer !== null) reply(answer)
    },
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])
