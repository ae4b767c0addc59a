import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatTraceEvents, type TracedDma } from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

const access = (sequence: number, device: string, some: Partial<TracedDma> = {}): TracedDma => ({
  sequence,
  device,
  kind: 'read',
  busAddress: '0x00000000fffff000',
  physical: '0x1000',
  length: 16,
  route: 'translated',
  phase: 'self-test',
  ...some,
})

describe('a trace in the Trace Event Format', () => {
  it('names a track for each device, in order of address, before the events', () => {
    const { traceEvents } = JSON.parse(formatTraceEvents([access(0, '0000:00:04.0'), access(1, '0000:00:02.0')], 0))
    expect(traceEvents.slice(0, 3)).toEqual([
      { ph: 'M', pid: 1, name: 'process_name', args: { name: 'dmascope: DMA by device' } },
      { ph: 'M', pid: 1, tid: 1, name: 'thread_name', args: { name: '0000:00:02.0' } },
      { ph: 'M', pid: 1, tid: 2, name: 'thread_name', args: { name: '0000:00:04.0' } },
    ])
    expect(traceEvents.slice(3).map(({ tid }: { tid: number }) => tid)).toEqual([2, 1])
  })

  it('has one complete event for each access, with all that is known of it', () => {
    const { traceEvents } = JSON.parse(
      formatTraceEvents([access(7, '0000:00:02.0', { physical: null, route: 'faulted', kind: 'write' })], 0),
    )
    expect(traceEvents.at(-1)).toEqual({
      ph: 'X',
      pid: 1,
      tid: 1,
      ts: 7,
      dur: 1,
      name: 'write 16 B faulted',
      cat: 'faulted',
      args: { busAddress: '0x00000000fffff000', physical: null, phase: 'self-test', length: 16 },
    })
  })

  it('tells how many accesses were not kept', () => {
    expect(JSON.parse(formatTraceEvents([], 12))).toMatchObject({ otherData: { dropped: 12 }, displayTimeUnit: 'ns' })
  })

  it('is valid JSON on one line; each track is named once, and its events do not overlap', () => {
    const traced = fc
      .array(
        fc.record({
          device: fc.constantFrom('0000:00:02.0', '0000:00:03.0', '0000:01:00.0'),
          kind: fc.constantFrom('read' as const, 'write' as const, 'msi' as const),
          length: fc.nat(4096),
          route: fc.constantFrom('translated' as const, 'untranslated' as const, 'faulted' as const),
        }),
        { maxLength: 8 },
      )
      .map((list) => list.map(({ device, ...some }, sequence) => access(sequence, device, some)))
    fc.assert(
      fc.property(traced, (accesses) => {
        const text = formatTraceEvents(accesses, 0)
        expect(text.indexOf('\n')).toBe(text.length - 1)
        const { traceEvents } = JSON.parse(text) as {
          traceEvents: { ph: string; tid?: number; ts: number; dur: number }[]
        }
        const named = traceEvents.filter(({ ph, tid }) => ph === 'M' && tid !== undefined).map(({ tid }) => tid)
        expect(new Set(named).size).toBe(new Set(accesses.map(({ device }) => device)).size)
        const ends = new Map<number, number>()
        for (const { ph, tid, ts, dur } of traceEvents) {
          if (ph !== 'X') continue
          expect(named).toContain(tid)
          expect(ts).toBeGreaterThanOrEqual(ends.get(tid as number) ?? 0)
          ends.set(tid as number, ts + dur)
        }
      }),
      { numRuns: RUNS },
    )
  })
})
