import type { CpuBus, PortBus } from '@dmascope/memory/contracts'

/**
 * The bus with port I/O for a processor that has none: ports are memory, where host bridges map them.
 *
 * @param addressOf - the memory of `width` bytes from a port on; null where no window has them: these read as all ones
 */
export function withMemoryPorts(bus: CpuBus, addressOf: (port: number, width: number) => number | null): CpuBus {
  const read = (port: number, width: 1 | 2 | 4): number => {
    const address = addressOf(port, width)
    if (address === null) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    return width === 4 ? bus.read32(address) : width === 2 ? bus.read16(address) : bus.read8(address)
  }
  const write = (port: number, width: 1 | 2 | 4, value: number): void => {
    const address = addressOf(port, width)
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
  const { hypercall, systemRegisters, cache, uncachedOffset } = bus
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
    ...(cache && { cache }),
    ...(uncachedOffset !== undefined && { uncachedOffset }),
    ...(hypercall && { hypercall: (number, args, out) => hypercall.call(bus, number, args, out) }),
  }
}
