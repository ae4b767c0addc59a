export type { Region, Window } from './address-space.ts'
export { AddressSpace, PortSpace, romRegion } from './address-space.ts'
export { CHUNK_BYTES, CHUNK_SHIFT } from './arena.ts'
export type { CacheBus, CpuBus, PortBus, SystemRegisterBus } from './contracts/cpu-bus.ts'
export type { Access, DmaPort, DmaResult, InterruptPort, RingView } from './contracts/dma-port.ts'
export {
  ACCESS_READ,
  ACCESS_READ_WRITE,
  ACCESS_WRITE,
  DMA_DECODE_ERROR,
  DMA_DISABLED,
  DMA_FAULT,
  DMA_OK,
  DMA_PENDING,
} from './contracts/dma-port.ts'
export type { DmaPhase, DmaWitness } from './contracts/dma-witness.ts'
export type { MmioHandler, PortHandler } from './contracts/mmio.ts'
export type { InterruptLine, PlatformDevice } from './contracts/platform-device.ts'
export { channelOwner, platformOwner } from './contracts/platform-device.ts'
export type { RamRange } from './guest-ram.ts'
export { GuestRam } from './guest-ram.ts'
