// One bundle of the packages' sources, so that a boot costs little more than starting Node. It is CommonJS: Node takes
// tens of milliseconds less to load that than modules, and V8's compiled code can be kept beside it (bin/dmascope.js).
// What only other commands need is in it too, but neither compiled nor run before they do.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const { version } = JSON.parse(readFileSync(`${here}package.json`, 'utf8'))

// V8 tells a stale cache by the source's length alone: none may outlive its bundle.
rmSync(`${here}dist`, { recursive: true, force: true })
await build({
  absWorkingDir: here,
  entryPoints: ['src/main.ts'],
  outfile: 'dist/main.cjs',
  bundle: true,
  minify: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  // Node reads it as Latin-1.
  charset: 'ascii',
  conditions: ['@dmascope/source'],
  define: { DMASCOPE_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
})
// The first boot leaves the compiled code behind.
const first = spawnSync(process.execPath, [`${here}bin/dmascope.js`, 'boot'], { stdio: ['ignore', 'ignore', 'inherit'] })
process.exitCode = first.status ?? 1
