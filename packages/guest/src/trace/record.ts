import type { CacheBus, CpuBus, PortBus, SystemRegisterBus } from '@dmascope/memory/contracts'
import { crc32 } from '../checksum.ts'
import { bytesToHex, type CpuOperation, type CpuTrace } from './cpu-trace.ts'

/**
 * Wraps a bus so that all that goes over the CPU seam is kept.
 *
 * The wrapper has the parts of the seam that the bus has, and passes all of it on.
 *
 * @returns the bus to give to the guest, and the trace, which grows while the guest runs
 */
export function recordCpuBus(bus: CpuBus): { readonly bus: CpuBus; readonly trace: CpuTrace } {
  const operations: CpuOperation[] = []
  const read = (width: 1 | 2 | 4, address: number, value: number): number => {
    operations.push(['r', width, address, value])
    return value
  }
  const { ports, systemRegisters, cache, uncachedOffset } = bus
  const hypercall = bus.hypercall?.bind(bus)
  const cpuid = bus.cpuid?.bind(bus)
  const setPageState = bus.setPageState?.bind(bus)
  const recordedPorts: PortBus | undefined = ports && recordPorts(ports, operations)
  return {
    trace: {
      version: 1,
      ports: ports !== undefined,
      systemRegisters: systemRegisters !== undefined,
      hypercalls: hypercall !== undefined,
      cpuid: cpuid !== undefined,
      pageStates: setPageState !== undefined,
      ...(cache && { cacheLineBytes: cache.lineBytes }),
      ...(uncachedOffset !== undefined && { uncachedOffset }),
      operations,
    },
    bus: {
      read8: (address) => read(1, address, bus.read8(address)),
      read16: (address) => read(2, address, bus.read16(address)),
      read32: (address) => read(4, address, bus.read32(address)),
      write8(address, value) {
        operations.push(['w', 1, address, value])
        bus.write8(address, value)
      },
      write16(address, value) {
        operations.push(['w', 2, address, value])
        bus.write16(address, value)
      },
      write32(address, value) {
        operations.push(['w', 4, address, value])
        bus.write32(address, value)
      },
      readBytes(address, into) {
        bus.readBytes(address, into)
        operations.push(['R', address, bytesToHex(into)])
      },
      writeBytes(address, from) {
        operations.push(['W', address, from.length, crc32(from)])
        bus.writeBytes(address, from)
      },
      nextInterrupt() {
        const vector = bus.nextInterrupt()
        operations.push(['v', vector])
        return vector
      },
      idle() {
        const idle = bus.idle()
        operations.push(['z', idle ? 1 : 0])
        return idle
      },
      ...(recordedPorts && { ports: recordedPorts }),
      ...(cache && { cache: recordCache(cache, operations) }),
      ...(uncachedOffset !== undefined && { uncachedOffset }),
      ...(hypercall && {
        hypercall(number, args, out) {
          const asked = [...args]
          const code = hypercall(number, args, out)
          operations.push(['h', number, asked, code, [...out]])
          return code
        },
      }),
      ...(cpuid && {
        cpuid(leaf, subleaf, out) {
          cpuid(leaf, subleaf, out)
          operations.push(['c', leaf, subleaf, [...out]])
        },
      }),
      ...(setPageState && {
        setPageState(page, state) {
          const code = setPageState(page, state)
          operations.push(['p', page, state === 'shared' ? 1 : 0, code])
          return code
        },
      }),
      ...(systemRegisters && { systemRegisters: recordRegisters(systemRegisters, operations) }),
    },
  }
}

function recordCache(cache: CacheBus, operations: CpuOperation[]): CacheBus {
  return {
    lineBytes: cache.lineBytes,
    clean(address, length) {
      operations.push(['k', 'clean', address, length])
      cache.clean(address, length)
    },
    invalidate(address, length) {
      operations.push(['k', 'invalidate', address, length])
      cache.invalidate(address, length)
    },
  }
}

function recordRegisters(registers: SystemRegisterBus, operations: CpuOperation[]): SystemRegisterBus {
  return {
    read(register) {
      const value = registers.read(register)
      operations.push(['s', register, value])
      return value
    },
    write(register, value) {
      operations.push(['S', register, value])
      registers.write(register, value)
    },
  }
}

function recordPorts(ports: PortBus, operations: CpuOperation[]): PortBus {
  const read = (width: 1 | 2 | 4, port: number, value: number): number => {
    operations.push(['i', width, port, value])
    return value
  }
  return {
    in8: (port) => read(1, port, ports.in8(port)),
    in16: (port) => read(2, port, ports.in16(port)),
    in32: (port) => read(4, port, ports.in32(port)),
    out8(port, value) {
      operations.push(['o', 1, port, value])
      ports.out8(port, value)
    },
    out16(port, value) {
      operations.push(['o', 2, port, value])
      ports.out16(port, value)
    },
    out32(port, value) {
      operations.push(['o', 4, port, value])
      ports.out32(port, value)
    },
  }
}
