import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressSpace, GuestRam, type MmioHandler, PortSpace, romRegion } from '../src/index.ts'

const MIB = 0x10_0000

function recorder(): MmioHandler & { log: string[] } {
  const log: string[] = []
  return {
    log,
    read(offset, width) {
      log.push(`read${width * 8} 0x${offset.toString(16)}`)
      return 0x1122_3344
    },
    write(offset, width, value) {
      log.push(`write${width * 8} 0x${offset.toString(16)} = 0x${value.toString(16)}`)
    },
  }
}

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

describe('AddressSpace', () => {
  it('clears as zeroes that are written would', () => {
    const build = (log: string[]): AddressSpace => {
      const space = new AddressSpace(
        new GuestRam([
          { base: 0, size: MIB },
          { base: 2 * MIB, size: 3 * MIB },
        ]),
      )
      space.add(romRegion('bios', 0xf_0000, new Uint8Array(0x8000).fill(7)))
      const write = (offset: number, width: number, value: number): void => void log.push(`${offset} ${width} ${value}`)
      space.add({ name: 'device', base: 0x20_1ff0, size: 32, kind: 'mmio', handler: { read: () => 5, write } })
      return space
    }
    const place = fc.record({
      at: fc.constantFrom(0, 0xe_fffc, 0xf_7ffe, MIB - 4096, 2 * MIB, 0x20_1ff1, 4 * MIB - 5),
      length: fc.constantFrom(0, 1, 4, 0x1000, 0x4001, 0x1_0000),
    })
    fc.assert(
      fc.property(fc.array(place, { maxLength: 4 }), place, (filled, { at, length }) => {
        const contents = [0, 1].map((way) => {
          const log: string[] = []
          const space = build(log)
          for (const one of filled) space.ram.writeBytes(one.at, new Uint8Array(one.length).fill(0xa5))
          if (way === 0) space.clear(at, length)
          else space.writeBytes(at, new Uint8Array(length))
          const now = new Uint8Array(0x2_0000)
          space.ram.readBytes(Math.max(0, at - 0x8000), now)
          space.ram.dispose()
          // A register may be cleared in other widths than it would be written in.
          return { now, touched: log.length > 0 }
        })
        const [cleared, written] = contents as [(typeof contents)[0], (typeof contents)[0]]
        expect(cleared.touched).toBe(written.touched)
        expect(Buffer.compare(cleared.now, written.now)).toBe(0)
      }),
      { numRuns },
    )
  })

  it('reads all ones and drops writes in a hole', () => {
    const space = new AddressSpace(new GuestRam([{ base: 0, size: MIB }]))
    space.write(2 * MIB, 4, 1)
    expect(space.read(2 * MIB, 4)).toBe(0xffff_ffff)
    expect(space.read(2 * MIB, 2)).toBe(0xffff)
    expect(space.read(2 ** 52, 1)).toBe(0xff)
  })

  it('lays regions over RAM, the last one on top, and takes them away', () => {
    const space = new AddressSpace(new GuestRam([{ base: 0, size: MIB }]))
    space.write(0xf_0000, 4, 0xcafe_f00d)
    const remove = space.add(romRegion('bios', 0xf_0000, new Uint8Array([1, 2, 3, 4])))
    expect(space.read(0xf_0000, 4)).toBe(0x0403_0201)
    expect(space.isRam(0xe_fffe, 4)).toBe(false)
    space.write(0xf_0000, 4, 0)
    remove()
    expect(space.read(0xf_0000, 4)).toBe(0xcafe_f00d)
    expect(space.isRam(0xe_fffe, 4)).toBe(true)
  })

  it('passes register accesses on, in words where they are aligned', () => {
    const space = new AddressSpace(new GuestRam([{ base: 0, size: MIB }]))
    const device = recorder()
    space.add({ name: 'device', base: 0xfed9_0000, size: 0x1000, kind: 'mmio', handler: device })
    expect(space.read(0xfed9_0010, 4)).toBe(0x1122_3344)
    space.writeBytes(0xfed9_0020, new Uint8Array([1, 0, 0, 0, 9]))
    expect(device.log).toEqual(['read32 0x10', 'write32 0x20 = 0x1', 'write8 0x24 = 0x9'])
  })

  it('asks a window only where no region and no RAM is', () => {
    const space = new AddressSpace(new GuestRam([{ base: 0, size: MIB }]))
    const device = recorder()
    const asked: number[] = []
    space.addWindow({
      name: 'pci',
      base: 0,
      size: 2 ** 40,
      find(address) {
        asked.push(address)
        return { name: 'bar', base: 0xc000_0000, size: 0x1000, kind: 'mmio', handler: device }
      },
    })
    space.read(0x1000, 4)
    space.read(0xc000_0004, 2)
    expect(asked).toEqual([0xc000_0004])
    expect(device.log).toEqual(['read16 0x4'])
  })

  it('joins an access that crosses from RAM into nothing', () => {
    const space = new AddressSpace(new GuestRam([{ base: 0, size: MIB }]))
    space.write(MIB - 2, 4, 0xaabb_ccdd)
    expect(space.read(MIB - 2, 4)).toBe(0xffff_ccdd)
  })
})

describe('PortSpace', () => {
  it('routes by range, then to the fallback, then to nothing', () => {
    const ports = new PortSpace()
    const fixed = recorder()
    const bar = recorder()
    ports.add(0xcf8, 8, fixed)
    ports.setFallback((port) => (port >= 0xc000 && port < 0xc080 ? { handler: bar, offset: port - 0xc000 } : null))
    ports.write(0xcfc, 1, 7)
    ports.write(0xc010, 2, 1)
    expect(fixed.log).toEqual(['write8 0x4 = 0x7'])
    expect(bar.log).toEqual(['write16 0x10 = 0x1'])
    expect(ports.read(0x80, 1)).toBe(0xff)
  })
})
