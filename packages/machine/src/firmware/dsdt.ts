import {
  aml,
  buildDefinitionBlock,
  type HostBridgeDescription,
  hostBridge,
  interruptLink,
  type PciRouteDescription,
  toHex,
} from '@dmascope/acpi'
import type { PciBus } from '@dmascope/pci'
import type { Chipset } from '../chipset/chipset.ts'
import { expanderLink, ISA_LINKS } from '../chipset/interrupt-routing.ts'
import { type WindowRange, windowsOf, without } from './bus-windows.ts'
import { qemuHeader } from './qemu-header.ts'

/** What a DSDT says depends on. Buses are live: their windows are read when the table is made. */
export interface DsdtFacts {
  readonly lowRamEnd: number
  readonly ecamBase: number | null
  /** Root buses besides bus 0, in the order in which the table shall name them. */
  readonly expanders: readonly PciBus[]
}

const PINS = [0, 1, 2, 3] as const
const LAST_PORT = 0xffff

/** Tables of machines without expanders, which differ in little: assembling one takes as long as reading it does. */
const kept = new Map<string, Uint8Array>()
const MOST_KEPT = 16

/**
 * A DSDT with a host bridge for each root bus and what software needs of it: its IDs, its windows and its interrupt
 * routing.
 *
 * DEVIATION: QEMU's has more devices (keyboard, real-time clock, hotplug), none with a bearing on DMA, and link devices
 * that read and write routing registers; these have the interrupt for good that firmware gives them.
 *
 * @returns a copy, the caller's own
 */
export function dsdt(chipset: Chipset, facts: DsdtFacts): Uint8Array {
  if (facts.expanders.length > 0) return assemble(chipset, facts)
  const key = `${chipset.rootBusName} ${facts.lowRamEnd} ${facts.ecamBase}`
  let table = kept.get(key)
  if (table === undefined) {
    table = assemble(chipset, facts)
    if (kept.size < MOST_KEPT) kept.set(key, table)
  }
  return table.slice()
}

function assemble(chipset: Chipset, facts: DsdtFacts): Uint8Array {
  const expanders = facts.expanders.map((bus) => ({ bus, windows: windowsOf(bus) }))
  const first = hostBridge(firstBridge(chipset, facts, expanders))
  const others = expanders.map(({ bus, windows }) => aml.scope('\\_SB', hostBridge(expanderBridge(bus, windows))))
  const links = expanders.length === 0 ? [] : ISA_LINKS.map((gsi, index) => interruptLink(linkName(index), index, gsi))
  return buildDefinitionBlock({
    signature: 'DSDT',
    header: qemuHeader(1),
    aml: toHex(aml.join(aml.scope('\\_SB', first, ...links), ...others)),
  })
}

const linkName = (index: number): string => `LNK${'ABCD'[index]}`

type Expanders = readonly { readonly bus: PciBus; readonly windows: ReturnType<typeof windowsOf> }[]

/** Bus 0 and all that no expander has. */
function firstBridge(chipset: Chipset, facts: DsdtFacts, expanders: Expanders): HostBridgeDescription {
  const routing: PciRouteDescription[] = []
  for (let device = 0; device < chipset.routing.devices; device++) {
    for (const pin of PINS) routing.push({ device, pin, gsi: chipset.routing.gsi(device, pin) })
  }
  const { lowRamEnd, ecamBase } = facts
  const holes: WindowRange[] = [{ first: ecamBase === null ? lowRamEnd : 0xc000_0000, last: 0xfebf_ffff }]
  if (ecamBase !== null && lowRamEnd < ecamBase) holes.unshift({ first: lowRamEnd, last: ecamBase - 1 })
  const memory = expanders.flatMap(({ windows }) => windows.memory)
  const ports = expanders.flatMap(({ windows }) => windows.ports)
  return {
    name: 'PCI0',
    uid: 0,
    segment: 0,
    bus: 0,
    lastBus: Math.min(0x100, ...expanders.map(({ bus }) => bus.number)) - 1,
    express: chipset.express,
    ports: [{ first: 0, last: 0x0cf7 }, ...without({ first: 0x0d00, last: LAST_PORT }, ports)],
    memory: [{ first: 0xa_0000, last: 0xb_ffff }, ...holes.flatMap((hole) => without(hole, memory))],
    routing,
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
