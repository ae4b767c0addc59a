// One bundle of the packages' sources, so that a boot costs little more than starting Node. It is CommonJS: Node takes
// tens of milliseconds less to load that than modules, and V8's compiled code can be kept beside it (bin/dmascope.js).
// It is in parts, so that what only other commands need is neither compiled nor run before they do.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const { version } = JSON.parse(readFileSync(`${here}package.json`, 'utf8'))

/** Commander loads this for commands in files of their own. There are none, and it would cost every start a few ms. */
const withoutChildProcess = {
  name: 'without node:child_process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, () => ({ path: 'child_process', namespace: 'left-out' }))
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {}' }))
  },
}

const { outputFiles, metafile } = await build({
  absWorkingDir: here,
  entryPoints: { main: 'src/main.ts' },
  outdir: 'dist',
  write: false,
  bundle: true,
  splitting: true,
  minify: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  conditions: ['@dmascope/source'],
  define: { DMASCOPE_VERSION: JSON.stringify(version) },
  plugins: [withoutChildProcess],
  metafile: true,
  logLevel: 'warning',
})

/** A boot of a preset loads these parts; the others are in a file of their own, which it does not read. */
const outputs = Object.entries(metafile.outputs)
const needed = new Set()
function need(path) {
  if (needed.has(path)) return
  needed.add(path)
  for (const { path: next, kind, external } of metafile.outputs[path].imports) {
    if (kind === 'import-statement' && !external) need(next)
  }
}
for (const [path, { entryPoint }] of outputs) {
  if (entryPoint === 'src/main.ts' || entryPoint === 'src/commands/boot.ts') need(path)
}

const parts = await Promise.all(
  outputFiles.map(async ({ path, text }) => {
    const { code } = await transform(text, {
      format: 'cjs',
      platform: 'node',
      minify: true,
      // Node reads it as Latin-1.
      charset: 'ascii',
      target: 'node20.19',
      // Turned into calls of the `require` below.
      supported: { 'dynamic-import': false },
    })
    const name = basename(path)
    return {
      rest: !needed.has(`dist/${name}`),
      text: `${JSON.stringify(`./${name}`)}(module, exports, require) {${code}}`,
    }
  }),
)
const textOf = (rest) => parts.flatMap((part) => (part.rest === rest ? [part.text] : [])).join(',\n')

// Elsewhere where a folder is named: a test bundles beside a copy of bin/.
const dist = process.argv[2] ?? `${here}dist`
// V8 tells a stale cache by the source's length alone: none may outlive its bundle.
rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)
writeFileSync(`${dist}/rest.cjs`, `'use strict'\nmodule.exports = {\n${textOf(true)}\n}\n`)
writeFileSync(
  `${dist}/main.cjs`,
  `'use strict'
const parts = {
${textOf(false)}
}
const loaded = new Map()
function part(name) {
  if (!name.startsWith('./')) return require(name)
  const make = parts[name] ?? require('../dist/rest.cjs')[name]
  let module = loaded.get(name)
  if (module === undefined) {
    module = { exports: {} }
    loaded.set(name, module)
    make(module, module.exports, part)
  }
  return module.exports
}
Object.assign(exports, part('./main.js'))
`,
)
// The first boot leaves the compiled code behind.
const first = spawnSync(process.execPath, [`${dist}/../bin/dmascope.js`, 'boot'], {
  stdio: ['ignore', 'ignore', 'inherit'],
})
process.exitCode = first.status ?? 1
