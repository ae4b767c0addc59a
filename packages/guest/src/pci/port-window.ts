import type { CpuBus } from '@dmascope/memory/contracts'
import { withMemoryPorts } from './memory-ports.ts'

/** Ports [0, size) of a host bridge, which are memory at `cpu` for a processor without port I/O. */
export interface PortWindow {
  readonly cpu: number
  readonly size: number
}

/** The bus with port I/O by one window, or by none. */
export const withPortWindow = (bus: CpuBus, window: PortWindow | null): CpuBus =>
  withMemoryPorts(bus, (port, width) =>
    window !== null && port >= 0 && port + width <= window.size ? window.cpu + port : null,
  )
