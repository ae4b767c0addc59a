/** One DMA as the machine's ledger traced it. */
export interface TracedDma {
  readonly sequence: number
  readonly device: string
  readonly kind: 'read' | 'write' | 'msi'
  readonly busAddress: string
  readonly physical: string | null
  readonly length: number
  readonly route: 'translated' | 'untranslated' | 'faulted'
  readonly phase: 'firmware' | 'probe' | 'self-test' | 'assigned'
}

/**
 * A trace in the Trace Event Format, which Perfetto and chrome://tracing open: a track per device, one microsecond per
 * access. Time is the order of events; the simulated machine has no other.
 *
 * @param dropped - accesses beyond what was kept
 */
export function formatTraceEvents(accesses: readonly TracedDma[], dropped: number): string {
  const tracks = [...new Set(accesses.map(({ device }) => device))].sort()
  const events: object[] = [
    { ph: 'M', pid: 1, name: 'process_name', args: { name: 'dmascope: DMA by device' } },
    ...tracks.map((name, index) => ({ ph: 'M', pid: 1, tid: index + 1, name: 'thread_name', args: { name } })),
  ]
  for (const { sequence, device, kind, length, route, ...args } of accesses) {
    events.push({
      ph: 'X',
      pid: 1,
      tid: tracks.indexOf(device) + 1,
      ts: sequence,
      dur: 1,
      name: `${kind} ${length} B ${route}`,
      cat: route,
      args: { ...args, length },
    })
  }
  return `${JSON.stringify({ displayTimeUnit: 'ns', otherData: { dropped }, traceEvents: events })}\n`
}
