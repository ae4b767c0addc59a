import { parseDts } from '@dmascope/devicetree'
import { expect, test } from 'vitest'
import { gicInterrupt } from '../src/arm64/gic-binding.ts'
import type { PlatformDevice } from '../src/platform/platform-device.ts'
import { readTreeDevices } from '../src/tree/tree-devices.ts'

const read = (nodes: string): PlatformDevice[] => {
  const tree = parseDts(`/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; ${nodes} };`)
  return readTreeDevices(tree, [...tree.nodes()], () => {}, gicInterrupt)
}
const transport = (name: string, more: string, interrupt = '0 16 1'): string =>
  `${name} { compatible = "virtio,mmio"; interrupts = <${interrupt}>; ${more} };`

test('a transport at the root, as QEMU tells of it', () => {
  const [one] = read(transport('virtio_mmio@a000000', 'reg = <0 0xa000000 0 0x200>; dma-coherent;'))
  expect(one).toEqual({
    id: 'a000000.virtio_mmio',
    compatible: ['virtio,mmio'],
    base: 0xa00_0000,
    size: 0x200,
    interrupt: { number: 48, trigger: 'edge' },
    coherent: true,
    source: '/virtio_mmio@a000000',
    iommu: 'the node has no iommus: no IOMMU is in front of the device',
    behind: null,
  })
})

test('below a bus that Linux looks into, its address is followed up and names the device', () => {
  const [one] = read(`soc { compatible = "simple-bus"; #address-cells = <1>; #size-cells = <1>;
    ranges = <0 0x1 0x40000000 0x10000000>; dma-coherent;
    ${transport('virtio_block@1e000', 'reg = <0x1e000 0x100>;', '0 42 4')} };`)
  expect(one).toMatchObject({
    id: '14001e000.virtio_block',
    base: 0x1_4001_e000,
    interrupt: { number: 74, trigger: 'level' },
    coherent: true,
  })
})

test.each([
  ['that is switched off', transport('v@0', 'reg = <0 0 0 0x200>; status = "disabled";')],
  [
    'below a node that is no bus',
    `x { #address-cells = <2>; #size-cells = <2>; ranges; ${transport('v@0', 'reg = <0 0 0 0x200>;')} };`,
  ],
  [
    'below a bus that is switched off',
    `b { compatible = "simple-bus"; status = "disabled"; #address-cells = <2>; #size-cells = <2>; ranges;
     ${transport('v@0', 'reg = <0 0 0 0x200>;')} };`,
  ],
  ['without registers', transport('v@0', '')],
  ['of another kind', 'v@0 { compatible = "arm,pl011"; reg = <0 0 0 0x200>; };'],
])('none is made of a node %s', (_, nodes) => {
  expect(read(nodes)).toEqual([])
})

test('an interrupt that is none of the GIC’s, and IOMMUs that the node names, are told', () => {
  const [one] = read(`smmu: iommu@9000000 { #iommu-cells = <1>; };
    ${transport('v@1000', 'reg = <0 0x1000 0 0x200>; iommus = <&smmu 5>;', '7 1 1')}`)
  expect(one?.interrupt).toBeNull()
  expect(one?.iommu).toBe("the node's iommus put the device behind /iommu@9000000, as 0x5")
  expect(one?.behind).toEqual({ iommu: '/iommu@9000000', ids: [5] })
})
