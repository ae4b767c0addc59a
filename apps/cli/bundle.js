// One bundle, so that a boot costs little more than starting Node: the packages' sources, without what only other
// commands need, which is split off and loaded when they run.
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'))

await build({
  absWorkingDir: new URL('.', import.meta.url).pathname,
  entryPoints: { main: 'src/main.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  minify: true,
  keepNames: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  conditions: ['@dmascope/source'],
  define: { DMASCOPE_VERSION: JSON.stringify(version) },
  banner: {
    js: "import { createRequire as dmascopeRequire } from 'node:module'; const require = dmascopeRequire(import.meta.url);",
  },
  logLevel: 'warning',
})
