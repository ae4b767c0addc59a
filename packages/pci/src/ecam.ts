import type { MmioHandler } from '@dmascope/memory'
import type { ConfigTarget } from './cf8.ts'
import { ECAM_OFFSET } from './spec/config-address.ts'

const { BUS_NUMBER, DEVICE_NUMBER, FUNCTION_NUMBER, REGISTER_NUMBER } = ECAM_OFFSET.fields

/** The memory-mapped way to configuration space: the offset is the address (PCI Express Base 6.0 §7.2.2). */
export function createEcam(target: ConfigTarget, firstBus: number): MmioHandler {
  return {
    read: (offset, width) =>
      target.configRead(
        firstBus + BUS_NUMBER.get(offset),
        DEVICE_NUMBER.get(offset),
        FUNCTION_NUMBER.get(offset),
        REGISTER_NUMBER.get(offset),
        width,
      ),
    write: (offset, width, value) =>
      target.configWrite(
        firstBus + BUS_NUMBER.get(offset),
        DEVICE_NUMBER.get(offset),
        FUNCTION_NUMBER.get(offset),
        REGISTER_NUMBER.get(offset),
        width,
        value,
      ),
  }
}
