import {
  aml,
  buildTerms,
  externalFacingPort,
  type HostBridgeDescription,
  hostBridge,
  interruptLink,
  type PciRouteDescription,
  type RootFunction,
  routingTable,
} from '@dmascope/acpi'
import type { PciBus } from '@dmascope/pci'
import type { Chipset } from '../chipset/chipset.ts'
import { expanderLink, ISA_LINKS } from '../chipset/interrupt-routing.ts'
import type { SegmentPlace, SegmentRange } from '../segments/segment-map.ts'
import { type WindowRange, windowsOf, without } from './bus-windows.ts'
import { qemuHeader } from './qemu-header.ts'

/** What a DSDT says depends on. Buses are live: their windows are read when the table is made. */
export interface DsdtFacts {
  readonly ecamBase: number | null
  /** Root buses besides bus 0, in the order in which the table shall name them. */
  readonly expanders: readonly PciBus[]
  /** Host bridges of segments beside segment 0. */
  readonly segments: readonly SegmentPlace[]
  /** Root ports on bus 0 for devices from outside. */
  readonly externalPorts: readonly RootFunction[]
}

const PINS = [0, 1, 2, 3] as const
const LAST_PORT = 0xffff

/**
 * A DSDT with a host bridge for each root bus and what software needs of it: its IDs, its windows and its interrupt
 * routing.
 *
 * DEVIATION: QEMU's has more devices (keyboard, real-time clock, hotplug), none with a bearing on DMA, and link devices
 * that read and write routing registers; these have the interrupt for good that firmware gives them.
 */
export function dsdt(chipset: Chipset, facts: DsdtFacts, lowRamEnd: number): Uint8Array {
  const expanders = facts.expanders.map((bus) => ({ bus, windows: windowsOf(bus) }))
  const first = hostBridge(firstBridge(chipset, facts, lowRamEnd, expanders))
  const others = expanders.map(({ bus, windows }) => aml.scope('\\_SB', hostBridge(expanderBridge(bus, windows))))
  const segments = facts.segments.map((place) => aml.scope('\\_SB', hostBridge(segmentBridge(chipset, place))))
  const links = expanders.length === 0 ? [] : ISA_LINKS.map((gsi, index) => interruptLink(linkName(index), index, gsi))
  return buildTerms('DSDT', [aml.scope('\\_SB', first, ...links), ...others, ...segments], qemuHeader(1))
}

const linkName = (index: number): string => `LNK${'ABCD'[index]}`

type Expanders = readonly { readonly bus: PciBus; readonly windows: ReturnType<typeof windowsOf> }[]

/** Bus 0 and all that no expander has. */
function firstBridge(
  chipset: Chipset,
  facts: DsdtFacts,
  lowRamEnd: number,
  expanders: Expanders,
): HostBridgeDescription {
  const { ecamBase } = facts
  const holes: WindowRange[] = [{ first: ecamBase === null ? lowRamEnd : 0xc000_0000, last: 0xfebf_ffff }]
  if (ecamBase !== null && lowRamEnd < ecamBase) holes.unshift({ first: lowRamEnd, last: ecamBase - 1 })
  const memory: WindowRange[] = []
  const ports: WindowRange[] = []
  for (const { windows } of expanders) {
    memory.push(...windows.memory)
    ports.push(...windows.ports)
  }
  for (const place of facts.segments) {
    memory.push(windowRange(place.memory))
    ports.push(...portsOf(place))
  }
  const left: WindowRange[] = []
  for (const hole of holes) left.push(...without(hole, memory))
  return {
    name: 'PCI0',
    uid: 0,
    segment: 0,
    bus: 0,
    lastBus: Math.min(0x100, ...expanders.map(({ bus }) => bus.number)) - 1,
    express: chipset.express,
    ports: [{ first: 0, last: 0x0cf7 }, ...without({ first: 0x0d00, last: LAST_PORT }, ports)],
    memory: [{ first: 0xa_0000, last: 0xb_ffff }, ...left],
    routing: chipsetRouting(chipset),
    terms: facts.externalPorts.map(externalFacingPort),
  }
}

const routingTables = new WeakMap<Chipset['routing'], Uint8Array>()

/** The `_PRT` of a chipset, which is the same in all machines that have it. */
function chipsetRouting({ routing }: Chipset): Uint8Array {
  const made = routingTables.get(routing)
  if (made !== undefined) return made
  const routes: PciRouteDescription[] = []
  for (let device = 0; device < routing.devices; device++) {
    for (const pin of PINS) routes.push({ device, pin, gsi: routing.gsi(device, pin) })
  }
  const table = routingTable(routes)
  routingTables.set(routing, table)
  return table
}

const windowRange = ({ base, size }: SegmentRange): WindowRange => ({ first: base, last: base + size - 1 })
const portsOf = ({ ports }: SegmentPlace): WindowRange[] => (ports === null ? [] : [windowRange(ports)])

/** All of a segment's buses; its pins reach the I/O APIC as those of segment 0 do. */
function segmentBridge(chipset: Chipset, place: SegmentPlace): HostBridgeDescription {
  const { segment, memory, memory64 } = place
  return {
    name: `S${segment.toString(16).toUpperCase().padStart(3, '0')}`,
    uid: 0x100 + segment,
    segment,
    bus: 0,
    lastBus: 0xff,
    express: true,
    ports: portsOf(place),
    memory: [memory, memory64].map(windowRange),
    routing: chipsetRouting(chipset),
  }
}

function expanderBridge(bus: PciBus, windows: ReturnType<typeof windowsOf>): HostBridgeDescription {
  const routing: PciRouteDescription[] = []
  for (let device = 0; device < 32; device++) {
    for (const pin of PINS) routing.push({ device, pin, link: linkName(expanderLink(device, pin)) })
  }
  return {
    name: `PC${bus.number.toString(16).toUpperCase().padStart(2, '0')}`,
    uid: bus.number,
    segment: 0,
    bus: bus.number,
    lastBus: windows.lastBus,
    express: bus.extendedConfig,
    ports: windows.ports,
    memory: windows.memory,
    routing,
  }
}
