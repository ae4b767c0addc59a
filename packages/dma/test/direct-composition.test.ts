import { describe, expect, it } from 'vitest'
import { type Coherency, DirectDma, type DirectDmaOptions, type Direction, Swiotlb, WindowView } from '../src/index.ts'
import { BumpPages, RecordingWitness } from './fakes.ts'

/** What the platform was asked to do, in order. */
function platform(options: Partial<DirectDmaOptions> = {}) {
  const asked: string[] = []
  const bytes = new Uint8Array(4 << 20)
  const memory = {
    readBytes: (address: number, into: Uint8Array) => {
      asked.push(`read ${address.toString(16)} ${into.length}`)
      into.set(bytes.subarray(address, address + into.length))
    },
    writeBytes: (address: number, from: Uint8Array) => {
      asked.push(`write ${address.toString(16)} ${from.length}`)
      bytes.set(from, address)
    },
  }
  const at = (what: string) => (cpu: number, length: number, direction: Direction) => {
    asked.push(`${what} ${cpu.toString(16)} ${length} ${direction}`)
  }
  const coherency: Coherency = {
    beforeDevice: at('before'),
    afterDevice: at('after'),
    uncached: (cpu) => cpu + 2 ** 40,
  }
  const bounce = new Swiotlb({ memory, start: 0x10_0000, slots: 128 })
  const witness = new RecordingWitness()
  const common = { owner: 'd', maskBits: 32, pages: new BumpPages(), witness }
  const barrier = { drain: () => void asked.push('drain') }
  return {
    asked,
    coherency,
    bounce,
    witness,
    barrier,
    dma: (more: Partial<DirectDmaOptions>) => new DirectDma({ ...common, ...options, ...more }),
  }
}

describe('a bus that sees memory elsewhere', () => {
  const view = new WindowView([
    { cpu: 0x1000_0000, bus: 0x8000_0000, length: 0x1000_0000 },
    { cpu: 0x4000_0000, bus: 0, length: 0x100_0000 },
  ])

  it('gives its addresses, each by its bank', () => {
    const dma = platform().dma({ view })
    expect(dma.map(0x1000_1234, 16, 'to-device', 'a')).toMatchObject({ cpu: 0x1000_1234, hi: 0, lo: 0x8000_1234 })
    expect(dma.map(0x4000_0010, 16, 'to-device', 'b')).toMatchObject({ lo: 0x10 })
    expect(dma.map(0x1fff_fff8, 16, 'to-device', 'across the end')).toBeNull()
    expect(dma.map(0x3000_0000, 16, 'to-device', 'in no window')).toBeNull()
    expect(dma.kind).toBe('direct')
  })

  it('tells how far devices of so many bits reach', () => {
    expect(view.cpuEnd(2 ** 32)).toBe(0x4100_0000)
    expect(view.cpuEnd(0x8000_0000)).toBe(0x4100_0000)
    expect(view.cpuEnd(0x10)).toBe(0x4000_0010)
    expect(new WindowView([]).cpuEnd(2 ** 32)).toBe(0)
  })

  it('bounces what is in no window, where there is a pool in one', () => {
    const { bounce, dma, witness } = platform()
    const one = dma({ view: new WindowView([{ cpu: 0x10_0000, bus: 0x7000_0000, length: 0x10_0000 }]), bounce })
    const mapping = one.map(0x3_0000, 64, 'from-device', 'far')!
    expect(mapping).toMatchObject({ cpu: 0x3_0000, lo: 0x7000_0000 })
    expect([...witness.granted.values()]).toMatchObject([{ address: 0x10_0000, length: 64, access: 2 }])
    expect(one.kind).toBe('swiotlb')
    one.unmap(mapping)
    expect(bounce.used).toBe(0)
  })
})

describe('a device with few address bits', () => {
  it('is bounced for what is above them, and only that', () => {
    const { bounce, dma } = platform()
    const one = dma({ maskBits: 21, bounce })
    expect(one.map(0x1f_0000, 16, 'to-device', 'low')).toMatchObject({ lo: 0x1f_0000 })
    expect(one.kind).toBe('direct')
    expect(one.map(0x20_0000, 16, 'to-device', 'high')).toMatchObject({ cpu: 0x20_0000, lo: 0x10_0000 })
    expect(one.kind).toBe('swiotlb')
  })

  it('cannot be served where the pool is beyond it too, and the pool keeps nothing of it', () => {
    const { bounce, dma } = platform()
    expect(dma({ maskBits: 20, bounce }).map(0x20_0000, 16, 'to-device', 'high')).toBeNull()
    expect(bounce.used).toBe(0)
  })
})

describe('the order', () => {
  it('bounced, then the cache, then the writes; and back', () => {
    const { asked, bounce, coherency, barrier, dma } = platform()
    const one = dma({ bounce, bounceAll: true, coherency, barrier })
    const mapping = one.map(0x3_0000, 64, 'bidirectional', 'x')!
    expect(asked.splice(0)).toEqual(['read 30000 64', 'write 100000 64', 'before 100000 64 bidirectional', 'drain'])
    one.syncForCpu(mapping, 8, 4)
    expect(asked.splice(0)).toEqual(['after 100008 4 bidirectional', 'read 100008 4', 'write 30008 4'])
    one.syncForDevice(mapping, 8, 4)
    expect(asked.splice(0)).toEqual(['read 30008 4', 'write 100008 4', 'before 100008 4 bidirectional', 'drain'])
    one.unmap(mapping)
    expect(asked).toEqual(['after 100000 64 bidirectional', 'read 100000 64', 'write 30000 64'])
  })

  it('coherent memory is reached past the cache, which is emptied of it first', () => {
    const { asked, coherency, dma, witness } = platform()
    const mapping = dma({ coherency }).allocCoherent(100, 'ring')!
    expect(mapping).toMatchObject({ cpu: 2 ** 40 + 0xfff_f000, lo: 0xfff_f000 })
    expect(asked).toEqual(['before ffff000 4096 bidirectional'])
    expect([...witness.granted.values()]).toMatchObject([{ address: 0xfff_f000 }])
  })

  it('coherent memory is opened where memory is closed, and not had where the hypervisor does not open it', () => {
    const asked: string[] = []
    const closed = {
      open: (cpu: number, length: number) => asked.push(`open ${cpu.toString(16)} ${length}`) < 2,
      close: (cpu: number, length: number) => void asked.push(`close ${cpu.toString(16)} ${length}`),
    }
    const pages = new BumpPages()
    const one = platform().dma({ closed, pages })
    const mapping = one.allocCoherent(5000, 'ring')!
    expect(one.allocCoherent(1, 'refused')).toBeNull()
    one.freeCoherent(mapping)
    expect(asked).toEqual(['open fffe000 8192', 'open fffd000 4096', 'close fffe000 8192'])
    expect(pages.live.size).toBe(0)
  })
})

describe('a part of a mapping', () => {
  it.each([
    [-1, 4],
    [0, 0],
    [60, 5],
    [0.5, 1],
  ])('%d, %d bytes: none', (offset, length) => {
    const dma = platform().dma({})
    const mapping = dma.map(0x3_0000, 64, 'to-device', 'x')!
    expect(() => dma.syncForCpu(mapping, offset, length)).toThrow(RangeError)
    dma.unmap(mapping)
    expect(() => dma.syncForDevice(mapping)).toThrow(/not mapped/)
  })
})
