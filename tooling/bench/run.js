// Bundles the benchmarks from the packages' sources and runs them: `pnpm bench`, `pnpm bench --suite vq --json --only 'vq/direct'`.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { suitesToRun } from './suites-to-run.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const outfile = `${here}dist/main.js`
mkdirSync(`${here}dist`, { recursive: true })
await build({
  entryPoints: [`${here}src/main.ts`],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  conditions: ['@dmascope/source'],
  packages: 'bundle',
  external: ['v86', 'commander'],
  logLevel: 'warning',
})
for (const suite of suitesToRun(process.argv.slice(2))) {
  const { status } = spawnSync(process.execPath, [outfile, ...suite], { stdio: 'inherit' })
  process.exitCode = status ?? 1
  if (process.exitCode !== 0 || process.argv.includes('--help')) break
}
