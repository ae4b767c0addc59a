import { findCoherency, findIommu, findMsi, parseDts, pathOf } from '@dmascope/devicetree'

// An Arm board whose SMMU translates for one PCI bus, but for its function 00:01.0.
const tree = parseDts(`/dts-v1/;
/ {
  its: msi-controller { #msi-cells = <1>; };
  smmu: iommu@9050000 { #iommu-cells = <1>; };

  pcie@10000000 {
    dma-coherent;
    msi-map = <0x0 &its 0x0 0x10000>;
    iommu-map = <0x0 &smmu 0x0 0x8>, <0x9 &smmu 0x9 0xfff7>;
  };
};`)

const bridge = tree.find('/pcie')!
for (const requesterId of [0x08, 0x10]) {
  const behind = findIommu(tree, bridge, requesterId).found.map(
    ({ iommu, args }) => `${pathOf(iommu)}, stream ${args[0]}`,
  )
  console.log(
    `00:0${requesterId >> 3}.0: ${behind[0] ?? 'no IOMMU'}; MSIs to ${findMsi(tree, bridge, requesterId)?.controller.name}`,
  )
}
console.log(`coherent: ${findCoherency(bridge).coherent}`)
