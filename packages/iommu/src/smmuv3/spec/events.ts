import { addr, bits, field, le64, struct } from '@dmascope/layout'

const SOURCE = 'IHI 0070 §7.3'

/** A record of the event queue. */
export const EVENT = struct('event record', SOURCE, { word0: le64, word1: le64, word2: le64, word3: le64 })

/** Event numbers, with what they mean. */
export const EVENTS = {
  F_UUT: { value: 0x01, text: 'unsupported upstream transaction' },
  C_BAD_STREAMID: { value: 0x02, text: 'stream ID out of range of the stream table' },
  F_STE_FETCH: { value: 0x03, text: 'stream table outside of memory' },
  C_BAD_STE: { value: 0x04, text: 'stream table entry invalid' },
  F_BAD_ATS_TREQ: { value: 0x05, text: 'ATS translation request not allowed' },
  F_STREAM_DISABLED: { value: 0x06, text: 'transactions without a substream are disabled' },
  F_TRANSL_FORBIDDEN: { value: 0x07, text: 'translated transaction not allowed' },
  C_BAD_SUBSTREAMID: { value: 0x08, text: 'substream ID out of range' },
  F_CD_FETCH: { value: 0x09, text: 'context descriptor outside of memory' },
  C_BAD_CD: { value: 0x0a, text: 'context descriptor invalid' },
  F_WALK_EABT: { value: 0x0b, text: 'translation table outside of memory' },
  F_TRANSLATION: { value: 0x10, text: 'address not mapped' },
  F_ADDR_SIZE: { value: 0x11, text: 'output address beyond the address size' },
  F_ACCESS: { value: 0x12, text: 'access flag clear' },
  F_PERMISSION: { value: 0x13, text: 'no permission' },
  F_TLB_CONFLICT: { value: 0x20, text: 'TLB conflict' },
  F_CFG_CONFLICT: { value: 0x21, text: 'configuration cache conflict' },
} as const

const names: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(EVENTS).map(([name, { value }]) => [value, name]),
)
const texts: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(EVENTS).map(([name, { value, text }]) => [value, `${name}: ${text}`]),
)

/** `F_TRANSLATION: address not mapped`; the number for what no event is. */
export const eventText = (value: number): string => texts[value] ?? `event 0x${value.toString(16)}`

/** Bits 63:0 of every record. */
export const EVENT_0 = bits(64, 'event [63:0]', SOURCE, {
  StreamID: [63, 32],
  SubstreamID: [31, 12],
  SSV: 11,
  Event: field([7, 0], 'ro', names),
})

/** Values of CLASS: what was translated when it went wrong. */
export const EVENT_CLASS = { CD: 0, TT: 1, IN: 2 } as const

/** Bits 127:64 of F_WALK_EABT and of F_TRANSLATION to F_PERMISSION. */
export const EVENT_1 = bits(64, 'event [127:64]', SOURCE, {
  CLASS: field([41, 40], 'ro', { 0: 'CD', 1: 'TT', 2: 'IN' }),
  S2: 39,
  RnW: 35,
  InD: 34,
  PnU: 33,
  Stall: 31,
  STAG: [15, 0],
})

/** Bits 255:192: the intermediate address of a stage 2 fault; of F_STE_FETCH and F_CD_FETCH, what was fetched. */
export const EVENT_3 = bits(64, 'event [255:192]', SOURCE, { IPA: addr(51, 12) })
export const FETCH_EVENT_3 = bits(64, 'fetch event [255:192]', SOURCE, { FetchAddr: addr(51, 3) })
