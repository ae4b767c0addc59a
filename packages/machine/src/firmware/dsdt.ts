import { aml, buildDefinitionBlock, hostBridge, type PciRouteDescription, toHex } from '@dmascope/acpi'
import type { Chipset } from '../chipset/chipset.ts'
import { qemuHeader } from './acpi-tables.ts'

/**
 * A DSDT with the host bridge and what software needs of it: its IDs, its windows and its interrupt routing.
 *
 * DEVIATION: QEMU's has more devices (keyboard, real-time clock, hotplug), none with a bearing on DMA.
 */
export function dsdt(
  chipset: Chipset,
  windows: { readonly lowRamEnd: number; readonly ecamBase: number | null },
): Uint8Array {
  const routing: PciRouteDescription[] = []
  for (let device = 0; device < chipset.routing.devices; device++) {
    for (const pin of [0, 1, 2, 3] as const) routing.push({ device, pin, gsi: chipset.routing.gsi(device, pin) })
  }
  const pciHole = windows.ecamBase === null ? windows.lowRamEnd : 0xc000_0000
  const memory = [
    { first: 0xa_0000, last: 0xb_ffff },
    ...(windows.ecamBase !== null && windows.lowRamEnd < windows.ecamBase
      ? [{ first: windows.lowRamEnd, last: windows.ecamBase - 1 }]
      : []),
    { first: pciHole, last: 0xfebf_ffff },
  ]
  const bridge = hostBridge({
    name: 'PCI0',
    uid: 0,
    segment: 0,
    bus: 0,
    lastBus: 0xff,
    express: chipset.express,
    ports: [
      { first: 0, last: 0x0cf7 },
      { first: 0x0d00, last: 0xffff },
    ],
    memory,
    routing,
  })
  return buildDefinitionBlock({ signature: 'DSDT', header: qemuHeader(1), aml: toHex(aml.scope('\\_SB', bridge)) })
}
