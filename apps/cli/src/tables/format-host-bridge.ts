import type { HostBridge, PciRoute } from '@dmascope/acpi'

const hex = (value: number): string => `0x${value.toString(16)}`

/** What a definition block says of a host bridge, a line each: where it is, what it decodes, where interrupts go. */
export function formatHostBridge(bridge: HostBridge): string[] {
  const { path, segment, bus, uid, express, resources, routing, notes } = bridge
  const kind = express ? 'PCI Express' : 'PCI'
  const lines = [
    `host bridge ${path}: ${kind}, segment ${segment}, bus ${hex(bus)}${uid === null ? '' : `, UID ${uid}`}`,
  ]
  const row = (name: string, text: string): void => {
    lines.push(`  ${name.padEnd(8)}${text}`)
  }
  for (const { first, last } of resources?.buses ?? []) row('buses', `${hex(first)} to ${hex(last)}`)
  for (const { first, last } of resources?.ports ?? []) row('ports', `${hex(first)} to ${hex(last)}`)
  for (const { first, last, prefetchable } of resources?.memory ?? []) {
    row('memory', `${hex(first)} to ${hex(last)}${prefetchable === true ? ', prefetchable' : ''}`)
  }
  for (const text of routing === null ? [] : routes(routing)) row('_PRT', text)
  for (const note of notes) row('note', note)
  return lines
}

/** The pins of each device: `device 02: INTA to 16, INTB to \_SB_.GSIB`. */
function routes(routing: readonly PciRoute[]): string[] {
  const byDevice = new Map<number, string[]>()
  for (const { device, pin, gsi, link } of routing) {
    const to = gsi === null ? (link ?? 'nothing') : String(gsi)
    const pins = byDevice.get(device) ?? []
    pins.push(`INT${String.fromCharCode(0x41 + pin)} to ${to}`)
    byDevice.set(device, pins)
  }
  return [...byDevice].map(([device, pins]) => `device ${device.toString(16).padStart(2, '0')}: ${pins.join(', ')}`)
}
