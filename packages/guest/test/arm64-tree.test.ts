import { buildDtb, parseDts } from '@dmascope/devicetree'
import { describe, expect, test } from 'vitest'
import type { ArmPlatform } from '../src/arm64/arm-platform.ts'
import { readTreePlatform } from '../src/arm64/tree-platform.ts'
import { bootGuest } from '../src/boot.ts'
import { memoryNodes, readDeviceTree, reservedByTree, wholePages } from '../src/early/device-tree.ts'
import type { PciFunction } from '../src/pci/pci-function.ts'
import { SparseBus } from './support/sparse-bus.ts'

const board = (
  bridge: string,
  more = '',
  gic = 'compatible = "arm,gic-v3"; reg = <0 0x8000000 0 0x10000 0 0x80a0000 0 0xf60000>;',
) => `/dts-v1/;
/ {
  #address-cells = <2>;
  #size-cells = <2>;
  interrupt-parent = <&gic>;
  memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x10000000>; };
  ${more}
  gic: intc@8000000 {
    #interrupt-cells = <3>;
    interrupt-controller;
    #address-cells = <2>;
    #size-cells = <2>;
    ranges;
    ${gic}
    its: its@8080000 { compatible = "arm,gic-v3-its"; msi-controller; #msi-cells = <1>; reg = <0 0x8080000 0 0x20000>; };
    v2m: v2m@8020000 { compatible = "arm,gic-v2m-frame"; msi-controller; reg = <0 0x8020000 0 0x1000>; };
  };
  pcie@10000000 {
    compatible = "pci-host-ecam-generic";
    device_type = "pci";
    #address-cells = <3>;
    #size-cells = <2>;
    bus-range = <0 0xff>;
    reg = <0x40 0x10000000 0 0x10000000>;
    ranges = <0x1000000 0 0 0 0x3eff0000 0 0x10000>,
             <0x2000000 0 0x10000000 0 0x10000000 0 0x2eff0000>,
             <0x3000000 0x80 0 0x80 0 0x80 0>;
    #interrupt-cells = <1>;
    interrupt-map-mask = <0x1800 0 0 7>;
    interrupt-map = <0 0 0 1 &gic 0 0 0 3 4>, <0x800 0 0 1 &gic 0 0 0 4 4>;
    ${bridge}
  };
};`

const read = (text: string): ArmPlatform => {
  const platform = readTreePlatform(parseDts(text), () => {})
  if (typeof platform === 'string') throw new Error(platform)
  return platform
}
const at = (device: number): PciFunction =>
  ({ id: `0000:00:0${device}.0`, segment: 0, bus: 0, device, function: 0 }) as unknown as PciFunction

describe('the host bridge', () => {
  test('has configuration space, windows and ports', () => {
    expect(read(board('')).hostBridges).toEqual([
      {
        name: '/pcie@10000000',
        ecam: { base: 0x40_1000_0000, segment: 0, startBus: 0, endBus: 255 },
        rootBus: 0,
        windows: {
          ports: 0x1_0000,
          memory: { base: 0x1000_0000, size: 0x2eff_0000 },
          memory64: { base: 0x80_0000_0000, size: 0x80_0000_0000 },
        },
        portBase: 0x3eff_0000,
        renumber: true,
        coherency: { coherent: false, by: '/pcie@10000000' },
      },
    ])
  })

  test('is coherent where it, or a node above it, says so', () => {
    const coherency = (text: string) => read(board(text)).hostBridges.map((bridge) => bridge.coherency?.coherent)
    expect(coherency('dma-coherent;')).toEqual([true])
    expect(coherency('dma-coherent; dma-noncoherent;')).toEqual([true])
    expect(coherency('dma-noncoherent;')).toEqual([false])
  })

  test('leads pins where its interrupt-map says, by slot', () => {
    const platform = read(board(''))
    expect(platform.routePin(at(4), 1)).toMatchObject({ intid: 35 })
    expect(platform.routePin(at(5), 1)).toMatchObject({ intid: 36 })
    expect(platform.routePin(at(5), 2)).toMatch('INTB of 0000:00:05.0')
  })

  test('leads messages where its msi-map says, and nowhere without one', () => {
    expect(read(board('msi-map = <0 &its 0x1000 0x10000>;')).routeMessages(0, 0x10)).toMatchObject({
      controller: { kind: 'its', base: 0x0808_0000 },
      deviceId: 0x1010,
    })
    expect(read(board('msi-map = <0 &v2m 0 0x10000>;')).routeMessages(0, 0x10)).toMatchObject({
      controller: { kind: 'gicv2m', base: 0x0802_0000 },
    })
    expect(read(board('')).routeMessages(0, 0x10)).toBeNull()
    expect(read(board('msi-map = <0 &its 0 8>;')).routeMessages(0, 0x10)).toBeNull()
  })
})

