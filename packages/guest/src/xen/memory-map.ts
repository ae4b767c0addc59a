import { E820_ENTRY, E820_MAX_ENTRIES, E820_TYPE } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import { HYPERVISOR, XEN_MEMORY_MAP, XENMEM } from '@dmascope/xen/spec'
import type { MemoryMapEntry } from '../early/boot-params.ts'
import { FIRST_LIST, setPointer, type XenCalls } from './xen-calls.ts'

/**
 * The machine's memory map, as the first domain asks Xen for it: where devices and tables are. Of RAM the domain has its
 * own, from 0 on, wherever the machine has it there (Linux's `xen_memory_setup`).
 *
 * DEVIATION: pages whose place the machine's map takes for something else are lost; Linux moves them to the end.
 *
 * @returns the error, where Xen has none
 */
export function readMemoryMap(bus: CpuBus, calls: XenCalls, bytes: number): MemoryMapEntry[] | number {
  const asked = new DataView(new ArrayBuffer(XEN_MEMORY_MAP.size))
  const { nr_entries, buffer } = XEN_MEMORY_MAP.fields
  nr_entries.set(asked, 0, E820_MAX_ENTRIES)
  setPointer(buffer, asked, FIRST_LIST)
  const code = calls.call(HYPERVISOR.memory_op, XENMEM.machine_memory_map, asked)
  if (code !== 0) return code
  const count = Math.min(nr_entries.get(asked, 0), E820_MAX_ENTRIES)
  const entries = new DataView(new ArrayBuffer(count * E820_ENTRY.size))
  bus.readBytes(FIRST_LIST, new Uint8Array(entries.buffer))
  const map: MemoryMapEntry[] = []
  for (let at = 0; at < entries.byteLength; at += E820_ENTRY.size) {
    const { addr, size, type } = E820_ENTRY.fields
    if (addr.hi.get(entries, at) >= 0x10_0000 || size.hi.get(entries, at) >= 0x10_0000) continue
    const base = addr.number.get(entries, at)
    const isRam = type.get(entries, at) === E820_TYPE.ram
    const length = isRam ? Math.min(size.number.get(entries, at), bytes - base) : size.number.get(entries, at)
    if (length > 0) map.push({ base, length, type: type.get(entries, at) })
  }
  return map
}
