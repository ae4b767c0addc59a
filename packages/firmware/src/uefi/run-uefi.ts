import { buildDtb, type DeviceTree, parseDts, parseRanges, parseReg, pciSpace } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import { readTree } from '../device-tree/read-tree.ts'
import { FwCfg } from '../fw-cfg.ts'
import { Zone } from '../memory/zone.ts'
import { numberBuses } from '../pci/bus-numbers.ts'
import { collectRegions } from '../pci/collect-regions.ts'
import { PciConfig } from '../pci/config-access.ts'
import { probeFunctions } from '../pci/functions.ts'
import { type PlacementSpace, placeRegions } from '../pci/place-regions.ts'
import { FW_CFG_NAME } from '../spec/fw-cfg.ts'
import { runTableLoader } from '../table-loader.ts'
import { type EfiHandover, writeMemoryMap, writeSystemTable } from './system-table.ts'

export interface UefiOptions {
  /** Where the machine has put its device tree for the firmware: on QEMU's Arm machine the start of RAM. */
  readonly deviceTree: number
}

/** What UEFI firmware did. */
export interface UefiResult {
  /** The tree that the kernel is told of: the machine's, or one that says nothing but where UEFI's tables are. */
  readonly deviceTree: number | null
  /** Address of ACPI's root pointer; 0 where the machine has no tables, and the kernel gets the machine's tree. */
  readonly rsdp: number
  readonly log: readonly string[]
}

const PAGE = 4096
const LARGEST_TREE = 0x20_0000
/** Room at the top of RAM for tables. */
const TABLES_BYTES = 0x100_0000
const { COMMAND } = PCI_HEADER_TYPE0.registers
/** I/O and memory space. */
const DECODE = 3
const FW_CFG = 'qemu,fw-cfg-mmio'
const HOST_BRIDGE = 'pci-host-ecam-generic'

/**
 * Brings an Arm machine up to where a kernel takes over, as UEFI does on QEMU's: bus numbers and addresses of PCI, the
 * machine's ACPI tables, then a system table and a memory map, which the kernel finds by a small device tree. It learns
 * of the machine through the bus alone, and never throws for what the machine does.
 *
 * DEVIATION: addresses are given out in SeaBIOS's order, not in EDK2's: an arm64 kernel gives them out anew.
 */
export function runUefi(bus: CpuBus, { deviceTree }: UefiOptions): UefiResult {
  const log: string[] = []
  const say = (line: string): void => void log.push(line)
  const tree = readTree(bus, deviceTree, LARGEST_TREE)
  if (typeof tree === 'string') return { deviceTree: null, rsdp: 0, log: [tree] }
  const registers = registersOf(tree, FW_CFG)
  const fwCfg = registers === null ? null : FwCfg.find(bus, registers)
  if (fwCfg === null) say('fw_cfg: no such device')
  setUpPci(bus, tree, fwCfg, say)

  const ram = memoryOf(tree)
  if (ram === null || fwCfg === null) return { deviceTree, rsdp: 0, log }
  const zone = new Zone(Math.max(ram.start, ram.end - TABLES_BYTES), ram.end)
  const tables = runTableLoader({ bus, fwCfg, high: zone, fseg: zone, log: say })
  const rsdp = tables.get(FW_CFG_NAME.ACPI_RSDP)?.address ?? 0
  if (rsdp === 0) {
    say('ACPI: no tables; the kernel gets the device tree')
    return { deviceTree, rsdp, log }
  }
  const stub = handOver(bus, zone, ram, rsdp, tree)
  if (stub === null) say('no room for the tables of UEFI')
  return { deviceTree: stub, rsdp, log }
}

function registersOf(tree: DeviceTree, compatible: string): number | null {
  const node = [...tree.nodes()].find((one) => one.strings('compatible').includes(compatible))
  const base = node === undefined ? undefined : parseReg(node)[0]?.address
  return typeof base === 'number' ? base : null
}

function memoryOf(tree: DeviceTree): { readonly start: number; readonly end: number } | null {
  const node = tree.root.children.find((one) => one.string('device_type') === 'memory')
  const [first] = node === undefined ? [] : parseReg(node)
  if (typeof first?.address !== 'number' || typeof first.size !== 'number') return null
  const end = Math.floor((first.address + first.size) / PAGE) * PAGE
  return Number.isSafeInteger(end) && end > first.address ? { start: first.address, end } : null
}

