import { describe, expect, it } from 'vitest'
import { suitesToRun } from '../suites-to-run.js'

describe('the suites of a command line', () => {
  it('are all, each in a process of its own with the other arguments, where none is named', () => {
    const runs = suitesToRun(['--only', 'x', '--json'])
    expect(runs.length).toBeGreaterThan(10)
    expect(new Set(runs.map(([, suite]) => suite)).size).toBe(runs.length)
    for (const run of runs) expect([run[0], ...run.slice(2)]).toEqual(['--suite', '--only', 'x', '--json'])
  })

  it.each([
    [['--suite', 'matrix', '--json'], [['--suite', 'matrix', '--json']]],
    [['--json', '--suite=matrix'], [['--suite', 'matrix', '--json']]],
    [
      ['--suite', 'vq', '--rounds', '9', '--suite', 'port'],
      [
        ['--suite', 'vq', '--rounds', '9'],
        ['--suite', 'port', '--rounds', '9'],
      ],
    ],
    // What cannot be is for the process to refuse, which knows the names.
    [['--suite', 'nosuch'], [['--suite', 'nosuch']]],
  ])('%j names them, and each runs once', (argv, runs) => {
    expect(suitesToRun(argv)).toEqual(runs)
  })

  it('without a name is left for the process to refuse', () => {
    expect(suitesToRun(['--suite'])[0]?.at(-1)).toBe('--suite')
  })
})
