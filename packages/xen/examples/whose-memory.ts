import { BOOT_FLAG, BOOT_HEADER_MAGIC, BOOT_PARAMS, BOOT_PARAMS_ADDRESS } from '@dmascope/acpi'
import { AddressSpace, type CpuBus, GuestRam } from '@dmascope/memory'
import { startXen } from '@dmascope/xen'

// A machine of 256 MiB whose firmware has told of its memory: one range of RAM.
const ram = new GuestRam([{ base: 0, size: 256 << 20 }])
const space = new AddressSpace(ram)
const bus: CpuBus = {
  read8: (address) => space.read(address, 1),
  read16: (address) => space.read(address, 2),
  read32: (address) => space.read(address, 4),
  write8: (address, value) => space.write(address, 1, value),
  write16: (address, value) => space.write(address, 2, value),
  write32: (address, value) => space.write(address, 4, value),
  readBytes: (address, into) => space.readBytes(address, into),
  writeBytes: (address, from) => space.writeBytes(address, from),
  nextInterrupt: () => -1,
  idle: () => true,
}
const { boot_flag, header, e820_entries, e820_table } = BOOT_PARAMS.fields
const page = new DataView(new ArrayBuffer(BOOT_PARAMS.size))
boot_flag.set(page, 0, BOOT_FLAG)
header.set(page, 0, BOOT_HEADER_MAGIC)
e820_entries.set(page, 0, 1)
e820_table.at(0).fields.size.number.set(page, 0, 256 << 20)
e820_table.at(0).fields.type.set(page, 0, 1)
bus.writeBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(page.buffer))

const xen = startXen(bus, { memory: 128 << 20 })
if (typeof xen === 'string') throw new Error(xen)

// A page of the domain's, by its own number, and where the machine has it: from the list that start_info tells of.
const address = 0x7d0_0000
const frame = xen.bus.read32(0x200_0000 + (address / 4096) * 8)
xen.bus.write32(address, 0x1234)
console.log(`the domain wrote to 0x${address.toString(16)}: ${bus.read32(frame * 4096) === 0x1234 ? 'found' : 'lost'}`)
console.log(`the machine has it at 0x${(frame * 4096).toString(16)}, memory of ${xen.foreign.ownerOf(frame * 4096)}`)
console.log(`a device that takes 0x${address.toString(16)} for its own reaches ${xen.foreign.ownerOf(address)}`)
ram.dispose()
