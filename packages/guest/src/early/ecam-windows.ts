import { parseMcfg } from '@dmascope/acpi'
import type { EcamWindow } from '../pci/config-access.ts'
import { type AcpiTables, tryParse } from './acpi-tables.ts'
import type { MemoryMapEntry } from './boot-params.ts'
import { isReserved } from './memory-map.ts'

const BUS_BYTES = 0x10_0000
const LEAST_BYTES = 16 * BUS_BYTES

/** By segment and first bus, as Linux keeps them: of windows that overlap, the one that begins first has a bus. */
export const byBus = (a: EcamWindow, b: EcamWindow): number => a.segment - b.segment || a.startBus - b.startBus

/**
 * ECAM windows of an MCFG that a kernel for PCs believes: those whose memory firmware has reserved too, since a window
 * that RAM or a device answers in would be worse than none. One that is reserved in part is cut in half until the rest
 * is. Where one is not reserved at all, none is used (`pci_mmcfg_reject_broken`).
 */
export function readEcam(
  tables: AcpiTables,
  map: readonly MemoryMapEntry[],
  log: (line: string) => void,
): EcamWindow[] {
  const found = tables.find('MCFG')
  const mcfg = found && tryParse(() => parseMcfg(found.bytes, { address: found.address }), log)
  const windows: EcamWindow[] = []
  // Of two that begin with the same bus, Linux comes upon the later one first.
  for (const allocation of (mcfg?.allocations ?? []).toReversed()) {
    const { baseAddress, pciSegmentGroupNumber: segment, startBusNumber: startBus } = allocation
    const base = Number(baseAddress)
    if (base === 0 || base > 2 ** 52 || allocation.endBusNumber < startBus) continue
    const start = base + startBus * BUS_BYTES
    const asked = (allocation.endBusNumber - startBus + 1) * BUS_BYTES
    const size = reservedPart(map, start, asked)
    const range = `[mem 0x${start.toString(16)}-0x${(start + asked - 1).toString(16)}]`
    if (size === 0) {
      log(`PCI: not using ECAM: ${range} is not reserved in the memory map`)
      return []
    }
    const endBus = startBus + size / BUS_BYTES - 1
    log(`PCI: ECAM ${range} for domain ${segment.toString(16).padStart(4, '0')} [bus ${startBus}-${endBus}]`)
    windows.push({ base, segment, startBus, endBus })
  }
  return windows.sort(byBus)
}

/** Linux's `is_mmconf_reserved`: bytes from the start on, 0 for none. */
function reservedPart(map: readonly MemoryMapEntry[], start: number, asked: number): number {
  let size = asked
  while (!isReserved(map, start, start + size)) {
    size = Math.floor(size / 2 / BUS_BYTES) * BUS_BYTES
    if (size < LEAST_BYTES) return 0
  }
  return size
}
