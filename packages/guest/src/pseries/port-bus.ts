import type { CpuBus, PortBus } from '@dmascope/memory/contracts'
import { FIRST_PORT, type HostBridge, PORTS_A_BRIDGE } from './host-bridges.ts'

/**
 * The bus with port I/O, which is memory here: Linux maps each host bridge's I/O window to a range of ports. Ports that
 * no window has read as all ones.
 */
export function withPorts(bus: CpuBus, bridges: readonly HostBridge[]): CpuBus {
  const windows = bridges.map(({ ranges }) => ranges.find(({ io }) => io))
  const addressOf = (port: number): number | null => {
    const window = windows[Math.floor((port - FIRST_PORT) / PORTS_A_BRIDGE)]
    const offset = (port - FIRST_PORT) % PORTS_A_BRIDGE
    return window === undefined || port < FIRST_PORT || offset >= window.size ? null : window.cpu + offset
  }
  const read = (port: number, width: 1 | 2 | 4): number => {
    const address = addressOf(port)
    if (address === null) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    return width === 4 ? bus.read32(address) : width === 2 ? bus.read16(address) : bus.read8(address)
  }
  const write = (port: number, width: 1 | 2 | 4, value: number): void => {
    const address = addressOf(port)
    if (address === null) return
    if (width === 4) bus.write32(address, value)
    else if (width === 2) bus.write16(address, value)
    else bus.write8(address, value)
  }
  const ports: PortBus = {
    in8: (port) => read(port, 1),
    in16: (port) => read(port, 2),
    in32: (port) => read(port, 4),
    out8: (port, value) => write(port, 1, value),
    out16: (port, value) => write(port, 2, value),
    out32: (port, value) => write(port, 4, value),
  }
  const { hypercall } = bus
  return {
    ports,
    read8: (address) => bus.read8(address),
    read16: (address) => bus.read16(address),
    read32: (address) => bus.read32(address),
    write8: (address, value) => bus.write8(address, value),
    write16: (address, value) => bus.write16(address, value),
    write32: (address, value) => bus.write32(address, value),
    readBytes: (address, into) => bus.readBytes(address, into),
    writeBytes: (address, from) => bus.writeBytes(address, from),
    nextInterrupt: () => bus.nextInterrupt(),
    idle: () => bus.idle(),
    ...(hypercall && { hypercall: (number, args, out) => hypercall.call(bus, number, args, out) }),
  }
}
