import { buildDtb, buildIdMap, DeviceTree, formatDts, identityMapExcept, node, parseDtb } from '@dmascope/devicetree'

const blob = buildDtb(
  new DeviceTree(node('', {}, [node('iommu@9050000', { '#iommu-cells': 1, phandle: 1 }), node('pcie@10000000')])),
)

// Put every function behind the IOMMU, but for the one at 00:01.0.
const tree = parseDtb(blob)
tree.find('/pcie')!.set('iommu-map', buildIdMap(identityMapExcept(1, [0x08])))
console.log(`${blob.length} bytes, then ${buildDtb(tree).length}`)
console.log(formatDts(tree))
