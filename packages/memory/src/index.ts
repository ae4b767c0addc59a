export type { CpuBus, PortBus } from './contracts/cpu-bus.ts'
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
