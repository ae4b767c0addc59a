import type { Mcfg, McfgAllocation } from '../mcfg.ts'
import { hex, type Problem } from '../problem.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { MCFG, MCFG_ALLOCATION } from '../spec/small-tables.ts'
import { formFindings } from './form.ts'
import { overlapsOf } from './intervals.ts'
import { hex64 } from './lint-dmar.ts'
import { MCFG_RULES } from './mcfg-rules.ts'
import { inField, type LintFinding, listSome } from './rule.ts'
import { nameOf, type TopologyIndex } from './topology.ts'

const MIB = 0x10_0000n
const FOUR_GIB = 0x1_0000_0000n
/** I/O APICs, local APICs and messages, on x86. */
const INTERRUPTS = { start: 0xfec0_0000n, end: 0xfef0_0000n }

/** The addresses of the buses of an allocation: its base is that of bus 0. */
const windowOf = ({ baseAddress, startBusNumber, endBusNumber }: McfgAllocation) => ({
  start: BigInt(baseAddress) + BigInt(startBusNumber) * MIB,
  end: BigInt(baseAddress) + BigInt(endBusNumber + 1) * MIB,
})

const shown = (one: McfgAllocation): string =>
  `segment ${one.pciSegmentGroupNumber}, buses ${hex(one.startBusNumber, 2)} to ${hex(one.endBusNumber, 2)} at ${hex64(one.baseAddress)}`

/** What is wrong with a MCFG by itself. */
export function* lintMcfg(bytes: Uint8Array, table: Mcfg & { problems: readonly Problem[] }): Generator<LintFinding> {
  yield* formFindings(bytes, table.problems, [], { outer: { ACPI_TRAILING: null } })
  const { allocations, trailing } = table
  // What a cut table has lost is told already.
  const isCut = (table.header.length ?? 0) > bytes.length
  if (allocations.length === 0 && !isCut) {
    const message = 'the table has no allocation'
    yield { rule: MCFG_RULES.empty, offset: HEADER_SIZE, length: MCFG.size, message }
  }
  if (trailing !== undefined && trailing.length > 0 && !isCut) {
    const offset = HEADER_SIZE + MCFG.size + allocations.length * MCFG_ALLOCATION.size
    const message = `${trailing.length / 2} bytes behind the last allocation are no whole one`
    yield { rule: MCFG_RULES.leftOver, offset, length: trailing.length / 2, message }
  }
  const { baseAddress, startBusNumber } = MCFG_ALLOCATION.fields
  for (const one of allocations) {
    const offset = one.offset ?? 0
    const base = BigInt(one.baseAddress)
    const { start, end } = windowOf(one)
    if (base === 0n) yield inField(MCFG_RULES.baseZero, offset, baseAddress, shown(one))
    // As in acpi_mcfg_check_entry, which believes SGI's.
    if (base >= FOUR_GIB - 1n && table.header.revision === 0 && !table.header.oemId.startsWith('SGI')) {
      yield inField(MCFG_RULES.aboveFourGiB, offset, baseAddress, shown(one))
    }
    if (one.endBusNumber < one.startBusNumber) {
      yield { rule: MCFG_RULES.busOrder, offset: offset + startBusNumber.offset, length: 2, message: shown(one) }
      continue
    }
    const size = MIB << BigInt(32 - Math.clz32(one.endBusNumber))
    if (base % size !== 0n) {
      const message = `${shown(one)}, which is no multiple of ${size / MIB} MiB`
      yield inField(MCFG_RULES.unaligned, offset, baseAddress, message)
    }
    if (start < INTERRUPTS.end && end > INTERRUPTS.start) {
      yield inField(MCFG_RULES.overApic, offset, baseAddress, `${shown(one)} reaches ${hex64(Number(end - 1n))}`)
    }
  }
  yield* lintOverlaps(allocations.filter((one) => one.endBusNumber >= one.startBusNumber))
  const wrong = allocations.find(({ reserved }) => (reserved ?? 0) !== 0)
  if (/[^0]/.test(table.reserved ?? '') || wrong !== undefined) {
    const isHead = /[^0]/.test(table.reserved ?? '')
    const offset = isHead ? HEADER_SIZE : (wrong?.offset ?? 0) + MCFG_ALLOCATION.fields.reserved.offset
    const message = `reserved bytes are set in ${isHead ? 'the fixed fields' : shown(wrong!)}`
    yield { rule: MCFG_RULES.reserved, offset, length: isHead ? 8 : 4, message }
  }
}

function* lintOverlaps(allocations: readonly McfgAllocation[]): Generator<LintFinding> {
  const told = new Set<McfgAllocation>()
  const finding = (one: McfgAllocation, other: McfgAllocation, what: string): LintFinding => {
    told.add(other)
    const message = `${shown(other)} has ${what} of ${shown(one)}`
    return { rule: MCFG_RULES.overlap, offset: other.offset ?? 0, length: MCFG_ALLOCATION.size, message }
  }
  const buses = allocations.map((item) => {
    const segment = BigInt(item.pciSegmentGroupNumber) << 8n
    return { start: segment + BigInt(item.startBusNumber), end: segment + BigInt(item.endBusNumber) + 1n, item }
  })
  for (const [one, other] of overlapsOf(buses)) yield finding(one, other, 'buses')
  for (const [one, other] of overlapsOf(allocations.map((item) => ({ ...windowOf(item), item })))) {
    if (!told.has(other)) yield finding(one, other, 'addresses')
  }
}

/** What is wrong with a MCFG on a machine. */
export function* lintMcfgTopology({ allocations }: Mcfg, topology: TopologyIndex): Generator<LintFinding> {
  const covered = new Map([...topology.bySegment().keys()].map((segment) => [segment, new Uint8Array(0x100)]))
  for (const one of allocations) {
    covered.get(one.pciSegmentGroupNumber)?.fill(1, one.startBusNumber, one.endBusNumber + 1)
  }
  const bare = topology.functions.filter(({ segment, bus }) => covered.get(segment)?.[bus] !== 1)
  if (bare.length === 0 || allocations.length === 0) return
  const message = `no allocation has the bus of ${listSome(bare.map(nameOf))}`
  yield { rule: MCFG_RULES.notCovered, offset: HEADER_SIZE + MCFG.size, length: 0, message }
}
