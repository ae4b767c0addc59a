import {
  featureBits,
  featureNumbers,
  hasFeature,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_PCI_CAP,
  VIRTIO_PCI_CFG_CAP,
  VIRTIO_PCI_COMMON_CFG,
  VIRTIO_PCI_LEGACY,
  VIRTIO_PCI_NOTIFY_CAP,
  VIRTIO_STATUS,
  withoutFeatures,
} from '@dmascope/virtio-pci/spec'
import { describe, expect, it } from 'vitest'

describe('layouts', () => {
  it('§4.1.4 virtio_pci_cap', () => {
    const { cfg_type, bar, offset, length } = VIRTIO_PCI_CAP.fields
    expect([cfg_type.offset, bar.offset, offset.offset, length.offset, VIRTIO_PCI_CAP.size]).toEqual([3, 4, 8, 12, 16])
    expect(VIRTIO_PCI_NOTIFY_CAP.fields.notify_off_multiplier.offset).toBe(16)
    expect([VIRTIO_PCI_NOTIFY_CAP.size, VIRTIO_PCI_CFG_CAP.size]).toEqual([20, 20])
  })

  it('§4.1.4.3 virtio_pci_common_cfg', () => {
    const offsets = Object.values(VIRTIO_PCI_COMMON_CFG.registers).map(({ offset }) => offset)
    expect(offsets).toEqual([
      0x00, 0x04, 0x08, 0x0c, 0x10, 0x12, 0x14, 0x15, 0x16, 0x18, 0x1a, 0x1c, 0x1e, 0x20, 0x28, 0x30, 0x38, 0x3a, 0x3c,
      0x3e,
    ])
    expect(VIRTIO_PCI_COMMON_CFG.size).toBe(64)
  })

  it('§4.1.4.10 the legacy header', () => {
    const offsets = Object.values(VIRTIO_PCI_LEGACY.registers).map(({ offset }) => offset)
    expect(offsets).toEqual([0x00, 0x04, 0x08, 0x0c, 0x0e, 0x10, 0x12, 0x13])
    expect(VIRTIO_PCI_LEGACY.size).toBe(0x14)
  })

  it('§2.1 the device status bits', () => {
    expect(Object.values(VIRTIO_STATUS.fields).map(({ loMask }) => loMask)).toEqual([128, 64, 8, 4, 2, 1])
  })
})

describe('feature sets', () => {
  it('are two words of 32', () => {
    const set = featureBits(0, 31, 32, VIRTIO_F_ACCESS_PLATFORM, 63)
    expect(set).toEqual({ lo: 0x8000_0001, hi: 0x8000_0003 })
    expect(featureNumbers(set)).toEqual([0, 31, 32, 33, 63])
    expect([hasFeature(set, 33), hasFeature(set, 34), hasFeature(set, 31)]).toEqual([true, false, true])
    expect(withoutFeatures(set, featureBits(31, 63))).toEqual({ lo: 1, hi: 3 })
    expect(() => featureBits(64)).toThrow(RangeError)
  })
})
