/** Every suite, in the order in which they run. */
const SUITES = [
  'vq',
  'v86',
  'port',
  'iommu',
  'iommu-amdvi',
  'iommu-smmuv3',
  'iommu-virtio',
  'iommu-tce',
  'tree',
  'job',
  'scale',
  'matrix',
]

/** The arguments of each process to start, a suite each: the suites that the caller named, else all. */
export function suitesToRun(argv) {
  const named = []
  const rest = []
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]
    if (argument.startsWith('--suite=')) named.push(argument.slice('--suite='.length))
    else if (argument === '--suite' && at + 1 < argv.length) named.push(argv[++at])
    else rest.push(argument)
  }
  return (named.length > 0 ? named : SUITES).map((suite) => ['--suite', suite, ...rest])
}
