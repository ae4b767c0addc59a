import { E820_TYPE } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import { formatRequesterId } from '@dmascope/pci/spec'
import { isAhci, scanAhci } from './boot/ahci.ts'
import { writeBootParams } from './boot/boot-params.ts'
import { kernelCommandLine } from './boot/command-line.ts'
import { type FirmwareDisk, isVirtioDisk, openVirtioDisk } from './boot/virtio-disk.ts'
import { FwCfg } from './fw-cfg.ts'
import { type E820Range, MemoryMap } from './memory/e820.ts'
import { findRam } from './memory/find-ram.ts'
import { shadowBios } from './memory/shadow.ts'
import { Zone } from './memory/zone.ts'
import { PciConfig } from './pci/config-access.ts'
import type { FoundFunction } from './pci/functions.ts'
import type { PlacedRegion } from './pci/place-regions.ts'
import { setupPci } from './pci/setup-pci.ts'
import { FW_CFG_NAME } from './spec/fw-cfg.ts'
import { findRsdp, type LoadedFile, runTableLoader } from './table-loader.ts'

export interface FirmwareOptions {
  /** Version of SeaBIOS to follow where versions differ: from 1.17 on BARs go above 4 GiB where RAM is there. */
  readonly seabios?: '1.16' | '1.17'
  /** Command line for the kernel, ASCII; without it, the one that fw_cfg offers. */
  readonly commandLine?: string
  /** What to do with virtio disks: read the boot sector of the first (the default), only take them into use, nothing. */
  readonly disks?: 'read-boot-sector' | 'open' | 'leave'
}

/** What firmware did, for reports; a kernel learns it from memory and configuration space. */
export interface FirmwareResult {
  /** The memory map that the kernel gets. */
  readonly e820: readonly E820Range[]
  /** Address of the root pointer; 0 where there is none. */
  readonly rsdp: number
  /** Files of the machine that stand in memory now, by name. */
  readonly tables: ReadonlyMap<string, LoadedFile>
  readonly rootBuses: readonly number[]
  readonly functions: readonly FoundFunction[]
  /** BARs and bridge windows; null where the address space did not suffice. */
  readonly placed: readonly PlacedRegion[] | null
  /** Virtio disks whose rings are live. */
  readonly disks: readonly FirmwareDisk[]
  /** What firmware waits for that never comes: then it starts no kernel. Null where it got to the end. */
  readonly hung: string | null
  readonly log: readonly string[]
}

const BIOS_AREA = { base: 0xf_0000, length: 0x1_0000 } as const
const EBDA = { base: 0x9_fc00, length: 0x400 } as const
const VIDEO_AND_ROMS = { base: 0xa_0000, length: 0x5_0000 } as const
const TOP_ROM = { base: 0xfffc_0000, length: 0x4_0000 } as const
/** The F segment is given out below here; above it would be SeaBIOS itself. */
const FSEG = { floor: 0xf_0000, top: 0xf_5300 } as const
const HIGH_ZONE_MAX = 0x100_0000
const PAGE = 4096
/** BIOS data area: segment of the EBDA, and KiB of memory below it. */
const BDA_EBDA_SEGMENT = 0x40e
const BDA_MEMORY_SIZE = 0x413
const BOOT_SECTOR = 0x7c00
const TCG_ADDRESS_BITS = 40

/**
 * Brings the machine up to where a kernel takes over, as SeaBIOS does on QEMU's PCs: configuration space, bus numbers,
 * BARs, tables, memory map, and the first use of the disks. It learns of the machine through the bus alone. It never
 * throws for what the machine does; what went wrong stands in the log.
 */
