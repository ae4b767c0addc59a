import type { CpuBus } from '@dmascope/memory/contracts'
import { withMemoryPorts } from '../pci/memory-ports.ts'
import { FIRST_PORT, type HostBridge, PORTS_A_BRIDGE } from './host-bridges.ts'

/** The bus with port I/O: Linux maps each host bridge's I/O window to a range of ports. */
export function withPorts(bus: CpuBus, bridges: readonly HostBridge[]): CpuBus {
  const windows = bridges.map(({ ranges }) => ranges.find(({ io }) => io))
  return withMemoryPorts(bus, (port, width) => {
    const window = windows[Math.floor((port - FIRST_PORT) / PORTS_A_BRIDGE)]
    const offset = (port - FIRST_PORT) % PORTS_A_BRIDGE
    return window === undefined || port < FIRST_PORT || offset + width > window.size ? null : window.cpu + offset
  })
}
