// The import rules of ARCHITECTURE.md, as dependency-cruiser checks them. A package imports from earlier rows only.
const ROWS = [
  'layout',
  'memory',
  'pci',
  'virtqueue',
  'virtio-pci',
  'virtio-mmio',
  'virtio-ccw',
  'virtio-devices',
  'iommu',
  'gic',
  'acpi',
  'devicetree',
  'dma',
  'xen',
  'machine',
  'firmware',
  'guest',
  'report',
  'qemu',
  'scenarios',
]

const sourceOf = (name) => `packages/${name}/src/`
const anyOf = (names) => (names.length === 1 ? names[0] : `(${names.join('|')})`)

/** A package's sources may reach its own folder and the packages of earlier rows. */
const rowRules = ROWS.map((name, row) => ({
  name: `rows: ${name} imports earlier rows only`,
  comment: `See the table of packages in ARCHITECTURE.md: ${name} stands in row ${row + 1}.`,
  severity: 'error',
  from: { path: `^${sourceOf(name)}` },
  to: { path: '^packages/', pathNot: `^packages/${anyOf(ROWS.slice(0, row + 1))}/` },
}))

/** What software that runs on the guest's CPU may know of hardware: what a driver's author has. */
const DRIVER_KNOWLEDGE = [
  '^packages/layout/src/',
  '^packages/memory/src/contracts/',
  '/src/spec/',
  '/src/[^/]+/spec/',
  '^packages/virtqueue/src/driver/',
  '^packages/acpi/src/',
  '^packages/devicetree/src/',
  '^packages/dma/src/',
]

const seamRule = (name) => ({
  name: `seam: ${name} learns of the machine through the CPU bus alone`,
  comment: `${name} imports specifications, contracts, parsers and driver halves; never a model of hardware.`,
  severity: 'error',
  from: { path: `^${sourceOf(name)}` },
  to: { path: '^packages/', pathNot: [...DRIVER_KNOWLEDGE, `^${sourceOf(name)}`] },
})

/** Folders behind entries that run in Node alone. Nothing outside them imports them. */
const NODE_ENTRIES = ['^packages/scenarios/src/workers/']

/** The machine must not know who runs on it, nor the report how a machine is built. */
export default {
  forbidden: [
    ...rowRules,
    seamRule('firmware'),
    seamRule('xen'),
    seamRule('guest'),
    {
      name: 'seam: the machine knows no guest',
      severity: 'error',
      from: { path: `^packages/${anyOf(ROWS.slice(0, ROWS.indexOf('firmware')))}/src/` },
      to: { path: `^packages/${anyOf(['firmware', 'guest', 'report'])}/` },
    },
    {
      name: 'seam: the report takes data, not machines',
      comment: 'The report reads what was observed; it imports types of the machine and the guest, nothing that runs.',
      severity: 'error',
      from: { path: `^${sourceOf('report')}` },
      to: {
        path: `^packages/${anyOf(['machine', 'guest', 'iommu', 'pci', 'virtio-pci', 'virtio-mmio', 'virtio-ccw'])}/`,
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'browser: node: modules are imported by apps and tooling only, and by entries that are for Node alone',
      comment: 'scenarios/workers boots cells in threads; nothing else of that package reaches it.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: NODE_ENTRIES },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'browser: no package reaches what is for Node alone',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: NODE_ENTRIES },
      to: { path: NODE_ENTRIES },
    },
    {
      name: 'cycles: none, between files or packages',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolve: every import leads somewhere',
      severity: 'error',
      from: { path: '^(packages|apps)/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'apps: nothing imports an app',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^apps/' },
    },
  ],
  options: {
    baseDir: new URL('../..', import.meta.url).pathname,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(/dist/|/test/|/bench/|/examples/|/node_modules/)' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@dmascope/source', 'import', 'types', 'node', 'default'],
      extensions: ['.ts', '.js'],
    },
  },
}
