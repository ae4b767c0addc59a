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

const packages = '../../packages'
/**
 * Modules of one kind of machine or IOMMU each, reached through one import apiece: a boot loads those that it comes to.
 * They export functions and classes alone, which are called, and nothing else.
 */
const kinds = [
  `${packages}/firmware/src/openbios/run-openbios.ts`,
  `${packages}/firmware/src/qboot/run-qboot.ts`,
  `${packages}/firmware/src/skiboot/run-skiboot.ts`,
  `${packages}/firmware/src/slof/run-slof.ts`,
  `${packages}/firmware/src/tboot/run-tboot.ts`,
  `${packages}/firmware/src/uefi/run-uefi.ts`,
  `${packages}/guest/src/architecture/arm64.ts`,
  `${packages}/guest/src/architecture/mips.ts`,
  `${packages}/guest/src/architecture/e500.ts`,
  `${packages}/guest/src/architecture/mac99.ts`,
  `${packages}/guest/src/architecture/ppc64.ts`,
  `${packages}/guest/src/architecture/s390x.ts`,
  `${packages}/guest/src/architecture/sparc64.ts`,
  `${packages}/guest/src/architecture/x86-xen.ts`,
  `${packages}/guest/src/assign/assign-devices.ts`,
  `${packages}/guest/src/drivers/sriov-numvfs.ts`,
  `${packages}/guest/src/iommu/amd/amd-subsystem.ts`,
  `${packages}/guest/src/iommu/arm-smmu-v3/smmu-subsystem.ts`,
  `${packages}/guest/src/iommu/virtio/request-subsystem.ts`,
  `${packages}/guest/src/virtio/channel-queues.ts`,
  `${packages}/guest/src/virtio/virtio-ccw.ts`,
  `${packages}/machine/src/build/create-bcm3384.ts`,
  `${packages}/machine/src/build/create-e500.ts`,
  `${packages}/machine/src/build/create-mac99.ts`,
  `${packages}/machine/src/build/create-microvm.ts`,
  `${packages}/machine/src/build/create-powernv.ts`,
  `${packages}/machine/src/build/create-pseries.ts`,
  `${packages}/machine/src/build/create-s390x.ts`,
  `${packages}/machine/src/build/create-sun4u.ts`,
  `${packages}/machine/src/build/create-virt.ts`,
  `${packages}/machine/src/coherency/read-ahead-cache.ts`,
  `${packages}/machine/src/iommu/amd/idle-amd-function.ts`,
  `${packages}/machine/src/iommu/amd/plan-amd.ts`,
  `${packages}/machine/src/iommu/virtio/plan-virtio-iommu.ts`,
  `${packages}/scenarios/src/boot/read-tables.ts`,
  `${packages}/scenarios/src/boot/start-domain.ts`,
].map((path) => ({ path: fileURLToPath(new URL(path, import.meta.url)), name: basename(path, '.ts') }))

const options = {
  absWorkingDir: here,
  write: false,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  metafile: true,
  logLevel: 'warning',
}

/** In place of such a module stands one that loads it at the first call. */
const loadedWhenCalled = {
  name: 'loaded when called',
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /\.ts$/ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (kind !== 'import-statement' || pluginData === 'resolved' || importer === '') return undefined
      const found = await resolve(path, { kind, importer, resolveDir, pluginData: 'resolved' })
      const one = kinds.find((each) => each.path === found.path)
      return one === undefined ? found : { path: one.path, namespace: 'when-called' }
    })
    onLoad({ filter: /.*/, namespace: 'when-called' }, async ({ path }) => {
      const { name } = kinds.find((each) => each.path === path)
      const { metafile } = await build({ ...options, entryPoints: [path], outdir: 'dist' })
      const [{ exports }] = Object.values(metafile.outputs)
      const constant = exports.find((one) => !/[a-z]/.test(one))
      if (constant !== undefined) throw new Error(`${name} exports ${constant}, which cannot be called`)
      const stub = (one) => `export function ${one}(...args) {
        const real = loadPart(${JSON.stringify(`./${name}.js`)}).${one}
        return new.target === undefined ? real(...args) : new real(...args)
      }`
      return { contents: exports.map(stub).join('\n') }
    })
  },
}

const { outputFiles, metafile } = await build({
  ...options,
  entryPoints: { main: 'src/main.ts', ...Object.fromEntries(kinds.map(({ name, path }) => [name, path])) },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  minify: true,
  conditions: ['@dmascope/source'],
  define: { DMASCOPE_VERSION: JSON.stringify(version) },
  plugins: [withoutChildProcess, loadedWhenCalled],
})

/** A boot of a preset loads these parts at once; each of the others is in a file of its own. */
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

/**
 * What a part exports as properties of a literal: esbuild makes getters behind getters of them, and every call from one
 * part to another would go through two. Nothing that is exported changes once its part has run.
 */
const values = (exports) =>
  `module.exports={__esModule:!0,${exports.map((one) => `${JSON.stringify(one)}:module.exports[${JSON.stringify(one)}]`)}};`

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
    const { exports } = metafile.outputs[`dist/${name}`]
    return {
      name,
      isNeeded: needed.has(`dist/${name}`),
      text: `(module, exports, require, loadPart) {${code}${values(exports)}}`,
    }
  }),
)

// Elsewhere where a folder is named: a test bundles beside a copy of bin/.
const dist = process.argv[2] ?? `${here}dist`
// V8 tells a stale cache by the source's length alone: none may outlive its bundle.
rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)
for (const { name, isNeeded, text } of parts) {
  if (!isNeeded)
    writeFileSync(`${dist}/${basename(name, '.js')}.cjs`, `'use strict'\nmodule.exports = function ${text}\n`)
}
const together = parts.flatMap(({ name, isNeeded, text }) => (isNeeded ? `${JSON.stringify(`./${name}`)}${text}` : []))
writeFileSync(
  `${dist}/main.cjs`,
  `'use strict'
const parts = {
${together.join(',\n')}
}
const loaded = new Map()
function part(name) {
  if (!name.startsWith('./')) return require(name)
  let module = loaded.get(name)
  if (module === undefined) {
    const make = parts[name] ?? require('../dist/' + name.slice(2, -3) + '.cjs')
    module = { exports: {} }
    loaded.set(name, module)
    make(module, module.exports, part, part)
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
