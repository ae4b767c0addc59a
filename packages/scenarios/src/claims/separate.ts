import { type CpuTrace, recordCpuBus } from '@dmascope/guest'
import { createMachine } from '@dmascope/machine'
import type { DmaWitness } from '@dmascope/memory'
import { joinReport } from '@dmascope/report'
import { startGuest } from '../boot/start-guest.ts'
import type { Cell } from '../cell/cell.ts'
import { describeCell } from '../cell/describe-cell.ts'
import { askedIn, SELF_TEST_BYTES } from '../cell/run-cell.ts'

/** One boot, with all that the kernel read and wrote. */
interface Recorded {
  readonly trace: CpuTrace
  /** Operations before the kernel gave the device its first memory: by then it has decided how. */
  readonly decidedAt: number
  readonly works: boolean
}

/** How one kernel fared on two machines. */
export interface Separation {
  readonly works: readonly [boolean, boolean]
  /** All that the kernel had read until it had decided how to give the device addresses was the same. */
  readonly alike: boolean
  /** Operations on the CPU seam that were alike, and how many there were until the decision. */
  readonly common: number
  readonly decidedAt: number
}

/** Boots a kernel on two machines, and compares what it could know. Null where there are no such machines. */
export function separate(one: Cell, other: Cell): Separation | null {
  const first = record(one)
  const second = record(other)
  if (first === null || second === null) return null
  const common = commonPrefix(first.trace, second.trace)
  const decidedAt = Math.max(first.decidedAt, second.decidedAt)
  return { works: [first.works, second.works], alike: common >= decidedAt, common, decidedAt }
}

function record(cell: Cell): Recorded | null {
  const { description } = describeCell(cell)
  if (description === null) return null
  const built = createMachine(description)
  let trace: CpuTrace | null = null
  let decidedAt = -1
  try {
    const started = startGuest(built, cell.guest, {
      selfTestBytes: SELF_TEST_BYTES,
      listen({ bus, witness }) {
        const recorded = recordCpuBus(bus)
        trace = recorded.trace
        return {
          bus: recorded.bus,
          witness: {
            ...boundTo(witness),
            grant(owner, ...rest) {
              if (askedIn(owner) && decidedAt < 0) decidedAt = recorded.trace.operations.length
              return witness.grant(owner, ...rest)
            },
          },
        }
      },
    })
    const report = joinReport({
      description,
      guest: started.result,
      observations: built.machine.observe(),
      firmwareHung: started.firmwareHung,
      version: '',
    })
    const device = report.devices.find(({ id }) => askedIn(id))
    if (trace === null || device === undefined) return null
    const { operations } = trace as CpuTrace
    return { trace, decidedAt: decidedAt < 0 ? operations.length : decidedAt, works: device.verdict === 'works' }
  } finally {
    built.machine.dispose()
  }
}

const boundTo = (witness: DmaWitness): Pick<DmaWitness, 'revoke' | 'phase'> => ({
  revoke: witness.revoke.bind(witness),
  phase: witness.phase.bind(witness),
})

/** Operations that are the same in both, from the start. */
function commonPrefix({ operations: one }: CpuTrace, { operations: other }: CpuTrace): number {
  const end = Math.min(one.length, other.length)
  for (let at = 0; at < end; at++) if (JSON.stringify(one[at]) !== JSON.stringify(other[at])) return at
  return end
}
