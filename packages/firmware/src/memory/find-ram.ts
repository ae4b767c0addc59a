import { E820_ENTRY, E820_TYPE } from '@dmascope/acpi'
import type { FwCfg } from '../fw-cfg.ts'
import type { PciConfig } from '../pci/config-access.ts'
import { CHIPSET_DEVICE } from '../spec/chipset.ts'
import { FW_CFG_KEY, FW_CFG_NAME } from '../spec/fw-cfg.ts'
import type { MemoryMap } from './e820.ts'

const FOUR_GIB = 0x1_0000_0000

/** Where RAM below 4 GiB ends at most, and where it ends once it would reach further: QEMU's q35 and pc. */
const SPLIT: Readonly<Record<number, { readonly whole: number; readonly split: number }>> = {
  [CHIPSET_DEVICE.Q35_MCH]: { whole: 0xb000_0000, split: 0x8000_0000 },
  [CHIPSET_DEVICE.I440FX]: { whole: 0xe000_0000, split: 0xc000_0000 },
}

/** A map as QEMU writes it, entries of 20 bytes; what is no range below 2^53 is passed over. */
export function readMap(bytes: Uint8Array, map: Pick<MemoryMap, 'add'>): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const { addr, size, type } = E820_ENTRY.fields
  for (let base = 0; base + E820_ENTRY.size <= bytes.length; base += E820_ENTRY.size) {
    if (addr.hi.get(view, base) >= 0x10_0000 || size.hi.get(view, base) >= 0x10_0000) continue
    map.add(addr.number.get(view, base), size.number.get(view, base), type.get(view, base))
  }
}

/** Puts the machine's RAM on the map: from fw_cfg's own map, else from its size, split at 4 GiB as the chipset does. */
export function findRam(
  fwCfg: FwCfg | null,
  map: MemoryMap,
  config: PciConfig | null,
  say: (line: string) => void,
): void {
  const file = fwCfg?.file(FW_CFG_NAME.E820) ?? null
  if (file !== null) readMap(file, map)
  if (map.ram().lowEnd > 0 || fwCfg === null) return
  const bytes = fwCfg.item(FW_CFG_KEY.RAM_SIZE, 8)
  const view = new DataView(bytes.buffer)
  const size = view.getUint32(0, true) + (view.getUint32(4, true) & 0xf_ffff) * FOUR_GIB
  const { whole, split } = SPLIT[config?.read16(0, 2) ?? 0] ?? { whole: 0xb000_0000, split: 0x8000_0000 }
  const low = size < whole ? size : split
  map.add(0, low, E820_TYPE.ram)
  map.add(FOUR_GIB, size - low, E820_TYPE.ram)
  say(`memory: no map in fw_cfg, 0x${size.toString(16)} bytes split as QEMU does`)
}
