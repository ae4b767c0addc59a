import type { MmioHandler, PortHandler } from '@dmascope/memory'
import { FW_CFG_PORT } from './fw-cfg.ts'

/** Offsets of the memory-mapped form (QEMU docs/specs/fw_cfg). All registers are big-endian. */
const DATA = 0
const SELECTOR = 8
const DMA_HIGH = 16
const DMA_LOW = 20

const swap16 = (value: number): number => ((value & 0xff) << 8) | ((value >>> 8) & 0xff)

/** The registers of a firmware configuration device where they are memory: the same device in another dress. */
export const fwCfgRegisters = (device: PortHandler): MmioHandler => ({
  read(offset, width) {
    if (offset >= DMA_HIGH) return device.read(offset - DMA_HIGH + FW_CFG_PORT.dmaHigh, width)
    if (offset >= SELECTOR) return 0
    // Bytes come one after the other, whatever the width.
    let value = 0
    for (let index = 0; index < width; index++) value += device.read(FW_CFG_PORT.data, 1) * 2 ** (8 * index)
    return value
  },
  write(offset, width, value) {
    if (offset === SELECTOR && width === 2) device.write(FW_CFG_PORT.select, 2, swap16(value))
    else if (offset === DMA_HIGH || offset === DMA_LOW)
      device.write(offset - DMA_HIGH + FW_CFG_PORT.dmaHigh, width, value)
    else if (offset === DATA) device.write(FW_CFG_PORT.data, width, value)
  },
})
