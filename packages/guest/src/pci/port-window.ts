import type { CpuBus, PortBus } from '@dmascope/memory/contracts'

/** Ports [0, size) of a host bridge, which are memory at `cpu` for a processor without port I/O. */
export interface PortWindow {
  readonly cpu: number
  readonly size: number
}

/** The bus with port I/O, which is memory here. Ports that no window has read as all ones. */
export function withPortWindow(bus: CpuBus, window: PortWindow | null): CpuBus {
  const inWindow = (port: number, width: number): boolean => window !== null && port >= 0 && port + width <= window.size
  const read = (port: number, width: 1 | 2 | 4): number => {
    if (!inWindow(port, width)) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    const address = window!.cpu + port
    return width === 4 ? bus.read32(address) : width === 2 ? bus.read16(address) : bus.read8(address)
  }
  const write = (port: number, width: 1 | 2 | 4, value: number): void => {
    if (!inWindow(port, width)) return
    const address = window!.cpu + port
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
  const { systemRegisters } = bus
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
    ...(systemRegisters && { systemRegisters }),
  }
}
