import { BOOT_FLAG, BOOT_HEADER_MAGIC, BOOT_PARAMS, BOOT_PARAMS_ADDRESS, E820_TYPE } from '@dmascope/acpi'
import { bootGuest } from '@dmascope/guest'
import type { CpuBus } from '@dmascope/memory'
import { createFlatBus } from '@dmascope/virtqueue/driver'

// A machine of 4 MiB of memory and nothing else: no devices, no tables, and never an interrupt.
const bytes = new Uint8Array(4 * 1024 * 1024)
const memory = createFlatBus(bytes)
const bus: CpuBus = {
  read8: (address) => memory.read8(address),
  read16: (address) => memory.read16(address),
  read32: (address) => memory.read32(address),
  write8: (address, value) => memory.write8(address, value),
  write16: (address, value) => memory.write16(address, value),
  write32: (address, value) => memory.write32(address, value),
  readBytes: (address, into) => memory.readBytes(address, into),
  writeBytes: (address, from) => memory.writeBytes(address, from),
  nextInterrupt: () => -1,
  idle: () => true,
}

// What a boot loader leaves for the kernel: one range of memory, no command line.
const page = new DataView(bytes.buffer)
const { boot_flag, header, e820_entries, e820_table } = BOOT_PARAMS.fields
boot_flag.set(page, BOOT_PARAMS_ADDRESS, BOOT_FLAG)
header.set(page, BOOT_PARAMS_ADDRESS, BOOT_HEADER_MAGIC)
e820_entries.set(page, BOOT_PARAMS_ADDRESS, 1)
const range = e820_table.at(0).fields
range.addr.number.set(page, BOOT_PARAMS_ADDRESS, 0)
range.size.number.set(page, BOOT_PARAMS_ADDRESS, bytes.length)
range.type.set(page, BOOT_PARAMS_ADDRESS, E820_TYPE.ram)

const witness = { grant: () => 0, revoke() {}, phase() {} }
const result = bootGuest(bus, { profile: 'linux-6.12', witness, onEvent: (line) => console.log(line) })
console.log(`booted: ${result.booted}, ${result.devices.length} devices, ${result.iommus.length} IOMMUs`)
