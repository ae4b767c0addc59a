import { describe, expect, it } from 'vitest'
import type { NetDevice } from '../src/index.ts'
import type { Bench } from './bench.ts'
import { be16, CTRL, MAC, setup } from './net-bench.ts'

describe('§5.1.6.5 the control queue', () => {
  const command = (bench: Bench, ...bytes: number[]): number | undefined => {
    const ack = bench.piece(Uint8Array.of(0xee))
    bench.request(CTRL, [bench.piece(Uint8Array.from(bytes))], [ack])
    return ack.bytes[0]
  }
  /** Whether a frame to `destination` gets in. */
  const admits = (device: NetDevice, ...destination: number[]): boolean =>
    device.deliver(Uint8Array.of(...destination, ...MAC, 0x88, 0xb5, ...new Array(46).fill(0)))
  const OWN = [...MAC]
  const OTHER = [2, 0, 0, 0, 0, 9]
  const MULTICAST = [1, 0, 0x5e, 0, 0, 1]
  const BROADCAST = new Array<number>(6).fill(0xff)

  it('lets everything in after reset, and what was asked for without promiscuous mode', () => {
    const { bench, device } = setup()
    expect([OWN, OTHER, MULTICAST, BROADCAST].map((to) => admits(device, ...to))).toEqual([true, true, true, true])
    expect(command(bench, 0, 0, 0)).toBe(0)
    expect([OWN, OTHER, MULTICAST, BROADCAST].map((to) => admits(device, ...to))).toEqual([true, false, false, true])
    expect(command(bench, 0, 5, 1)).toBe(0) // no broadcast
    expect(admits(device, ...BROADCAST)).toBe(false)
    expect(command(bench, 0, 1, 1)).toBe(0) // all multicast
    expect(admits(device, ...MULTICAST)).toBe(true)
    expect(command(bench, 0, 3, 1)).toBe(0) // no multicast: stronger
    expect(admits(device, ...MULTICAST)).toBe(false)
    expect(command(bench, 0, 2, 1)).toBe(0) // all unicast
    expect(admits(device, ...OTHER)).toBe(true)
    expect(command(bench, 0, 4, 1)).toBe(0) // no unicast: stronger
    expect(admits(device, ...OWN)).toBe(false)
    expect(command(bench, 0, 6, 1)).toBe(1)
    expect(command(bench, 0, 0)).toBe(1)
  })

  it('filters by the tables that the driver sets', () => {
    const { bench, device } = setup()
    command(bench, 0, 0, 0)
    expect(command(bench, 1, 0, ...[1, 0, 0, 0, ...OTHER], ...[1, 0, 0, 0, ...MULTICAST])).toBe(0)
    expect([OTHER, MULTICAST, [2, 0, 0, 0, 0, 8], [3, 0, 0, 0, 0, 1]].map((to) => admits(device, ...to))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(command(bench, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(0)
    expect(admits(device, ...OTHER)).toBe(false)
  })

  it('lets a whole kind in where its table has more than 64 addresses', () => {
    const { bench, device } = setup()
    command(bench, 0, 0, 0)
    const many = Array.from({ length: 65 }, (_, index) => [2, 0, 0, 0, 1, index]).flat()
    expect(command(bench, 1, 0, 65, 0, 0, 0, ...many, 0, 0, 0, 0)).toBe(0)
    expect([OTHER, MULTICAST].map((to) => admits(device, ...to))).toEqual([true, false])
    const groups = many.map((byte, index) => (index % 6 === 0 ? 1 : byte))
    expect(command(bench, 1, 0, 0, 0, 0, 0, 65, 0, 0, 0, ...groups)).toBe(0)
    expect([OTHER, MULTICAST].map((to) => admits(device, ...to))).toEqual([false, true])
  })

  it('refuses tables that are longer than the command', () => {
    const { bench } = setup()
    expect(command(bench, 1, 0, 0xff, 0xff, 0xff, 0xff, ...OTHER)).toBe(1)
    expect(command(bench, 1, 0, 1, 0, 0, 0, ...OTHER)).toBe(1)
    expect(command(bench, 1, 0, 0, 0, 0)).toBe(1)
  })

  it('sets the address, whole and only whole', () => {
    const { bench, device } = setup()
    expect(command(bench, 1, 1, ...OTHER)).toBe(0)
    expect(device.config.read(0, 4)).toBe(2)
    expect(device.config.read(5, 1)).toBe(9)
    expect(command(bench, 1, 1, ...OTHER.slice(1))).toBe(1)
    expect(command(bench, 1, 1, ...OWN, 0)).toBe(1)
    expect(command(bench, 1, 2, ...OTHER)).toBe(1)
    command(bench, 0, 0, 0)
    expect([OTHER, OWN].map((to) => admits(device, ...to))).toEqual([true, false])
  })

  it('filters VLANs that were not added', () => {
    const { bench, device } = setup()
    command(bench, 0, 0, 0)
    const tagged = (id: number): boolean =>
      device.deliver(Uint8Array.of(...MAC, ...OTHER, 0x81, 0, ...be16(id), ...new Array(46).fill(0)))
    expect(tagged(5)).toBe(false)
    expect(command(bench, 2, 0, 5, 0)).toBe(0)
    expect([tagged(5), tagged(4)]).toEqual([true, false])
    expect(command(bench, 2, 1, 5, 0)).toBe(0)
    expect(tagged(5)).toBe(false)
    expect(command(bench, 2, 0, 0, 16)).toBe(1)
    expect(command(bench, 2, 2, 5, 0)).toBe(1)
    expect(command(bench, 2, 0, 5)).toBe(1)
  })

  it('asks for an announcement, and takes its acknowledgement once', () => {
    const { bench, device } = setup()
    expect(command(bench, 3, 0)).toBe(1)
    device.announce()
    expect(bench.configChanges).toBe(1)
    expect(device.config.read(6, 2)).toBe(3)
    expect(command(bench, 3, 0)).toBe(0)
    expect(device.config.read(6, 2)).toBe(1)
    expect(command(bench, 3, 0)).toBe(1)
  })

  it('has no receive offload to switch on', () => {
    const { bench } = setup()
    expect(command(bench, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(0)
    expect(command(bench, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0)).toBe(1)
    expect(command(bench, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(1)
  })

  it('answers an error to classes that it does not know, and to commands that it cannot read', () => {
    const { bench } = setup()
    for (const unknown of [4, 6, 255]) expect(command(bench, unknown, 0, 0, 0)).toBe(1)
    const [head, data] = [bench.piece(Uint8Array.of(0, 0)), bench.piece(1)]
    const ack = bench.piece(Uint8Array.of(0xee))
    bench.refuse(data)
    bench.request(CTRL, [head, data], [ack])
    expect(ack.bytes[0]).toBe(1)
  })
})
