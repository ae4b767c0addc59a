import { spawnSync } from 'node:child_process'

const COMPILER = 'dtc'

/** Whether the devicetree compiler is installed (Debian: device-tree-compiler). */
export const hasDtc = spawnSync(COMPILER, ['--version']).status === 0

export interface DtcRun {
  readonly output: Buffer
  /** What it complained of, without file names and positions. */
  readonly warnings: string[]
  readonly status: number | null
}

/** Runs `dtc` from one format to another. */
export function dtc(from: 'dtb' | 'dts', to: 'dtb' | 'dts', input: Uint8Array | string): DtcRun {
  const { stdout, stderr, status } = spawnSync(COMPILER, ['-I', from, '-O', to, '-'], { input, maxBuffer: 1 << 28 })
  const warnings = stderr
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^.*?((?:Warning|ERROR) )/, '$1'))
  return { output: stdout, warnings, status }
}
