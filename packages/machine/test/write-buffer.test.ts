import { describe, expect, it } from 'vitest'
import { WriteBuffer } from '../src/coherency/write-buffer.ts'

const build = (): { memory: Uint8Array; arrived: number[]; buffer: WriteBuffer } => {
  const memory = new Uint8Array(0x1000)
  const arrived: number[] = []
  const buffer = new WriteBuffer({
    readBytes: (address, into) => into.set(memory.subarray(address, address + into.length)),
    writeBytes(address, from) {
      arrived.push(address)
      memory.set(from, address)
    },
  })
  return { memory, arrived, buffer }
}
const read = (buffer: WriteBuffer, address: number, length: number): number[] => {
  const into = new Uint8Array(length)
  buffer.readBytes(address, into)
  return [...into]
}

describe('a buffer of writes', () => {
  it('keeps a write from memory, and gives it back to who wrote it', () => {
    const { memory, buffer } = build()
    buffer.writeBytes(0x10, Uint8Array.of(1, 2, 3))
    expect([...memory.subarray(0x10, 0x13)]).toEqual([0, 0, 0])
    expect(read(buffer, 0x0f, 5)).toEqual([0, 1, 2, 3, 0])
  })

  it('of two writes to one place the later one holds, before and after they arrive', () => {
    const { memory, buffer } = build()
    buffer.writeBytes(0x10, Uint8Array.of(1, 1))
    buffer.writeBytes(0x11, Uint8Array.of(2, 2))
    expect(read(buffer, 0x10, 3)).toEqual([1, 2, 2])
    buffer.drain()
    expect([...memory.subarray(0x10, 0x13)]).toEqual([1, 2, 2])
    expect(buffer.pending).toBe(0)
  })

  it('has room for 16 writes of 64 bytes: the oldest goes when another comes', () => {
    const { arrived, buffer } = build()
    for (let index = 0; index < 16; index++) buffer.writeBytes(index * 4, Uint8Array.of(index))
    expect(arrived).toEqual([])
    buffer.writeBytes(0x800, new Uint8Array(128))
    expect(arrived).toEqual([0, 4])
    expect(buffer.pending).toBe(16)
    buffer.drain()
    expect(arrived.slice(-2)).toEqual([0x800, 0x840])
  })

  it('does not change with the bytes that its caller goes on to use', () => {
    const { buffer } = build()
    const bytes = Uint8Array.of(1)
    buffer.writeBytes(0, bytes)
    bytes[0] = 9
    expect(read(buffer, 0, 1)).toEqual([1])
  })
})
