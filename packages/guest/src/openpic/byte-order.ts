import type { CpuBus } from '@dmascope/memory/contracts'

/** Registers of 32 bits, in one byte order. The CPU bus itself is little-endian. */
export interface WordRegisters {
  read(address: number): number
  write(address: number, value: number): void
}

export const littleEndian = (bus: CpuBus): WordRegisters => ({
  read: (address) => bus.read32(address),
  write: (address, value) => bus.write32(address, value >>> 0),
})

export const bigEndian = (bus: CpuBus): WordRegisters => ({
  read: (address) => swap32(bus.read32(address)),
  write: (address, value) => bus.write32(address, swap32(value)),
})

const swap32 = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
