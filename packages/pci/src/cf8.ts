import type { PortHandler } from '@dmascope/memory'
import { CONFIG_ADDRESS } from './spec/config-address.ts'

/** What configuration requests go to. */
export interface ConfigTarget {
  configRead(bus: number, device: number, fn: number, offset: number, width: 1 | 2 | 4): number
  configWrite(bus: number, device: number, fn: number, offset: number, width: 1 | 2 | 4, value: number): void
}

const { ENABLE, BUS_NUMBER, DEVICE_NUMBER, FUNCTION_NUMBER, REGISTER_NUMBER } = CONFIG_ADDRESS.fields
const WRITABLE = Object.values(CONFIG_ADDRESS.fields).reduce((mask, one) => mask | one.loMask, 0)
const DATA = 4

/**
 * Configuration mechanism #1 (PCI Local Bus 3.0 §3.2.2.3.2): CONFIG_ADDRESS takes dwords only; CONFIG_DATA takes any
 * width, at the byte that the port's two low bits name.
 */
export function createCf8Ports(target: ConfigTarget): PortHandler {
  // A signed word: one that is no small integer would be a heap number, and a new one at each write.
  let address = 0
  const registerAt = (offset: number): number => (REGISTER_NUMBER.get(address) << 2) | (offset & 3)
  return {
    read(offset, width) {
      if (offset === 0 && width === 4) return address >>> 0
      if (offset < DATA || ENABLE.get(address) === 0) return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff
      return target.configRead(
        BUS_NUMBER.get(address),
        DEVICE_NUMBER.get(address),
        FUNCTION_NUMBER.get(address),
        registerAt(offset),
        width,
      )
    },
    write(offset, width, value) {
      if (offset === 0 && width === 4) address = (value & WRITABLE) | 0
      if (offset < DATA || ENABLE.get(address) === 0) return
      target.configWrite(
        BUS_NUMBER.get(address),
        DEVICE_NUMBER.get(address),
        FUNCTION_NUMBER.get(address),
        registerAt(offset),
        width,
        value,
      )
    },
  }
}
