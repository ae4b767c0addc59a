import { NO_PASID, type Translation } from '@dmascope/iommu'
import { VtdUnit, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { GuestRam } from '@dmascope/memory'

const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
const unit = new VtdUnit({
  ...vtdOptionsFor('11.1', { intremap: 'on' }),
  ram,
  raiseMsi: (_hi, lo, data) => console.log(`fault event: 0x${lo.toString(16)} <- 0x${data.toString(16)}`),
})
console.log(`CAP ${unit.read(0x0c, 4).toString(16)}_${unit.read(0x08, 4).toString(16)}`)

// What a guest writes: root entry of bus 0, context entry of 00:03.0 (domain 1, 48 bits), and four levels of tables
// that map the IOVA 0x1000 to 0x80_0000, for reading only.
const entry = (address: number, low: number, high = 0): void => {
  ram.write32(address, low)
  ram.write32(address + 4, high)
}
entry(0x1000, 0x2000 | 1)
entry(0x2000 + 0x18 * 16, 0x3000 | 1)
entry(0x2000 + 0x18 * 16 + 8, 2 | (1 << 8))
for (const table of [0x3000, 0x4000, 0x5000]) entry(table, (table + 0x1000) | 3)
entry(0x6000 + 1 * 8, 0x80_0000 | 1)

// RTADDR, GCMD.SRTP; the fault event's data, address and mask; GCMD.TE.
unit.write(0x20, 4, 0x1000)
unit.write(0x24, 4, 0)
unit.write(0x18, 4, 0x4000_0000)
unit.write(0x3c, 4, 0x21)
unit.write(0x40, 4, 0xfee0_0000)
unit.write(0x38, 4, 0)
unit.write(0x18, 4, 0x8000_0000)

const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
const dma = (requester: number, iova: number, access: 1 | 2): string => {
  const reason = unit.translate(requester, NO_PASID, 'untranslated', 0, iova, access, out)
  return reason === 0 ? `${out.route} to 0x${out.lo.toString(16)}` : `fault ${reason}: ${unit.faultsSeen.at(-1)?.text}`
}
console.log('00:03.0 reads', dma(0x18, 0x1234, 1))
console.log('00:03.0 writes', dma(0x18, 0x1234, 2))
console.log('00:04.0 reads', dma(0x20, 0x1234, 1))
