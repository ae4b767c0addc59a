import type { ReportDevice, ReportStaleRead } from '../report.ts'

/** The first time that this side read what was out of date. */
export const staleBy = (
  reader: ReportStaleRead['reader'],
  { staleReads = [] }: ReportDevice,
): ReportStaleRead | undefined => staleReads.find((one) => one.reader === reader)

const NEWER_IS: Record<ReportStaleRead['between'], string> = {
  cache: 'the newer bytes were on the other side of a cache that nobody had written back and forgotten',
  mapping: 'guest and host have memory at different virtual addresses, and the cache holds it once for each',
  buffer: 'the newer bytes were still in the write buffer',
}

/** `at 0x5ffe0000 it got 00 00, where 01 00 had been written: ...`. */
export function staleText(reader: ReportStaleRead['reader'], device: ReportDevice): string {
  const stale = staleBy(reader, device)
  if (stale === undefined) return 'not kept'
  return `at ${stale.address} it got ${stale.got}, where ${stale.newest} had been written; ${NEWER_IS[stale.between]}`
}
