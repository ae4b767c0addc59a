import { PortTlb } from '@dmascope/iommu'
import { VtdUnit } from '@dmascope/iommu/vtd'
import { GuestRam } from '@dmascope/memory'

// Three levels of tables for 00:03.0: the IOVA 0x1000 leads to 0x80_0000.
const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
ram.write32(0x1000, 0x2000 | 1)
ram.write32(0x2000 + 0x18 * 16, 0x3000 | 1)
ram.write32(0x2000 + 0x18 * 16 + 8, 1 | (1 << 8))
for (const table of [0x3000, 0x4000]) ram.write32(table, (table + 0x1000) | 3)
ram.write32(0x5000 + 1 * 8, 0x80_0000 | 3)

const unit = new VtdUnit({ ram, raiseMsi() {} })
unit.write(0x20, 4, 0x1000)
unit.write(0x18, 4, 0x4000_0000)
unit.write(0x18, 4, 0x8000_0000)

// What a device's DMA port does for every access.
const port = new PortTlb(unit, 0x18)
const read = (): string =>
  port.lookup(0, 0x1040, 1) === 0 ? `0x${port.lo.toString(16)}, ${port.span} bytes to go` : 'fault'

console.log('mapped:     ', read())
ram.write32(0x5000 + 1 * 8, 0)
console.log('unmapped:   ', read(), '(nobody told the IOMMU)')
unit.write(0xf0, 4, 0x1000)
unit.write(0xf8, 4, 0)
unit.write(0xfc, 4, 0xb000_0001)
console.log('invalidated:', read())
