import {
  VIRTIO_MMIO,
  VIRTIO_MMIO_BYTES,
  VIRTIO_MMIO_CONFIG_OFFSET,
  VIRTIO_MMIO_LEGACY,
  VIRTIO_MMIO_MAGIC,
} from '@dmascope/virtio-mmio/spec'
import { expect, test } from 'vitest'

const offsets = (block: { readonly registers: Readonly<Record<string, { readonly offset: number }>> }): string =>
  Object.entries(block.registers)
    .map(([name, { offset }]) => `${name} ${offset.toString(16).padStart(3, '0')}`)
    .join(', ')

test('§4.2.2: the registers of version 2', () => {
  expect(offsets(VIRTIO_MMIO)).toBe(
    'MagicValue 000, Version 004, DeviceID 008, VendorID 00c, DeviceFeatures 010, DeviceFeaturesSel 014, ' +
      'DriverFeatures 020, DriverFeaturesSel 024, QueueSel 030, QueueSizeMax 034, QueueSize 038, QueueReady 044, ' +
      'QueueNotify 050, InterruptStatus 060, InterruptACK 064, Status 070, QueueDescLow 080, QueueDescHigh 084, ' +
      'QueueDriverLow 090, QueueDriverHigh 094, QueueDeviceLow 0a0, QueueDeviceHigh 0a4, SHMSel 0ac, SHMLenLow 0b0, ' +
      'SHMLenHigh 0b4, SHMBaseLow 0b8, SHMBaseHigh 0bc, QueueReset 0c0, ConfigGeneration 0fc',
  )
  expect(VIRTIO_MMIO_CONFIG_OFFSET).toBe(0x100)
  expect(VIRTIO_MMIO_BYTES).toBe(0x200)
})

test('§4.2.4: what the legacy block has of its own', () => {
  expect(offsets(VIRTIO_MMIO_LEGACY)).toBe('GuestPageSize 028, QueueAlign 03c, QueuePFN 040')
})

test('the magic value is "virt", little-endian', () => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, VIRTIO_MMIO_MAGIC, true)
  expect(new TextDecoder().decode(bytes)).toBe('virt')
})
