import { buildDtb, DeviceTree, DtNode, type PropertyInput, property } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { FW_CFG_KEY, FW_CFG_PORT_DATA, FW_CFG_PORT_SEL, FW_CFG_SIGNATURE } from '../spec/fw-cfg.ts'
import { OPENBIOS_BYTES, PCI_IO_BASE, TREE_ROOM } from '../spec/sun4u.ts'
import { scanSabre } from './scan-sabre.ts'

/** What OpenBIOS did. */
export interface OpenBiosResult {
  /** Where the tree for the kernel stands; null where the machine is none that it knows. */
  readonly deviceTree: number | null
  /** The tree itself, as bytes. */
  readonly blob: Uint8Array | null
  /** Why there is none, else nothing. */
  readonly log: readonly string[]
}

const PAGE = 0x2000
const SMALLEST_MEMORY = 0x400_0000
/** What a command line may have. */
const LONGEST_COMMAND_LINE = 4096
const PROCESSOR_CLOCK = 100_000_000
const BUS_CLOCK = 500_000_000

const node = (name: string, properties: Readonly<Record<string, PropertyInput>>, children: DtNode[] = []): DtNode =>
  new DtNode(
    name,
    Object.entries(properties).map(([key, value]) => property(key, value)),
    children,
  )

const u64 = (value: number): [number, number] => [Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000]

/**
 * Brings a sun4u up to where a kernel takes over, as OpenBIOS does: it numbers the buses, places BARs, and makes Open
 * Firmware's tree. The IOMMU it leaves off. Learns of the machine through the bus alone; never throws for what it does.
 *
 * DEVIATION: a kernel asks Open Firmware for the tree node by node, through the client interface; here the tree stands
 * in memory, flattened. It holds what such a kernel reads of PCI, memory and processors.
 */
export function runOpenBios(bus: CpuBus): OpenBiosResult {
  const nothing = (why: string): OpenBiosResult => ({ deviceTree: null, blob: null, log: [why] })
  const signature = String.fromCharCode(...item(bus, FW_CFG_KEY.SIGNATURE, FW_CFG_SIGNATURE.length))
  if (signature !== FW_CFG_SIGNATURE) return nothing('fw_cfg: no such device')
  const ram = new DataView(item(bus, FW_CFG_KEY.RAM_SIZE, 8).buffer)
  const memory = ram.getUint32(4, true) * 0x1_0000_0000 + ram.getUint32(0, true)
  if (!Number.isSafeInteger(memory) || memory < SMALLEST_MEMORY) return nothing(`${memory} bytes of memory are too few`)
  const commandLine = readCommandLine(bus)
  const tree = new DeviceTree(
    node(
      '',
      {
        name: 'OpenBiosTeam,OpenBIOS',
        '#address-cells': 2,
        '#size-cells': 2,
        compatible: 'sun4u',
        'clock-frequency': BUS_CLOCK,
      },
      [
        node('chosen', commandLine === '' ? {} : { bootargs: commandLine }),
        node('memory@0,0', {
          device_type: 'memory',
          available: [...u64(0), ...u64(memory - OPENBIOS_BYTES)],
          reg: [...u64(0), ...u64(memory)],
        }),
        scanSabre(bus),
        node('SUNW,UltraSPARC-IIi', {
          device_type: 'cpu',
          'manufacturer#': 0x17,
          'implementation#': 0x12,
          'sparc-version': 9,
          cpuid: 0,
          'upa-portid': 0,
          'clock-frequency': PROCESSOR_CLOCK,
        }),
      ],
    ),
  )
  const blob = buildDtb(tree)
  if (blob.length > TREE_ROOM) return nothing(`a tree of ${blob.length} bytes does not fit below the end of memory`)
  const deviceTree = Math.floor((memory - TREE_ROOM) / PAGE) * PAGE
  bus.writeBytes(deviceTree, blob)
  return { deviceTree, blob, log: [] }
}

/** A copy of the first bytes of an item, byte by byte: its ports are memory here. */
function item(bus: CpuBus, key: number, length: number): Uint8Array {
  bus.write16(PCI_IO_BASE + FW_CFG_PORT_SEL, key)
  return Uint8Array.from({ length }, () => bus.read8(PCI_IO_BASE + FW_CFG_PORT_DATA))
}

function readCommandLine(bus: CpuBus): string {
  const size = new DataView(item(bus, FW_CFG_KEY.CMDLINE_SIZE, 4).buffer).getUint32(0, true)
  const bytes = item(bus, FW_CFG_KEY.CMDLINE_DATA, Math.min(size, LONGEST_COMMAND_LINE))
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}
