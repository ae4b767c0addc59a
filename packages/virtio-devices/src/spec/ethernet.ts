import { be16, be32, bytes, struct, u8 } from '@dmascope/layout'

export const ethernet_header = struct('ethernet_header', 'IEEE 802.3', {
  destination: bytes(6),
  source: bytes(6),
  ethertype: be16,
})
export const ETHERTYPE_IPV4 = 0x0800
export const ETHERTYPE_ARP = 0x0806

/** ARP for IPv4 over Ethernet. */
export const arp_packet = struct('arp_packet', 'RFC 826', {
  hardware_type: be16,
  protocol_type: be16,
  hardware_length: u8,
  protocol_length: u8,
  operation: be16,
  sender_hardware: bytes(6),
  sender_protocol: be32,
  target_hardware: bytes(6),
  target_protocol: be32,
})
export const ARP_HARDWARE_ETHERNET = 1
export const ARP_REQUEST = 1
export const ARP_REPLY = 2

/** Without options. */
export const ipv4_header = struct('ipv4_header', 'RFC 791 §3.1', {
  version_ihl: u8,
  type_of_service: u8,
  total_length: be16,
  identification: be16,
  flags_fragment_offset: be16,
  time_to_live: u8,
  protocol: u8,
  header_checksum: be16,
  source_address: be32,
  destination_address: be32,
})
export const IPPROTO_ICMP = 1

export const icmp_echo = struct('icmp_echo', 'RFC 792', {
  type: u8,
  code: u8,
  checksum: be16,
  identifier: be16,
  sequence_number: be16,
})
export const ICMP_ECHO_REPLY = 0
export const ICMP_ECHO = 8
