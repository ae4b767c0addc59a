import { parseDts } from '@dmascope/devicetree'
import { lintTree } from '@dmascope/devicetree/lint'

const tree = parseDts(`/dts-v1/;
/ {
  smmu: iommu@9050000 { #iommu-cells = <1>; };
  pcie@10000000 { iommu-map = <0x0 &smmu 0x0 0x101>, <0x100 &smmu 0x100 0x100>; };
  nic@a000000 { iommus = <0x7 0x40>; };
};`)

for (const { rule, node, property, message } of lintTree(tree)) {
  console.log(`${rule.id} ${rule.level}, ${node} ${property}: ${message}`)
  console.log(`  ${rule.kernel}`)
}