function setUpPci(bus: CpuBus, tree: DeviceTree, fwCfg: FwCfg | null, say: (line: string) => void): void {
  const ecam = registersOf(tree, HOST_BRIDGE)
  const space = windowsOf(tree)
  if (ecam === null || space === null) return
  const config = new PciConfig({ bus, ecam })
  const roots = numberBuses(config, (fwCfg?.number(FW_CFG_NAME.EXTRA_ROOTS, 0) ?? 0) !== 0)
  const functions = probeFunctions(config, roots)
  say(`PCI: ${functions.length} functions, root buses ${roots.join(', ')}`)
  const regions = collectRegions(config, functions, { hotplugAlign64: 0 })
  if (placeRegions(config, regions, space) === null) say('PCI: BARs do not fit')
  // Bridges pass on from now; devices are left off until a driver comes, and to the kernel they come so.
  for (const { id, isBridge } of functions) if (isBridge) config.set16(id, COMMAND.offset, DECODE)
}

function windowsOf(tree: DeviceTree): PlacementSpace | null {
  const node = [...tree.nodes()].find((one) => one.strings('compatible').includes(HOST_BRIDGE))
  if (node === undefined) return null
  let low: { first: number; end: number } | null = null
  let high: { first: number; end: number } | null = null
  let ioEnd = 0
  for (const { childUpper, child, size } of parseRanges(node, 'ranges').entries) {
    if (typeof child !== 'number' || typeof size !== 'number') continue
    const window = { first: child, end: child + size }
    if (pciSpace(childUpper) === 1) ioEnd = window.end
    else if (window.end <= 2 ** 32) low ??= window
    else high ??= window
  }
  if (low === null) return null
  return {
    memoryStart: low.first,
    memoryEnd: low.end,
    ioEnd,
    preferHigh: high !== null,
    highStart: high?.first ?? 0,
    highEnd: high?.end ?? 0,
    isUsed: () => false,
  }
}

/** Writes what the kernel starts from, and answers where its tree is. Null where there is no room. */
function handOver(
  bus: CpuBus,
  zone: Zone,
  ram: { readonly start: number; readonly end: number },
  rsdp: number,
  tree: DeviceTree,
): number | null {
  const systemTable = writeSystemTable(bus, zone, rsdp)
  const map = zone.allocate(PAGE, PAGE)
  const at = zone.allocate(PAGE, PAGE)
  if (systemTable < 0 || map < 0 || at < 0) return null
  const kept = Math.floor(zone.lowest / PAGE) * PAGE
  const written = writeMemoryMap(bus, map, [
    { start: ram.start, end: kept, type: 'conventional' },
    { start: kept, end: ram.end, type: 'acpiReclaim' },
  ])
  const commandLine = tree.find('/chosen')?.string('bootargs') ?? ''
  const blob = stubTree({ systemTable, ...written }, commandLine)
  if (blob.length > PAGE) return null
  bus.writeBytes(at, blob)
  return at
}

/** What an EFI stub leaves of the tree where there is ACPI: `/chosen`, as Linux's documentation of UEFI on Arm has it. */
function stubTree({ systemTable, map, mapBytes, stride }: EfiHandover, commandLine: string): Uint8Array {
  const cells = (value: number): string =>
    `<0x${Math.floor(value / 2 ** 32).toString(16)} 0x${(value >>> 0).toString(16)}>`
  const tree = parseDts(`/dts-v1/;
/ {
  #address-cells = <2>;
  #size-cells = <2>;
  chosen {
    linux,uefi-system-table = ${cells(systemTable)};
    linux,uefi-mmap-start = ${cells(map)};
    linux,uefi-mmap-size = <${mapBytes}>;
    linux,uefi-mmap-desc-size = <${stride}>;
    linux,uefi-mmap-desc-ver = <1>;
  };
};`)
  tree.root.child('chosen')?.set(
    'bootargs',
    Uint8Array.from(`${commandLine}\0`, (letter) => letter.charCodeAt(0)),
  )
  return buildDtb(tree)
}
