import { NO_PASID, type Translation } from '@dmascope/iommu'
import { AmdViUnit, amdviOptionsFor } from '@dmascope/iommu/amdvi'
import { GuestRam } from '@dmascope/memory'

// What a guest writes: the device table's entry of 00:03.0 (V, TV, domain 1, four levels that skip to the last), and one
// page: the IOVA 0x1000 leads to 0x80_0000. The upper words hold IR and IW.
const program = (dmaRemap: 'on' | 'off'): AmdViUnit => {
  const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
  const entry = (address: number, low: number, high = 0): void => {
    ram.write32(address, low)
    ram.write32(address + 4, high)
  }
  entry(0x10_0000 + 0x18 * 32, 0x3000 | (4 << 9) | 3, 0x6000_0000)
  entry(0x10_0000 + 0x18 * 32 + 8, 1)
  entry(0x3000, 0x4000 | (1 << 9) | 1, 0x6000_0000)
  entry(0x4000 + 1 * 8, 0x80_0001, 0x6000_0000)

  const unit = new AmdViUnit({ ...amdviOptionsFor('11.1', { 'dma-remap': dmaRemap }), ram, raiseMsi() {} })
  unit.write(0x00, 4, 0x10_0000)
  unit.write(0x10, 4, 0x2000)
  // Control: IommuEn, EventLogEn.
  unit.write(0x18, 4, 0x5)
  return unit
}

const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
for (const dmaRemap of ['on', 'off'] as const) {
  const unit = program(dmaRemap)
  for (const iova of [0x1234, 0x2000]) {
    const fault = unit.translate(0x18, NO_PASID, 'untranslated', 0, iova, 1, out)
    const answer = fault === 0 ? `${out.route}, to 0x${out.lo.toString(16)}` : unit.faultsSeen.at(-1)?.text
    console.log(`dma-remap=${dmaRemap}: 0x${iova.toString(16)} ${answer}`)
  }
}
