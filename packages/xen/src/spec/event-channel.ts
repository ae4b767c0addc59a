import { le32, struct } from '@dmascope/layout'

const SOURCE = 'Xen public/event_channel.h'

/** Commands of `event_channel_op`. */
export const EVTCHNOP = { bind_pirq: 2, close: 3, unmask: 9 } as const

export const EVTCHN_BIND_PIRQ = struct('evtchn_bind_pirq', SOURCE, {
  pirq: le32,
  /** Bit 0: other ports may be bound to it too. */
  flags: le32,
  /** Answered. */
  port: le32,
})

export const EVTCHN_CLOSE = struct('evtchn_close', SOURCE, { port: le32 })

export const EVTCHN_UNMASK = struct('evtchn_unmask', SOURCE, { port: le32 })
