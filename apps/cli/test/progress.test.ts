import { describe, expect, it } from 'vitest'
import { progressLine } from '../src/output/progress.ts'

describe('the line that tells how far work is', () => {
  it.each<readonly [done: number, total: number, seconds: number, line: string]>([
    [0, 60, 5, 'matrix [                              ] 0/60'],
    [10, 60, 0.5, 'matrix [#####                         ] 10/60'],
    [30, 60, 20, 'matrix [###############               ] 30/60, 1.5 a second, 20 s left'],
    [1000, 100_000, 1, 'matrix [                              ] 1000/100000, 1000 a second, 2 min left'],
    [1, 10_000, 1, 'matrix [                              ] 1/10000, 1.0 a second, 2 h 47 min left'],
    [60, 60, 3, 'matrix [##############################] 60/60, 20 a second, 0 s left'],
  ])('after %i of %i steps and %d seconds', (done, total, seconds, line) => {
    expect(progressLine('matrix', done, total, seconds)).toBe(line)
  })

  it('of nothing is no division by nothing', () => {
    expect(progressLine('matrix', 0, 0, 9)).toBe('matrix [                              ] 0/0')
  })
})
