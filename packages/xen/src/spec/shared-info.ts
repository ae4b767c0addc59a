import { array, bytes, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'Xen public/xen.h, x86-64'

/** What Xen and a virtual processor share: whether events wait, and in which words of `evtchn_pending`. */
const VCPU_INFO = struct('vcpu_info', SOURCE, {
  evtchn_upcall_pending: u8,
  evtchn_upcall_mask: u8,
  gap_02: bytes(6),
  evtchn_pending_sel: le64,
  arch: bytes(16),
  time: bytes(32),
})

/** The page that Xen and a domain share: events by their ports, a bit each. */
export const SHARED_INFO = struct('shared_info', SOURCE, {
  vcpu_info: array(VCPU_INFO, 32),
  evtchn_pending: array(le64, 64),
  evtchn_mask: array(le64, 64),
})

/** Ports that a domain has by these words. */
export const EVENT_PORTS = 4096
