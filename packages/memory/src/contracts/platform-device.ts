import type { DmaPort } from './dma-port.ts'
import type { MmioHandler } from './mmio.ts'

/**
 * How the witness knows a device that is on no bus: by where its registers are, `mmio:0xa003e00`. What a kernel calls it
 * depends on who told of it.
 */
export const platformOwner = (base: number): string => `mmio:0x${base.toString(16)}`

/**
 * How the witness knows a device at the end of a subchannel: by its subchannel set and device number, as Linux names it,
 * `ccw:0.0.1234`.
 */
export const channelOwner = (set: number, deviceNumber: number): string =>
  `ccw:0.${set.toString(16)}.${deviceNumber.toString(16).padStart(4, '0')}`

/** A device's interrupt line, where it has a wire of its own instead of messages. */
export interface InterruptLine {
  /** Drives the line. Whether software sees a level or an edge is the interrupt controller's. */
  drive(asserted: boolean): void
}

/**
 * A device that is on no bus which software could ask: registers at an address, a line, a way to memory. Firmware tells
 * where it is. A register write latches and returns; DMA happens in `work`.
 */
export interface PlatformDevice extends MmioHandler {
  /** Once, before anything else. */
  connect(dma: DmaPort, line: InterruptLine): void
  work(budget: number): 'idle' | 'more' | 'waiting'
}
