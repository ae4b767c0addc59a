export type { CacheBus, CpuBus, PortBus, SystemRegisterBus } from './cpu-bus.ts'
export type { Access, DmaPort, DmaResult, InterruptPort, RingView } from './dma-port.ts'
export {
  ACCESS_READ,
  ACCESS_READ_WRITE,
  ACCESS_WRITE,
  DMA_DECODE_ERROR,
  DMA_DISABLED,
  DMA_FAULT,
  DMA_OK,
  DMA_PENDING,
} from './dma-port.ts'
export type { DmaPhase, DmaWitness } from './dma-witness.ts'
export type { MmioHandler, PortHandler } from './mmio.ts'
export type { InterruptLine, PlatformDevice } from './platform-device.ts'
export { channelOwner, platformOwner } from './platform-device.ts'
