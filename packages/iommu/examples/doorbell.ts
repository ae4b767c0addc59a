import { NO_PASID, type Translation } from '@dmascope/iommu'
import { SmmuV3Unit, smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import { GuestRam } from '@dmascope/memory'

const ram = new GuestRam([{ base: 0x4000_0000, size: 16 << 20 }])
const unit = new SmmuV3Unit({
  ...smmuv3OptionsFor('11.1'),
  ram,
  raiseInterrupt: (line) => console.log(`${line} pulses`),
})
const words = (address: number, ...values: readonly number[]): void => {
  for (const [index, value] of values.entries()) ram.write32(address + 4 * index, value)
}

// What a guest writes for stream 0x18: a stream table entry (stage 1), a context descriptor (ASID 1, 48 bits in, 44 out),
// and four levels of tables that map the page of an interrupt controller's doorbell at 0xfffff000.
words(0x4010_0000 + 0x18 * 64, 0x4020_0000 | 0xb)
words(0x4020_0000, 0xc000_3510, 0x0001_e204, 0x4030_0000)
words(0x4030_0000, 0x4030_1003)
words(0x4030_1000 + 3 * 8, 0x4030_2003)
words(0x4030_2000 + 511 * 8, 0x4030_3003)
words(0x4030_3000 + 511 * 8, 0x0809_0f4b)

// STRTAB_BASE and its configuration, EVENTQ_BASE, the interrupt, CR2.RECINVSID; CR0: SMMUEN, EVENTQEN.
unit.write(0x80, 4, 0x4010_0000)
unit.write(0x88, 4, 8)
unit.write(0xa0, 4, 0x4040_0000 | 4)
unit.write(0x50, 4, 4)
unit.write(0x2c, 4, 2)
unit.write(0x20, 4, 5)

const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
const message = (requester: number, address: number): string => {
  const event = unit.translate(requester, NO_PASID, 'untranslated', 0, address, 2, out)
  return event === 0 ? `reaches 0x${out.lo.toString(16)}` : (unit.faultsSeen.at(-1)?.text ?? '')
}
console.log('00:03.0, where it is mapped:   ', message(0x18, 0xffff_f040))
console.log('00:03.0, at its own address:   ', message(0x18, 0x0809_0040))
console.log('00:04.0, whom nobody attached: ', message(0x20, 0xffff_f040))
const record = [4, 0, 12, 8, 20, 16].map((at) =>
  ram
    .read32(0x4040_0000 + at)
    .toString(16)
    .padStart(8, '0'),
)
console.log(`first event: ${record[0]}${record[1]} ${record[2]}${record[3]} ${record[4]}${record[5]}`)
