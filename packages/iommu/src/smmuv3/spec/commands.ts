import { addr, bits, field, le64, struct } from '@dmascope/layout'

const SOURCE = 'IHI 0070 §4'

/** A command of the command queue. */
export const COMMAND = struct('command', SOURCE, { low: le64, high: le64 })

/** Opcodes. */
export const OPCODE = {
  CMD_PREFETCH_CONFIG: 0x01,
  CMD_PREFETCH_ADDR: 0x02,
  CMD_CFGI_STE: 0x03,
  /** With Range 31 this is CMD_CFGI_ALL. */
  CMD_CFGI_STE_RANGE: 0x04,
  CMD_CFGI_CD: 0x05,
  CMD_CFGI_CD_ALL: 0x06,
  CMD_TLBI_NH_ALL: 0x10,
  CMD_TLBI_NH_ASID: 0x11,
  CMD_TLBI_NH_VA: 0x12,
  CMD_TLBI_NH_VAA: 0x13,
  CMD_TLBI_EL3_ALL: 0x18,
  CMD_TLBI_EL3_VA: 0x1a,
  CMD_TLBI_EL2_ALL: 0x20,
  CMD_TLBI_EL2_ASID: 0x21,
  CMD_TLBI_EL2_VA: 0x22,
  CMD_TLBI_EL2_VAA: 0x23,
  CMD_TLBI_S12_VMALL: 0x28,
  CMD_TLBI_S2_IPA: 0x2a,
  CMD_TLBI_NSNH_ALL: 0x30,
  CMD_ATC_INV: 0x40,
  CMD_PRI_RESP: 0x41,
  CMD_RESUME: 0x44,
  CMD_STALL_TERM: 0x45,
  CMD_SYNC: 0x46,
} as const

const names: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(OPCODE).map(([name, value]) => [value, name]),
)
const Opcode = field([7, 0], 'rw', names)

/** The name of a command, for messages. */
export const commandName = (opcode: number): string => names[opcode] ?? `command 0x${opcode.toString(16)}`

/** What every command begins with. */
export const COMMAND_HEADER = bits(64, 'command [63:0]', SOURCE, { SSV: 11, SSec: 10, Opcode })

/** CMD_PREFETCH_CONFIG and CMD_CFGI_*, bits 63:0. */
export const CMD_CFGI = bits(64, 'CMD_CFGI [63:0]', SOURCE, {
  StreamID: [63, 32],
  SubstreamID: [31, 12],
  SSV: 11,
  SSec: 10,
  Opcode,
})

/** CMD_CFGI_STE and CMD_CFGI_CD, bits 127:64. Leaf: the level-1 descriptors did not change. */
export const CMD_CFGI_HIGH = bits(64, 'CMD_CFGI [127:64]', SOURCE, { Leaf: 0 })

/** CMD_CFGI_STE_RANGE, bits 127:64: the aligned 2^(Range + 1) StreamIDs. */
export const CMD_CFGI_STE_RANGE_HIGH = bits(64, 'CMD_CFGI_STE_RANGE [127:64]', SOURCE, { Range: [4, 0] })

/** CMD_TLBI_*, bits 63:0. NUM and SCALE count with IDR3.RIL, and where TG is not 0. */
export const CMD_TLBI = bits(64, 'CMD_TLBI [63:0]', SOURCE, {
  ASID: [63, 48],
  VMID: [47, 32],
  SCALE: [24, 20],
  NUM: [16, 12],
  SSec: 10,
  Opcode,
})

/** CMD_TLBI_*, bits 127:64. Leaf: table descriptors did not change. */
export const CMD_TLBI_HIGH = bits(64, 'CMD_TLBI [127:64]', SOURCE, {
  Address: addr(63, 12),
  TG: field([11, 10], 'rw', { 0: 'one address', 1: '4 KiB', 2: '16 KiB', 3: '64 KiB' }),
  TTL: [9, 8],
  Leaf: 0,
})

/** CMD_ATC_INV, bits 63:0. */
export const CMD_ATC_INV = bits(64, 'CMD_ATC_INV [63:0]', SOURCE, {
  StreamID: [63, 32],
  SubstreamID: [31, 12],
  SSV: 11,
  SSec: 10,
  Global: 9,
  Opcode,
})

/** CMD_ATC_INV, bits 127:64: the aligned 2^Size pages of 4 KiB. */
export const CMD_ATC_INV_HIGH = bits(64, 'CMD_ATC_INV [127:64]', SOURCE, { Address: addr(63, 12), Size: [5, 0] })

/** Values of CMD_SYNC.CS: how completion is signalled. */
export const SYNC_SIGNAL = { none: 0, irq: 1, sev: 2 } as const

/** CMD_SYNC, bits 63:0. */
export const CMD_SYNC = bits(64, 'CMD_SYNC [63:0]', SOURCE, {
  MSIData: [63, 32],
  MSIAttr: [27, 24],
  MSH: [23, 22],
  CS: field([13, 12], 'rw', { 0: 'SIG_NONE', 1: 'SIG_IRQ', 2: 'SIG_SEV' }),
  SSec: 10,
  Opcode,
})

/** CMD_SYNC, bits 127:64. */
export const CMD_SYNC_HIGH = bits(64, 'CMD_SYNC [127:64]', SOURCE, { MSIAddress: addr(51, 2) })
