import { E820_TYPE } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import { writeBootParams } from '../boot/boot-params.ts'
import { kernelCommandLine } from '../boot/command-line.ts'
import { FwCfg } from '../fw-cfg.ts'
import { MemoryMap } from '../memory/e820.ts'
import { readMap } from '../memory/find-ram.ts'
import { Zone } from '../memory/zone.ts'
import type { FirmwareOptions, FirmwareResult } from '../run-firmware.ts'
import { FW_CFG_KEY, FW_CFG_NAME } from '../spec/fw-cfg.ts'
import { findRsdp, type LoadedFile, runTableLoader } from '../table-loader.ts'
import { writeMpTable } from './mp-table.ts'

const KIB = 0x400
const MIB = 0x10_0000
/** What it keeps below 1 MiB: the EBDA's place, memory for tables, and its own image. */
const EBDA = { base: 639 * KIB, length: KIB } as const
const TABLES = { base: 0xd_0000, length: 128 * KIB } as const
const IMAGE = { base: 0xf_0000, length: 64 * KIB } as const
/** Behind its code and data: the root pointer goes there, and nothing else does. */
const BEHIND_IMAGE = { floor: 0xf_34d0, top: 0xf_3500 } as const

const MOST_CPUS = 0xff

/**
 * What qboot does before it starts a kernel: it reads the memory map, loads tables, writes one of its
 * own for kernels that do without ACPI, and leaves PCI as it is. It knows
 * no disk. Like `runFirmware`, it learns of the machine through the bus alone, and never throws for what that does.
 */
export function runQboot(bus: CpuBus, options: Pick<FirmwareOptions, 'commandLine'> = {}): FirmwareResult {
  const log: string[] = []
  const say = (line: string): void => void log.push(line)
  const fwCfg = FwCfg.find(bus)
  const machineMap = fwCfg?.file(FW_CFG_NAME.E820) ?? null
  const map = new MemoryMap()
  let tables: ReadonlyMap<string, LoadedFile> = new Map()
  if (fwCfg !== null) {
    const high = new Zone(TABLES.base, TABLES.base + TABLES.length)
    const fseg = new Zone(BEHIND_IMAGE.floor, BEHIND_IMAGE.top)
    tables = runTableLoader({ bus, fwCfg, high, fseg, log: say })
  }
  const rsdp = findRsdp(bus, tables)
  writeMpTable(bus, processors(fwCfg), processorSignature(bus))
  say(rsdp === 0 ? 'ACPI: no root pointer' : `ACPI: root pointer at 0x${rsdp.toString(16)}`)
  map.add(0, EBDA.base, E820_TYPE.ram)
  map.add(EBDA.base, EBDA.length, E820_TYPE.reserved)
  map.add(TABLES.base, TABLES.length, E820_TYPE.nvs)
  map.add(IMAGE.base, IMAGE.length, E820_TYPE.reserved)
  if (machineMap !== null) readMap(machineMap, aboveOneMib(map))
  const e820 = map.ranges()
  const hung = machineMap === null ? 'qboot finds no memory map (etc/e820) and stops' : null
  if (hung === null) writeBootParams(bus, e820, kernelCommandLine(fwCfg, options.commandLine))
  else say(hung)
  return { e820, rsdp, tables, rootBuses: [], functions: [], placed: null, disks: [], hung, log }
}

/** From the machine, 1 where it does not say; so many as there can be local APICs at most. */
function processors(fwCfg: FwCfg | null): number {
  if (fwCfg === null) return 1
  const count = new DataView(fwCfg.item(FW_CFG_KEY.NB_CPUS, 2).buffer).getUint16(0, true)
  return Math.min(Math.max(count, 1), MOST_CPUS)
}

function processorSignature(bus: CpuBus): { eax: number; edx: number } {
  const out = new Uint32Array(4)
  bus.cpuid?.(1, 0, out)
  return { eax: out[0]!, edx: out[3]! }
}

/** The machine's entry for RAM at 0 begins at 1 MiB: what is below has been said. */
const aboveOneMib = (map: MemoryMap): Pick<MemoryMap, 'add'> => ({
  add(base, length, type) {
    if (base === 0) map.add(MIB, length - MIB, type)
    else map.add(base, length, type)
  },
})
