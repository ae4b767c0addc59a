import { describe, expect, test } from 'vitest'
import { formatTable } from '../src/table.ts'
import { checkedCases } from '../src/vq-checked-floor.ts'
import { dmascopeCases, packedCases } from '../src/vq-dmascope.ts'
import { floorCases } from '../src/vq-floor.ts'

// Every case checks its own work and throws where it is wrong: here each is done often enough for its rings to wrap.
describe.each([
  ['ours', dmascopeCases()],
  ['ours, in packed rings', packedCases()],
  ['the floor', floorCases()],
  ['the floor with our checks', checkedCases()],
])('the virtqueue workload, %s', (_name, cases) => {
  test.each(cases.map((one) => [one.id, one] as const))('%s', (id, one) => {
    const run = one.prepare()
    const slots = /indirect/.test(id) ? 256 : Math.floor(256 / Number(id.match(/direct\/(\d)/)![1]))
    for (let batch = 0; batch < 5; batch++) expect(run()).toBe(slots)
  })
})

test('the table: a row per case, its references beside it, its target', () => {
  const made = formatTable([
    { id: 'vq/a', ops: 30e6, rounds: [], target: 25e6 },
    { id: 'vq/b', ops: 1500, rounds: [], target: 2000 },
    { id: 'floor/vq/a', ops: 60e6, rounds: [] },
  ])
  expect(made.split('\n')).toEqual([
    'case  ops per CPU-s   floor  ratio          target',
    'vq/a         30.0 M  60.0 M  0.50x  25.0 M reached',
    'vq/b          1.5 k                   2.0 k MISSED',
  ])
})
