import { NO_PASID, type Translation } from '@dmascope/iommu'
import { createPeDmaWindow, TceCalls, TceUnit } from '@dmascope/iommu/tce'
import { HCALL } from '@dmascope/iommu/tce/spec'
import { GuestRam } from '@dmascope/memory'

const ram = new GuestRam([{ base: 0, size: 64 << 20 }])
const unit = new TceUnit({ onFault: ({ access, text }) => console.log(`fault: ${access}: ${text}`) })
const hypervisor = new TceCalls({ ram })
hypervisor.add(unit)

// What Linux does for a device with a 64-bit mask: a second window, with pages of 16 MiB (2^24) for 64 MiB (2^26).
const results = new Uint32Array(4)
createPeDmaWindow(unit, Uint32Array.of(0x1000, 0x0800_0000, 0x2000_0000, 24, 26), results)
const [status, liobn, baseHi, baseLo] = results
console.log(`status ${status}: LIOBN ${liobn!.toString(16)} at ${baseHi!.toString(16)}:${baseLo!.toString(16)}`)

// All memory, by a list of big-endian entries. Arguments are 64-bit (lo, hi) pairs.
const list = new DataView(new ArrayBuffer(4 * 8))
for (let page = 0; page < 4; page++) list.setUint32(page * 8 + 4, (page << 24) | 3)
ram.writeBytes(0x1000, new Uint8Array(list.buffer))
const put = Uint32Array.of(liobn!, 0, baseLo!, baseHi!, 0x1000, 0, 4, 0)
console.log('H_PUT_TCE_INDIRECT:', hypervisor.call(HCALL.H_PUT_TCE_INDIRECT, put, new Uint32Array(2)))

const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
const read = (hi: number, lo: number): void => {
  if (unit.translate(0x10, NO_PASID, 'untranslated', hi, lo, 1, out) !== 0) return
  console.log(`${hi.toString(16)}:${lo.toString(16)} leads to 0x${out.lo.toString(16)}`)
}
read(baseHi!, 0x3ff_ffff)
read(baseHi!, 0x400_0000)
read(0, 0x1000)
