import type { AddressSpace, CpuBus } from '@dmascope/memory'

/** Memory and interrupts of a bus as software has them, with what a test puts in the place of some. */
export const busLike = (bus: CpuBus, instead: Partial<CpuBus> = {}): CpuBus => ({
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
  ...instead,
})

/** A bus with this memory and these registers, on which nothing interrupts. */
export const busOver = (space: AddressSpace, more: Partial<CpuBus> = {}): CpuBus => ({
  read8: (address) => space.read(address, 1),
  read16: (address) => space.read(address, 2),
  read32: (address) => space.read(address, 4),
  write8: (address, value) => space.write(address, 1, value),
  write16: (address, value) => space.write(address, 2, value),
  write32: (address, value) => space.write(address, 4, value),
  readBytes: (address, into) => space.readBytes(address, into),
  writeBytes: (address, from) => space.writeBytes(address, from),
  nextInterrupt: () => -1,
  idle: () => true,
  ...more,
})
