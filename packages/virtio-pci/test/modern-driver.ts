import type { Bench } from './bench-function.ts'

// Offsets in virtio_pci_common_cfg, virtio 1.3 §4.1.4.3; the structure stands at 0 of BAR 4.
export const DEVICE_FEATURE_SELECT = 0x00
export const DEVICE_FEATURE = 0x04
const DRIVER_FEATURE_SELECT = 0x08
export const DRIVER_FEATURE = 0x0c
export const CONFIG_MSIX_VECTOR = 0x10
export const NUM_QUEUES = 0x12
export const DEVICE_STATUS = 0x14
export const CONFIG_GENERATION = 0x15
export const QUEUE_SELECT = 0x16
export const QUEUE_SIZE = 0x18
export const QUEUE_MSIX_VECTOR = 0x1a
export const QUEUE_ENABLE = 0x1c
export const QUEUE_NOTIFY_OFF = 0x1e
export const QUEUE_DESC = 0x20
const QUEUE_DRIVER = 0x28
export const QUEUE_DEVICE = 0x30
export const QUEUE_RESET = 0x3a
export const ISR = 0x1000
export const DEVICE_CONFIG = 0x2000
export const NOTIFY = 0x3000

/** The word of what the device offers. */
export const offered = (bench: Bench, word: 0 | 1): number => {
  bench.write(4, DEVICE_FEATURE_SELECT, 4, word)
  return bench.read(4, DEVICE_FEATURE, 4)
}
/** What the driver takes, both words. */
export const accept = (bench: Bench, lo: number, hi: number): void => {
  bench.write(4, DRIVER_FEATURE_SELECT, 4, 0)
  bench.write(4, DRIVER_FEATURE, 4, lo)
  bench.write(4, DRIVER_FEATURE_SELECT, 4, 1)
  bench.write(4, DRIVER_FEATURE, 4, hi)
}
export const status = (bench: Bench): number => bench.read(4, DEVICE_STATUS, 1)
export const setStatus = (bench: Bench, value: number): void => bench.write(4, DEVICE_STATUS, 1, value)

/** Size and places of a queue, which is not enabled yet. */
export function placeQueue(bench: Bench, index: number, size: number): void {
  bench.write(4, QUEUE_SELECT, 2, index)
  bench.write(4, QUEUE_SIZE, 2, size)
  bench.write(4, QUEUE_DESC, 4, 0x1000 + index * 0x8000)
  bench.write(4, QUEUE_DRIVER, 4, 0x3000 + index * 0x8000)
  bench.write(4, QUEUE_DEVICE, 4, 0x4000 + index * 0x8000)
}

/** Through DRIVER_OK, with both queues of 16 entries and the features given. */
export function start(bench: Bench, lo = 0, hi = 1): void {
  setStatus(bench, 0x01)
  setStatus(bench, 0x03)
  accept(bench, lo, hi)
  setStatus(bench, 0x0b)
  for (const index of [0, 1]) {
    placeQueue(bench, index, 16)
    bench.write(4, QUEUE_MSIX_VECTOR, 2, index + 1)
    bench.write(4, QUEUE_ENABLE, 2, 1)
  }
  setStatus(bench, 0x0f)
}
