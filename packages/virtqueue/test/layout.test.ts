import { availableRingBytes, needEvent, splitRingBytes, splitRingLayout, usedRingBytes } from '@dmascope/virtqueue'
import { VIRTQ_AVAIL, VIRTQ_DESC, VIRTQ_DESC_F, VIRTQ_USED, VIRTQ_USED_ELEM } from '@dmascope/virtqueue/spec'
import { describe, expect, test } from 'vitest'

describe('virtio 1.3 §2.7, layout', () => {
  test('§2.7.5 a descriptor is addr le64, len le32, flags le16, next le16', () => {
    const { addr, len, flags, next } = VIRTQ_DESC.fields
    expect([addr.offset, len.offset, flags.offset, next.offset, VIRTQ_DESC.size]).toEqual([0, 8, 12, 14, 16])
  })

  test('§2.7.5 NEXT is 1, WRITE is 2, INDIRECT is 4', () => {
    const { VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VIRTQ_DESC_F_INDIRECT } = VIRTQ_DESC_F.fields
    expect([VIRTQ_DESC_F_NEXT.loMask, VIRTQ_DESC_F_WRITE.loMask, VIRTQ_DESC_F_INDIRECT.loMask]).toEqual([1, 2, 4])
  })

  test('§2.7.6 flags and idx stand before the available ring', () => {
    expect([VIRTQ_AVAIL.fields.flags.offset, VIRTQ_AVAIL.fields.idx.offset, VIRTQ_AVAIL.size]).toEqual([0, 2, 4])
  })

  test('§2.7.8 flags and idx stand before the used ring; its elements are id le32, len le32', () => {
    expect([VIRTQ_USED.fields.flags.offset, VIRTQ_USED.fields.idx.offset, VIRTQ_USED.size]).toEqual([0, 2, 4])
    expect([VIRTQ_USED_ELEM.fields.id.offset, VIRTQ_USED_ELEM.fields.len.offset, VIRTQ_USED_ELEM.size]).toEqual([
      0, 4, 8,
    ])
  })

  test('§2.7 parts of a queue of 256: 4096, 6 + 2 * 256 and 6 + 8 * 256 bytes', () => {
    expect([availableRingBytes(256), usedRingBytes(256)]).toEqual([518, 2054])
    expect([availableRingBytes(256, false), usedRingBytes(256, false)]).toEqual([516, 2052])
  })

  test('§2.7.2 in one piece, the used ring starts at the next multiple of the alignment', () => {
    expect(splitRingLayout(256, 4096)).toEqual({ desc: 0, driver: 4096, device: 8192, bytes: 10246 })
    expect(splitRingLayout(128, 4096)).toEqual({ desc: 0, driver: 2048, device: 4096, bytes: 5126 })
    expect(splitRingBytes(1, 4)).toBe(16 + 8 + 14)
  })

  test.each([0, 3, 65536, -1, 1.5])('a size of %s is refused', (size) => {
    expect(() => splitRingLayout(size)).toThrow(RangeError)
  })

  test.each([0, 2, 3, 4097])('an alignment of %s is refused', (align) => {
    expect(() => splitRingLayout(8, align)).toThrow(RangeError)
  })
})

describe('virtio 1.3 §2.7.7.2, event index', () => {
  test('told when the entry at the event was made, and not again', () => {
    expect(needEvent(5, 6, 5)).toBe(true)
    expect(needEvent(5, 7, 6)).toBe(false)
    expect(needEvent(5, 9, 2)).toBe(true)
    expect(needEvent(5, 5, 2)).toBe(false)
  })

  test('across the wrap of 16 bits', () => {
    expect(needEvent(0xffff, 0, 0xffff)).toBe(true)
    expect(needEvent(0xffff, 3, 0xfffe)).toBe(true)
    expect(needEvent(1, 0, 0xfffe)).toBe(false)
    expect(needEvent(1, 2, 0xfffe)).toBe(true)
  })
})
