import { createFlatPort } from '@dmascope/virtqueue/device'
import { createFlatBus } from '@dmascope/virtqueue/driver'
import { describe, expect, test } from 'vitest'

describe('flat memory', () => {
  test.each([3, 100])('a DMA of %s bytes moves them, at any alignment of the buffer', (length) => {
    const memory = new Uint8Array(new ArrayBuffer(1024), 8, 512)
    const port = createFlatPort(memory)
    const from = Uint8Array.from({ length }, (_, index) => index + 1)
    expect(port.write(0, 17, from)).toBe(0)
    expect([...memory.subarray(16, 20)]).toEqual([0, 1, 2, 3])
    const into = new Uint8Array(length)
    expect(port.read(0, 17, into)).toBe(0)
    expect(into).toEqual(from)
  })

  test('beyond the end nothing answers: what lies before it was moved, reads give all ones', () => {
    const memory = new Uint8Array(16).fill(5)
    const port = createFlatPort(memory)
    const into = new Uint8Array(4)
    expect(port.read(0, 14, into)).toBe(2)
    expect([...into]).toEqual([5, 5, 0xff, 0xff])
    expect(port.write(0, 14, new Uint8Array(4))).toBe(2)
    expect([...memory.subarray(12)]).toEqual([5, 5, 0, 0])
    expect(port.read(1, 0, into)).toBe(2)
    expect(port.write(0, 0xffff_ffff, into)).toBe(2)
    expect([port.view(0, 12, 5, 3), port.view(1, 0, 1, 3)]).toEqual([null, null])
  })

  test('a view is a window onto the same bytes', () => {
    const memory = new Uint8Array(new ArrayBuffer(64), 8, 32)
    const port = createFlatPort(memory)
    const view = port.view(0, 4, 8, 3)!
    view.data.setUint32(0, 0x01020304, true)
    expect([...memory.subarray(4, 8)]).toEqual([4, 3, 2, 1])
    expect([view.bytes.length, view.bytes[0], port.isCurrent(view)]).toEqual([8, 4, true])
  })

  test('a bus: little-endian words, all ones beyond the end, writes there dropped', () => {
    const memory = new Uint8Array(8)
    const bus = createFlatBus(memory)
    bus.write32(0, 0x8001_0203)
    bus.write16(4, 0xfffe)
    bus.write8(6, 0x7f)
    expect([bus.read8(3), bus.read16(0), bus.read32(0), bus.read32(4)]).toEqual([
      0x80, 0x0203, 0x8001_0203, 0x007f_fffe,
    ])
    expect([bus.read8(8), bus.read16(7), bus.read32(5)]).toEqual([0xff, 0xffff, 0xffff_ffff])
    bus.write8(8, 1)
    bus.write16(7, 0x101)
    bus.write32(5, 0x1010101)
    const into = new Uint8Array(4)
    bus.readBytes(6, into)
    expect([...into]).toEqual([0x7f, 0, 0xff, 0xff])
    bus.writeBytes(6, new Uint8Array([9, 9, 9]))
    expect([...memory.subarray(4)]).toEqual([0xfe, 0xff, 9, 9])
    bus.readBytes(100, into)
    expect([...into]).toEqual([0xff, 0xff, 0xff, 0xff])
  })
})
