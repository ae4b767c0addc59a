import { PortTlb } from '@dmascope/iommu'
import { IodaUnit } from '@dmascope/iommu/ioda'
import { TVE } from '@dmascope/iommu/ioda/spec'
import { GuestRam } from '@dmascope/memory'

const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
const unit = new IodaUnit({
  ram,
  onFault: ({ endpoint, access, text }) => console.log(`PE ${endpoint}: ${access}: ${text}`),
})

// What Linux has OPAL do: 01:00.0 into endpoint 3, whose window 0 has one table of 64 KiB (2^16, 8192 entries) at 2 MiB,
// for pages of 4 KiB (2^12). Both sizes are written less 11.
const { TABLE_ADDR, TCE_TABLE_SIZE, IO_PSIZE } = TVE.fields
unit.assign(0x100, 3)
const size = IO_PSIZE.setLo(TCE_TABLE_SIZE.setLo(0, 16 - 11), 12 - 11)
unit.setTve(3, 0, 0, size | ((0x20_0000 >> 12) << TABLE_ADDR.low))
// The entry of page 5, big-endian: 8 MiB, for reading and writing.
ram.writeBytes(0x20_0000 + 5 * 8, Uint8Array.of(0, 0, 0, 0, 0, 0x80, 0, 3))

const port = new PortTlb(unit, 0x100)
const read = (iova: number): string =>
  port.lookup(0, iova, 1) === 0 ? `0x${iova.toString(16)} leads to 0x${port.lo.toString(16)}` : 'refused'
console.log(read(0x5040))
console.log(read(0x6040))
console.log(read(0x5040))
unit.thaw(3)
console.log(read(0x5040))
