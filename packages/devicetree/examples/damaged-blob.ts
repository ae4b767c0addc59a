import { buildDtb, DeviceTree, node, parseDtb, parseDts } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'

const blob = buildDtb(new DeviceTree(node('', { model: 'a board' })))
blob[0x43] = 0x07 // where FDT_PROP stands: no token has this number

for (const read of [
  () => parseDtb(blob, { source: 'board.dtb' }),
  () => parseDts('/dts-v1/;\n/ { reg = <08>; };', { source: 'board.dts' }),
  () => parseDts('/dts-v1/;\n/ { iommus = <&smmu 1>; };', { source: 'board.dts' }),
]) {
  try {
    read()
  } catch (error) {
    if (error instanceof DmascopeError) console.log(`${error.code} ${error.message}`)
  }
}