export function runFirmware(bus: CpuBus, options: FirmwareOptions = {}): FirmwareResult {
  const log: string[] = []
  const say = (line: string): void => void log.push(line)
  const fwCfg = FwCfg.find(bus)
  if (fwCfg === null) say('fw_cfg: no such device')
  const map = new MemoryMap()
  const config = bus.ports === undefined ? null : new PciConfig(bus.ports)
  findRam(fwCfg, map, config, say)
  const { lowEnd, above4G } = map.ram()
  reserveLegacy(bus, map)
  const protect = config === null ? null : shadowBios(bus, config)
  if (protect === null) say('shadow: host bridge not known, tables go where RAM is')

  const high = new Zone(Math.max(lowEnd - HIGH_ZONE_MAX, 0x10_0000), lowEnd)
  const fseg = new Zone(FSEG.floor, FSEG.top)
  const pci =
    config === null || bus.ports === undefined
      ? null
      : setupPci(config, bus.ports, {
          lowRamEnd: lowEnd,
          highRamSize: above4G,
          extraRoots: (fwCfg?.number(FW_CFG_NAME.EXTRA_ROOTS, 0) ?? 0) !== 0,
          reservedMemoryEnd: fwCfg?.number(FW_CFG_NAME.RESERVED_MEMORY_END, 0) ?? 0,
          physicalAddressBits: addressBits(bus),
          preferHighWithHighRam: options.seabios !== '1.16',
          isUsed: (base, size) => map.isUsed(base, size),
        })
  for (const { base, length } of pci?.reserved ?? []) map.add(base, length, E820_TYPE.reserved)
  if (pci !== null) {
    say(`PCI: ${pci.functions.length} functions, root buses ${pci.rootBuses.join(', ')}`)
    if (pci.placed === null) say('PCI: BARs do not fit below the I/O APIC')
  }

  // The machine makes its tables when they are first read: BARs have to stand by then.
  const tables = fwCfg === null ? new Map<string, LoadedFile>() : runTableLoader({ bus, fwCfg, high, fseg, log: say })
  const rsdp = findRsdp(bus, tables)
  say(rsdp === 0 ? 'ACPI: no root pointer' : `ACPI: root pointer at 0x${rsdp.toString(16)}`)

  const { disks, hung } =
    config === null || options.disks === 'leave'
      ? { disks: [], hung: null }
      : useDisks(bus, config, pci?.functions ?? [], high, options, say)
  protect?.()

  const used = Math.floor(high.lowest / PAGE) * PAGE
  map.add(used, lowEnd - used, E820_TYPE.reserved)
  const e820 = map.ranges()
  if (hung === null) writeBootParams(bus, e820, kernelCommandLine(fwCfg, options.commandLine))
  return {
    e820,
    rsdp,
    tables,
    rootBuses: pci?.rootBuses ?? [],
    functions: pci?.functions ?? [],
    placed: pci?.placed ?? null,
    disks,
    hung,
    log,
  }
}

/** What a PC reserves whatever it has, and where an operating system looks for it. */
function reserveLegacy(bus: CpuBus, map: MemoryMap): void {
  map.add(EBDA.base, EBDA.length, E820_TYPE.reserved)
  map.remove(VIDEO_AND_ROMS.base, VIDEO_AND_ROMS.length)
  map.add(BIOS_AREA.base, BIOS_AREA.length, E820_TYPE.reserved)
  map.add(TOP_ROM.base, TOP_ROM.length, E820_TYPE.reserved)
  bus.write16(BDA_EBDA_SEGMENT, EBDA.base / 16)
  bus.write16(BDA_MEMORY_SIZE, EBDA.base / 1024)
  bus.write8(EBDA.base, EBDA.length / 1024)
}

function addressBits(bus: CpuBus): number {
  if (bus.cpuid === undefined) return TCG_ADDRESS_BITS
  const out = new Uint32Array(4)
  bus.cpuid(0x8000_0000, 0, out)
  if (out[0]! < 0x8000_0008) return 36
  bus.cpuid(0x8000_0008, 0, out)
  return Math.min(52, Math.max(32, out[0]! & 0xff))
}

/** Controllers first, then virtio disks, of which the first is read from. Stops where SeaBIOS would wait for ever. */
function useDisks(
  bus: CpuBus,
  config: PciConfig,
  functions: readonly FoundFunction[],
  high: Zone,
  options: FirmwareOptions,
  say: (line: string) => void,
): { readonly disks: readonly FirmwareDisk[]; readonly hung: string | null } {
  const disks: FirmwareDisk[] = []
  for (const one of functions.filter(isAhci)) {
    const refused = scanAhci(bus, config, one)
    if (refused === null) continue
    say(`AHCI ${formatRequesterId(one.id)}: ${refused}`)
    return { disks, hung: `AHCI ${formatRequesterId(one.id)}, ${refused}` }
  }
  for (const one of functions.filter(isVirtioDisk)) {
    const disk = openVirtioDisk(bus, config, one, high)
    if (typeof disk === 'string') say(`virtio-blk ${formatRequesterId(one.id)}: ${disk}`)
    else disks.push(disk)
  }
  const [first] = disks
  if (first === undefined || options.disks === 'open') return { disks, hung: null }
  const name = `virtio-blk ${formatRequesterId(first.function.id)}`
  const read = first.readSector(BOOT_SECTOR)
  say(`${name}: boot sector: ${read}`)
  // SeaBIOS looks into the ring until the answer is there, however long.
  return { disks, hung: read === 'no-answer' ? `${name} never answers the read of its boot sector` : null }
}
