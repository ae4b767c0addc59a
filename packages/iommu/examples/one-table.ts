import { PortTlb } from '@dmascope/iommu'
import { Sun4uUnit } from '@dmascope/iommu/sun4u'
import { IOMMU_CONTROL, SUN4U_IOMMU_REGISTERS } from '@dmascope/iommu/sun4u/spec'
import { GuestRam } from '@dmascope/memory'

const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
const unit = new Sun4uUnit({ ram, onFault: ({ access, text }) => console.log(`${access}: ${text}`) })
const disk = new PortTlb(unit, 0x208)
const card = new PortTlb(unit, 0x210)
const read = (port: PortTlb, address: number): string =>
  port.lookup(0, address, 1) === 0 ? `0x${address.toString(16)} leads to 0x${port.lo.toString(16)}` : 'refused'

// Out of reset addresses pass.
console.log(read(disk, 0x5040))

// A table of 64 Ki entries at 2 MiB, of which that of the second page leads to 8 MiB; big-endian, as the registers are.
ram.writeBytes(0x20_0000 + 8, Uint8Array.of(0x80, 0, 0, 0, 0, 0x80, 0, 0x10))
const { IOMMU_TSBBASE, IOMMU_CONTROL: control } = SUN4U_IOMMU_REGISTERS.registers
unit.writeWord(IOMMU_TSBBASE.offset + 4, 0x20_0000)
const { ENAB, TSBSZ } = IOMMU_CONTROL.fields
unit.writeWord(control.offset + 4, ENAB.setLo(TSBSZ.setLo(0, 6), 1))

// It holds for every device, whoever asks.
console.log(read(disk, 0xc000_2040))
console.log(read(card, 0xc000_2040))
console.log(read(card, 0xc000_4040))