describe('IOMMUs', () => {
  const SMMU = `smmu: smmuv3@9050000 {
    compatible = "arm,smmu-v3"; reg = <0 0x9050000 0 0x20000>; #iommu-cells = <1>; dma-coherent;
    interrupts = <0 74 1>, <0 75 1>, <0 76 1>, <0 77 1>;
    interrupt-names = "eventq", "priq", "cmdq-sync", "gerror";
  };`

  test('an SMMUv3 has the streams that iommu-map says, and tells of faults by its wires', () => {
    const { iommu, faultInterrupts } = read(board('iommu-map = <0 &smmu 0 8>, <9 &smmu 0x109 0xfff7>;', SMMU))
    expect(faultInterrupts).toEqual([
      { intid: 106, trigger: 'edge' },
      { intid: 109, trigger: 'edge' },
    ])
    expect(iommu.smmu?.smmus).toEqual([
      { name: '9050000.smmuv3', base: 0x0905_0000, coherent: true, source: '/smmuv3@9050000' },
    ])
    expect(iommu.smmu?.streamOf(0, 0x10)).toMatchObject({
      stream: 0x110,
      by: 'iommu-map of /pcie@10000000, stream 0x110',
    })
    expect(iommu.smmu?.streamOf(0, 8)).toBeNull()
    expect(iommu.smmu?.streamOf(1, 0x10)).toBeNull()
  })

  test('a virtio-iommu is the function that its node names, and leaves itself out', () => {
    const bridge = `iommu-map = <0 &viommu 0 8>, <9 &viommu 9 0xfff7>;
      viommu: virtio_iommu@1,0 { compatible = "virtio,pci-iommu"; reg = <0x800 0 0 0 0>; #iommu-cells = <1>; };`
    const { iommu } = read(board(bridge))
    const itself = at(1)
    const topology = iommu.requests?.read([at(0), itself])
    expect(topology?.iommus.map((one) => one.function)).toEqual([itself])
    expect(topology?.find(0, 0x10)).toMatchObject({ iommu: itself, endpoint: 0x10 })
    expect(topology?.find(0, 8)).toBeNull()
  })

  test('there is none without a node', () => {
    expect(read(board('')).iommu).toEqual({})
  })
})

test('a tree without a GIC stops the kernel', () => {
  expect(readTreePlatform(parseDts('/dts-v1/; / { };'), () => {})).toBe('no GIC in the device tree')
})

describe('the tree in memory', () => {
  test('is read from where x0 points, and nothing else is believed to be one', () => {
    const bus = new SparseBus().addMemory(0x5000_0000, 0x1000)
    bus.put(0x4800_0000, buildDtb(parseDts(board(''))))
    const tree = readDeviceTree(bus, 0x4800_0000, 0x20_0000)
    expect(typeof tree).toBe('object')
    expect(readDeviceTree(bus, 0x4000_0000, 0x20_0000)).toMatch('device tree at 0x40000000')
    bus.write32(0x5000_0004, 0xffff_ffff)
    expect(readDeviceTree(bus, 0x5000_0000, 0x20_0000)).toBe('no device tree at 0x50000000')
  })

  test('leaves RAM without what it reserves, in whole pages', () => {
    const text = board(
      '',
      'reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges; keep@41000800 { reg = <0 0x41000800 0 0x1000>; }; };',
    )
    const tree = parseDts(text.replace('/dts-v1/;', '/dts-v1/; /memreserve/ 0x42000000 0x1000;'))
    expect(memoryNodes(tree)).toEqual([{ start: 0x4000_0000, end: 0x5000_0000 }])
    expect(wholePages(memoryNodes(tree), reservedByTree(tree, 0x4800_0000))).toEqual([
      { start: 0x4000_0000, end: 0x4100_0000 },
      { start: 0x4100_2000, end: 0x4200_0000 },
      { start: 0x4200_1000, end: 0x5000_0000 },
    ])
  })
})

describe('a machine that answers nothing, or nonsense', () => {
  const SMMU = `smmu: smmuv3@9050000 {
    compatible = "arm,smmu-v3"; reg = <0 0x9050000 0 0x20000>; #iommu-cells = <1>; dma-coherent;
    interrupts = <0 74 1>, <0 77 1>; interrupt-names = "eventq", "gerror";
  };`
  const bridge = 'iommu-map = <0 &smmu 0 0x10000>; msi-map = <0 &its 0 0x10000>;'
  const V2 = 'compatible = "arm,cortex-a15-gic"; reg = <0 0x8000000 0 0x10000 0 0x8010000 0 0x10000>;'

  test.each([
    ['all ones, GICv3', board(bridge, SMMU), () => undefined],
    ['all ones, GICv2', board(bridge, SMMU, V2), () => undefined],
    ['zeros, GICv3', board(bridge, SMMU), (address: number) => (address < 0x4000_0000 ? 0 : undefined)],
    ['zeros, GICv2', board(bridge, SMMU, V2), (address: number) => (address < 0x4000_0000 ? 0 : undefined)],
    [
      'the address itself, everywhere outside of RAM',
      board(bridge, SMMU),
      (address: number, width: number) =>
        address < 0x4000_0000 || address >= 0x5000_0000 ? (address >>> 0) % 2 ** (8 * width) : undefined,
    ],
  ])('%s: the kernel comes to an end', (_what, text, answer) => {
    const bus = new SparseBus().addMemory(0x4000_0000, 0x1000_0000)
    bus.put(0x4800_0000, buildDtb(parseDts(text)))
    bus.onRead = answer
    const witness = { grant: () => 0, revoke: () => {}, phase: () => {} }
    const result = bootGuest(bus, {
      profile: 'linux-6.12',
      architecture: 'aarch64',
      entry: { deviceTree: 0x4800_0000 },
      patience: 200,
      witness,
    })
    expect(result.timeline.length).toBeGreaterThan(1)
  })
})
