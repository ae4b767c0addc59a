import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { parseCell, runCell } from '../src/index.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of objects that are held once all that nobody holds has been collected. */
function held(): number {
  collect()
  return process.memoryUsage().heapUsed
}

test('a cell that has been booted leaves nothing behind', () => {
  const cells = [
    'linux-6.12/qemu/x86/none/virtio-blk',
    'linux-6.12/qemu/x86-vtd/on/virtio-net+platform',
    'always-dma-api/qemu-2.4/x86-vtd/on/virtio-blk',
    'linux-4.8/physical/x86-amdvi/on/e1000e',
    'linux-6.12/qemu/x86-virtio-iommu/on/nvme',
    'linux-6.12/qemu/x86-xen/none/virtio-blk',
    'linux-6.12/qemu/arm64-smmuv3/on/virtio-blk+platform',
    'linux-6.12/qemu/pseries/on/virtio-blk+platform',
  ].map(parseCell)
  const boot = (times: number): void => {
    for (let time = 0; time < times; time++) for (const cell of cells) runCell(cell)
  }
  // Code is compiled, and what is learnt of objects' shapes is kept, for some boots.
  boot(6)
  const before = held()
  boot(10)
  // A machine that somebody held would be hundreds of KiB.
  expect((held() - before) / (10 * cells.length)).toBeLessThan(64 * 1024)
})
