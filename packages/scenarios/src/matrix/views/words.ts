import type { Status, Verdict } from '@dmascope/report'
import { type Grid, STATUSES, VERDICTS } from '../grid.ts'

/** What a verdict says, for legends. */
export const VERDICT_SAYS: Readonly<Record<Verdict, string>> = {
  works: 'the self-test’s data came out right',
  untested: 'the guest has no test for the device',
  refused: 'driver or device declined, cleanly',
  faults: 'the IOMMU recorded faults, and I/O failed',
  hangs: 'I/O never completed',
  corrupts: 'a stray write landed in memory, or data came out wrong',
}

/** A letter for what the DMA did, its word, and what that says. */
export const STATUS_SAYS: Readonly<Record<Status, { letter: string; word: string; says: string }>> = {
  translated: { letter: 'T', word: 'translated', says: 'its DMA was translated' },
  passthrough: { letter: 'P', word: 'passthrough', says: 'its DMA reached memory as the device gave it' },
  blocked: { letter: 'B', word: 'blocked', says: 'an IOMMU kept its DMA off' },
  none: { letter: '-', word: 'no DMA', says: 'it made no DMA' },
}

/** `1,150 cells: 496 booted (…), 654 that cannot be.` */
export function summaryOf({ counts }: Grid, asked: number): string {
  const { booted, impossible, verdicts, statuses } = counts
  const list = <T>(known: readonly T[], of: ReadonlyMap<T, number>, word: (one: T) => string): string =>
    known.flatMap((one) => (of.has(one) ? `${of.get(one)} ${word(one)}` : [])).join(', ')
  const done = booted + impossible
  const parts = [
    `${done} ${done === 1 ? 'cell' : 'cells'}: ${booted} booted${impossible > 0 ? `, ${impossible} that cannot be` : ''}`,
    ...(booted > 0
      ? [
          `verdicts: ${list(VERDICTS, verdicts, (one) => one)}`,
          `DMA: ${list(STATUSES, statuses, (one) => STATUS_SAYS[one].word)}`,
        ]
      : []),
  ]
  const missing = asked > done ? ` ${asked - done} of ${asked} were not run.` : ''
  return `${parts.join('; ')}.${missing}`
}
