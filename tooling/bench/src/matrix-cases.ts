import { type Cell, cellKey, describeCell, runCell } from '@dmascope/scenarios'
import { cellsOf, readAxes } from '@dmascope/scenarios/matrix'
import type { BenchCase } from './runner.ts'

/** CPU milliseconds until the JIT has settled on so much code: some 15,000 cells. */
const WARM_UP_MS = 25_000

/** Cells of the default matrix of which there is a machine. */
const x86Cells = (): Cell[] =>
  [...cellsOf(readAxes({ platforms: ['x86', 'x86-vtd', 'x86-amdvi', 'x86-virtio-iommu'] }))].filter(
    (cell) => describeCell(cell).description !== null,
  )

/** Whole boots, in one thread: a machine built, its firmware and guest run, a device tested with 4 KiB, and judged. */
export const matrixCases = (): BenchCase[] => [
  {
    id: 'matrix/x86',
    target: 1000,
    prepare() {
      const cells = x86Cells()
      let next = 0
      const run = (): number => {
        const cell = cells[next++ % cells.length]
        if (cell === undefined) throw new Error('the matrix has no x86 cells')
        const { verdict, impossible } = runCell(cell)
        if (verdict === undefined) throw new Error(`${cellKey(cell)}: ${impossible}`)
        return 1
      }
      const { user, system } = process.cpuUsage()
      const end = (user + system) / 1000 + WARM_UP_MS
      for (;;) {
        for (let count = 0; count < 50; count++) run()
        const now = process.cpuUsage()
        if ((now.user + now.system) / 1000 >= end) return run
      }
    },
  },
]
