import { BOOT_FLAG, BOOT_HEADER_MAGIC, BOOT_PARAMS, BOOT_PARAMS_ADDRESS, E820_TYPE } from '@dmascope/acpi'
import { AddressSpace, type CpuBus, GuestRam, type PortBus } from '@dmascope/memory'
import { type StartedXen, startXen } from '../src/index.ts'
import { VIRT_BASE_HI, VIRT_BASE_LO } from '../src/spec/index.ts'

export const MIB = 0x10_0000
const MEMORY = 256 * MIB
/** Of the domain's memory: a place for arguments that nothing else uses. */
export const ARGUMENT = 8 * MIB

/** A PC of 256 MiB with interrupt controllers that keep what is written to them, and nothing on PCI. */
export interface XenMachine {
  readonly bus: CpuBus
  readonly xen: StartedXen
  /** Vectors that wait for the processor. */
  readonly vectors: number[]
  /** What was written to the local APIC's EOI register, in how many writes. */
  ends(): number
  /** The low word of an I/O APIC's redirection entry. */
  redirection(input: number): number
  /** A hypercall whose argument is this structure, which then is what it answers. */
  call(number: number, command: number, structure: DataView): number
  dispose(): void
}

export function xenMachine(options: { readonly memory?: number; readonly piece?: number } = {}): XenMachine {
  const ram = new GuestRam([{ base: 0, size: MEMORY }])
  const space = new AddressSpace(ram)
  const vectors: number[] = []
  const entries = new Uint32Array(64)
  let ends = 0
  let selected = 0
  space.add({
    name: 'local APIC',
    base: 0xfee0_0000,
    size: 0x1000,
    kind: 'mmio',
    handler: {
      read: () => 0,
      write(offset) {
        if (offset === 0xb0) ends++
      },
    },
  })
  space.add({
    name: 'IOAPIC',
    base: 0xfec0_0000,
    size: 0x1000,
    kind: 'mmio',
    handler: {
      read: (offset) => (offset === 0x10 && selected === 1 ? 0x0017_0020 : 0),
      write(offset, _width, value) {
        if (offset === 0) selected = value
        else if (offset === 0x10) entries[selected] = value
      },
    },
  })
  const ports: PortBus = {
    in8: () => 0xff,
    in16: () => 0xffff,
    in32: () => 0xffff_ffff,
    out8: () => {},
    out16: () => {},
    out32: () => {},
  }
  const bus: CpuBus = {
    read8: (address) => space.read(address, 1),
    read16: (address) => space.read(address, 2),
    read32: (address) => space.read(address, 4),
    write8: (address, value) => space.write(address, 1, value),
    write16: (address, value) => space.write(address, 2, value),
    write32: (address, value) => space.write(address, 4, value),
    readBytes: (address, into) => space.readBytes(address, into),
    writeBytes: (address, from) => space.writeBytes(address, from),
    ports,
    nextInterrupt: () => vectors.shift() ?? -1,
    idle: () => vectors.length === 0,
  }
  writeBoot(bus)
  const xen = startXen(bus, { memory: 100 * MIB, ...options })
  if (typeof xen === 'string') throw new Error(xen)
  const out = new Uint32Array(2)
  return {
    bus,
    xen,
    vectors,
    ends: () => ends,
    redirection: (input) => entries[0x10 + input * 2]!,
    call(number, command, structure) {
      const bytes = new Uint8Array(structure.buffer)
      xen.bus.writeBytes(ARGUMENT, bytes)
      const args = Uint32Array.of(command, 0, VIRT_BASE_LO + ARGUMENT, VIRT_BASE_HI)
      const code = xen.bus.hypercall!(number, args, out)
      xen.bus.readBytes(ARGUMENT, bytes)
      return code
    },
    dispose: () => ram.dispose(),
  }
}

function writeBoot(bus: CpuBus): void {
  const page = new DataView(new ArrayBuffer(BOOT_PARAMS.size))
  const { fields } = BOOT_PARAMS
  fields.boot_flag.set(page, 0, BOOT_FLAG)
  fields.header.set(page, 0, BOOT_HEADER_MAGIC)
  const map = [
    [0, 0x9_f000, E820_TYPE.ram],
    [MIB, MEMORY - 2 * MIB, E820_TYPE.ram],
    [MEMORY - MIB, MIB, E820_TYPE.acpi],
  ] as const
  fields.e820_entries.set(page, 0, map.length)
  for (const [index, [base, length, type]] of map.entries()) {
    const entry = fields.e820_table.at(index).fields
    entry.addr.number.set(page, 0, base)
    entry.size.number.set(page, 0, length)
    entry.type.set(page, 0, type)
  }
  fields.cmd_line_ptr.set(page, 0, 0x8_0000)
  bus.writeBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(page.buffer))
  bus.writeBytes(
    0x8_0000,
    Uint8Array.from('console=hvc0\0', (letter) => letter.charCodeAt(0)),
  )
}
