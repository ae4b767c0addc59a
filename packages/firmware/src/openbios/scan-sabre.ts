import { DtNode, property } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import {
  DVMA,
  DVMA_TARGETS,
  PCI_CONFIG_BASE,
  PCI_CONFIG_SIZE,
  PCI_IO_BASE,
  PCI_IO_SIZE,
  PCI_MEMORY_BASE,
  PCI_MEMORY_SIZE,
  SABRE_BASE,
  SABRE_PCITASR,
  SABRE_REGISTERS_SIZE,
  SIMBA_BUSES,
  SIMBA_DEVICE,
} from '../spec/sun4u.ts'
import { describeFunction } from './node-properties.ts'
import { placeBars } from './place-bars.ts'
import { SabreConfig } from './sabre-config.ts'
import { type Numbering, scanBehind, unitOf } from './scan-bus.ts'

/** Of Open Firmware’s handles, the one that others refer to. */
const HOST_PHANDLE = 0xffe2_e430
const HOST = 0
const UPA_PORT = 0x1f
/** PCI error, uncorrectable and correctable memory errors, power: numbers with the bridge’s group. */
const ERROR_INTERRUPTS = [0x7f0, 0x7ee, 0x7ef, 0x7e5]
const MAP_MASK = [0x00ff_f800, 0, 0, 7]
const PINS = 4
const INO_MASK = 0x1f
const FIRST_B_INO = 0x10
/** Interrupts of what is on the board, by its slot on bus A. */
const ONBOARD: Readonly<Record<number, number>> = { 1: 0x21, 3: 0x20 }

const u64 = (value: number): [number, number] => [Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000]
const swap = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

/** The host bridge’s node, with all that is below it, placed and numbered: bus A before bus B. */
export function scanSabre(bus: CpuBus): DtNode {
  const config = new SabreConfig(bus)
  const { properties } = describeFunction(config, HOST, placeBars(config, HOST, { memory: 0, io: 0 }))
  const numbering: Numbering = { last: 0 }
  const children = SIMBA_BUSES.flatMap(({ fn, memory, io }) => {
    const id = (SIMBA_DEVICE << 3) | fn
    if (!isThere(config, id)) return []
    const room = { memory, io }
    const simba = describeFunction(config, id, placeBars(config, id, room))
    const { nodes, buses } = scanBehind(config, id, room, numbering)
    return [
      new DtNode(
        `${simba.name}@${unitOf(id)}`,
        [...simba.properties, property('bus-range', buses), ...interruptMap(nodes, buses[0], fn)],
        nodes,
      ),
    ]
  })
  // On hardware, the bridge answers devices where the tree puts their addresses. QEMU's answers everywhere.
  bus.write32(SABRE_BASE + SABRE_PCITASR, 0)
  bus.write32(SABRE_BASE + SABRE_PCITASR + 4, swap(DVMA_TARGETS))
  const own = properties.filter(({ name }) => name !== 'reg' && name !== 'interrupts')
  return new DtNode(
    'pci@1fe,0',
    [
      ...own,
      property('phandle', HOST_PHANDLE),
      property('reg', [...u64(SABRE_BASE), ...u64(SABRE_REGISTERS_SIZE), ...u64(PCI_CONFIG_BASE), ...u64(0x100)]),
      property('ranges', [
        ...[0, 0, 0, ...u64(PCI_CONFIG_BASE), ...u64(PCI_CONFIG_SIZE)],
        ...[0x0100_0000, 0, 0, ...u64(PCI_IO_BASE), ...u64(PCI_IO_SIZE)],
        ...[0x0200_0000, 0, 0, ...u64(PCI_MEMORY_BASE), ...u64(PCI_MEMORY_SIZE)],
      ]),
      property('virtual-dma', [DVMA.base, DVMA.size]),
      property('#virtual-dma-size-cells', 1),
      property('#virtual-dma-addr-cells', 1),
      property('no-streaming-cache', true),
      property('interrupts', ERROR_INTERRUPTS),
      property('upa-portid', UPA_PORT),
      property('bus-range', [0, numbering.last]),
    ],
    children,
  )
}

function isThere(config: SabreConfig, id: number): boolean {
  const ids = config.read(id, 0, 4)
  return ids !== 0 && (ids & 0xffff) !== 0xffff
}

/** INTA of each function with a pin: OpenBIOS knows of no other. */
function interruptMap(nodes: readonly DtNode[], bus: number, fn: number) {
  const map = nodes.flatMap((one) => {
    const [address = 0] = one.cells('reg')
    const slot = (address >>> 11) & 31
    if (!one.has('interrupts') || ((address >>> 8) & 7) !== 0) return []
    const ino = fn === 0 ? FIRST_B_INO + slot * PINS : (ONBOARD[slot] ?? slot * PINS)
    return [(bus << 16) | (slot << 11), 0, 0, 1, HOST_PHANDLE, fn === 0 ? ino & INO_MASK : ino]
  })
  return map.length === 0 ? [] : [property('interrupt-map', map), property('interrupt-map-mask', MAP_MASK)]
}
