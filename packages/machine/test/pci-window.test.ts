import { AddressSpace, GuestRam, PortSpace } from '@dmascope/memory'
import { ConfigSpace, type PciFunction, RootComplex } from '@dmascope/pci'
import { afterEach, describe, expect, it } from 'vitest'
import { PciWindow } from '../src/fabric/pci-window.ts'
import { RunQueue } from '../src/fabric/run-queue.ts'

const rams: GuestRam[] = []
afterEach(() => {
  for (const ram of rams.splice(0)) ram.dispose()
})

/** A function with registers in memory and in ports, which keeps what was done to it. */
class Card implements PciFunction {
  readonly config = new ConfigSpace({
    vendorId: 0x1af4,
    deviceId: 0x1042,
    classCode: 0x01_0000,
    bars: [
      { bar: 0, kind: 'memory32', size: 0x1000 },
      { bar: 1, kind: 'io', size: 0x20 },
      { bar: 2, kind: 'memory64', size: 0x4000, prefetchable: true },
    ],
    romSize: 0x800,
  })
  readonly seen: string[] = []
  connect(): void {}
  readBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    this.seen.push(`read ${bar} 0x${offset.toString(16)} ${width}`)
    out[0] = 0xfedc_ba98
  }
  writeBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number, hi: number): void {
    this.seen.push(`write ${bar} 0x${offset.toString(16)} ${width} 0x${lo.toString(16)} ${hi}`)
  }
  work(): 'idle' {
    this.seen.push('work')
    return 'idle'
  }
  reset(): void {}
}

function build() {
  const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
  rams.push(ram)
  const space = new AddressSpace(ram)
  const ports = new PortSpace()
  const root = new RootComplex()
  const queue = new RunQueue()
  const window = new PciWindow(root, queue)
  space.addWindow(window)
  ports.setFallback((port) => window.findPort(port))
  const card = new Card()
  root.attach(card, { device: 3 })
  card.config.write(0x10, 4, 0xfe00_0000)
  card.config.write(0x14, 4, 0xc000)
  card.config.write(0x18, 4, 0x8000_0000)
  card.config.write(0x1c, 4, 0x10)
  card.config.write(0x30, 4, 0xfd00_0001)
  card.config.write(0x04, 2, 3)
  return { space, ports, queue, card }
}

describe('the PCI window', () => {
  it('leads to the BAR at an address, above 4 GiB too, with the offset from its start', () => {
    const { space, card } = build()
    expect(space.read(0xfe00_0ffc, 4)).toBe(0xfedc_ba98)
    expect(space.read(0x10_8000_0010, 2)).toBe(0xba98)
    expect(space.read(0xfe00_0001, 1)).toBe(0x98)
    space.write(0x10_8000_3ffc, 4, 0xffff_ffff)
    expect(card.seen).toEqual(['read 0 0xffc 4', 'read 2 0x10 2', 'read 0 0x1 1', 'write 2 0x3ffc 4 0xffffffff 0'])
  })

  it('gives a function work when its registers are written, and not when they are read', () => {
    const { space, queue, card } = build()
    space.read(0xfe00_0000, 4)
    expect(queue.empty).toBe(true)
    space.write(0xfe00_0000, 4, 1)
    expect(queue.empty).toBe(false)
    queue.run(() => false)
    expect(card.seen.at(-1)).toBe('work')
  })

  it('answers at ports', () => {
    const { ports, queue, card } = build()
    expect(ports.read(0xc004, 2)).toBe(0xba98)
    ports.write(0xc01f, 1, 0xab)
    expect(card.seen).toEqual(['read 1 0x4 2', 'write 1 0x1f 1 0xab 0'])
    expect(queue.empty).toBe(false)
    expect(ports.read(0xc020, 4)).toBe(0xffff_ffff)
  })

  it('follows a BAR to where software moves it, and to nowhere without decoding', () => {
    const { space, ports, card } = build()
    space.read(0xfe00_0000, 4)
    card.config.write(0x10, 4, 0xfc00_0000)
    card.seen.length = 0
    expect(space.read(0xfe00_0000, 4)).toBe(0xffff_ffff)
    expect(space.read(0xfc00_0008, 4)).toBe(0xfedc_ba98)
    card.config.write(0x04, 2, 0)
    expect(space.read(0xfc00_0008, 4)).toBe(0xffff_ffff)
    expect(ports.read(0xc000, 4)).toBe(0xffff_ffff)
    expect(card.seen).toEqual(['read 0 0x8 4'])
  })

  it('stands behind RAM: a BAR that is moved over it changes nothing', () => {
    const { space, card } = build()
    space.write(0x10_0000, 4, 0x1234_5678)
    card.config.write(0x10, 4, 0x10_0000)
    expect(space.read(0x10_0000, 4)).toBe(0x1234_5678)
    expect(card.seen).toEqual([])
  })

  it('shows the option ROM as an empty one, and as ROM', () => {
    const { space, card } = build()
    expect(space.find(0xfd00_0000)?.kind).toBe('rom')
    expect(space.find(0xfe00_0000)?.kind).toBe('mmio')
    expect([space.read(0xfd00_0000, 1), space.read(0xfd00_0000, 2), space.read(0xfd00_0000, 4)]).toEqual([
      0xff, 0xffff, 0xffff_ffff,
    ])
    space.write(0xfd00_0000, 4, 0)
    expect(card.seen).toEqual([])
  })
})
