import { describe, expect, test } from 'vitest'
import { bootAndReport, MOST_BEHIND_PORTS, machineOfBridges, machineOfPorts } from '../src/job-machine.ts'
import { portCases } from '../src/job-port.ts'
import { formatTimes, runTimed } from '../src/job-timed.ts'
import { formatTable } from '../src/table.ts'

describe('the virtqueue workload through a machine’s port', () => {
  test.each(portCases().map((one) => [one.id, one] as const))('%s', (_id, one) => {
    const run = one.prepare()
    for (let batch = 0; batch < 5; batch++) expect(run()).toBe(85)
  })
})

test('a crowded machine: every function is found, ports and devices, and 2160 are the most', () => {
  const { report } = bootAndReport(machineOfPorts(30))
  const kinds = report.devices.map(({ kind }) => kind)
  expect(kinds.filter((kind) => kind === 'pcie-root-port')).toHaveLength(4)
  expect(kinds.filter((kind) => kind === 'pci-testdev')).toHaveLength(26)
  expect(MOST_BEHIND_PORTS).toBe(2160)
  expect(() => machineOfPorts(2161)).toThrow(RangeError)
})

test('a machine of bridges: 10,000 functions boot, and every one is found', () => {
  const { report } = bootAndReport(machineOfBridges(10_000))
  const kinds = report.devices.map(({ kind }) => kind)
  expect(kinds.filter((kind) => kind === 'pci-bridge')).toHaveLength(41)
  expect(kinds.filter((kind) => kind === 'i6300esb')).toHaveLength(9959)
})

test('times: the median of the rounds, the ratio to what they are held against, and the target', () => {
  const values = [5, 3, 4]
  const results = runTimed(
    [
      { id: 'job/a', unit: 'ms', target: 3.5, prepare: () => () => values.shift()! },
      {
        id: 'job/b',
        unit: 'ms',
        against: { name: 'other', most: 1.5, run: () => 10 },
        note: 'a note',
        prepare: () => () => 12,
      },
    ],
    3,
  )
  expect(results.map(({ time }) => time)).toEqual([4, 12])
  expect(results[1]!.against).toEqual({ name: 'other', time: 10, ratio: 1.2, most: 1.5 })
  expect(formatTimes(results).split('\n')).toEqual([
    'job       time        against  ratio                  target',
    'job/a  4.00 ms                        at most 3.50 ms MISSED',
    'job/b  12.0 ms  other 10.0 ms  1.20x    at most 1.5x reached',
    'job/b: a note',
  ])
})

test('the table: a target as a part of a reference', () => {
  const made = formatTable([
    { id: 'vq/a', ops: 30e6, rounds: [], leastOf: { reference: 'no-iommu', ratio: 0.5 } },
    { id: 'no-iommu/vq/a', ops: 50e6, rounds: [] },
  ])
  expect(made).toContain('0.60x  0.50x reached')
})
