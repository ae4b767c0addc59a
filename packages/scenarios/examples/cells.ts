import { parseCell, runCell } from '@dmascope/scenarios'

for (const key of [
  'linux-4.4/qemu-2.4/x86-vtd/on/virtio-blk',
  'always-dma-api/qemu-2.4/x86-vtd/on/virtio-blk',
  'linux-4.4/physical/x86-vtd/on/virtio-blk',
  'linux-6.12/physical/x86-vtd/on/virtio-blk',
  'linux-6.12/qemu-2.4/arm64-smmuv3/on/virtio-blk',
]) {
  const { verdict, status, impossible } = runCell(parseCell(key))
  console.log(`${key}: ${impossible ?? `${verdict}, ${status}`}`)
}
