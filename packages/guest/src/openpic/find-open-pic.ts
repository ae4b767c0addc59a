import { type DeviceTree, parseReg, translateAddress } from '@dmascope/devicetree'

/** The first OpenPIC of the tree that leads to no other; null without. */
export function findOpenPic(tree: DeviceTree): { readonly base: number; readonly bigEndian: boolean } | null {
  for (const node of tree.nodes()) {
    const isPic = node.string('device_type') === 'open-pic' || node.strings('compatible').includes('fsl,mpic')
    if (!isPic || node.parent === null) continue
    const register = parseReg(node)[0]
    if (register === undefined) continue
    const found = translateAddress(node.parent, register.address, 'ranges', register.upper)
    if (!found.ok || typeof found.address !== 'number') continue
    return { base: found.address, bigEndian: node.has('big-endian') }
  }
  return null
}
