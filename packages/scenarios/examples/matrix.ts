import { cellsOf, formatMatrix, matrixDocument, readAxes, runMatrix } from '@dmascope/scenarios/matrix'

const axes = readAxes({
  guests: ['linux-4.4', 'linux-6.12', 'always-dma-api'],
  hypervisors: ['qemu', 'qemu-2.4', 'physical'],
  platforms: ['x86-vtd'],
  iommu: ['on', 'uncovered'],
  devices: ['virtio-blk'],
})
const results = [...runMatrix(cellsOf(axes))]
console.log(formatMatrix(matrixDocument(results, results.length, '')).trimEnd())
