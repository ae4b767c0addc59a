import { AddressSpace, CHUNK_BYTES, GuestRam, romRegion } from '@dmascope/memory'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { type FirmwareFile, wholeFile } from '../src/firmware/firmware-file.ts'
import { FwCfg } from '../src/firmware/fw-cfg.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const MIB = 0x10_0000
const GIB = 2 ** 30

/** Offsets from port 0x510, and bits of a request's control word (QEMU docs/specs/fw_cfg). */
const SELECTOR = 0
const DATA = 1
const DMA_HIGH = 4
const DMA_LOW = 8
const ERROR = 1
const READ = 2
const SKIP = 4
const SELECT = 8
const WRITE = 16
const FILE_DIR = 0x19

const rams: GuestRam[] = []
afterEach(() => {
  for (const ram of rams.splice(0)) ram.dispose()
})

function build(files: Record<string, Uint8Array | FirmwareFile> = {}, memory = 64 * MIB) {
  const low = Math.min(memory, 2 * GIB)
  const ram = new GuestRam([{ base: 0, size: low }, ...(memory > low ? [{ base: 4 * GIB, size: memory - low }] : [])])
  rams.push(ram)
  const space = new AddressSpace(ram)
  const facts = { memoryBytes: memory, cpus: 3, commandLine: 'quiet' }
  const offered = Object.entries(files).map(
    ([name, file]) => [name, file instanceof Uint8Array ? wholeFile(file) : file] as const,
  )
  const device = new FwCfg(space, facts, new Map(offered))
  const select = (selector: number): void => device.write(SELECTOR, 2, selector)
  const bytes = (count: number): number[] => Array.from({ length: count }, () => device.read(DATA, 1))
  const swap = (value: number): number => new DataView(Uint32Array.of(value).buffer).getUint32(0, false)
  /** Writes a request at `at` and sets it off; answers the control word afterwards. */
  const dma = (control: number, length: number, target: [hi: number, lo: number], at = 0x1000): number => {
    const request = new DataView(new ArrayBuffer(16))
    request.setUint32(0, control, false)
    request.setUint32(4, length, false)
    request.setUint32(8, target[0], false)
    request.setUint32(12, target[1], false)
    space.writeBytes(at, new Uint8Array(request.buffer))
    device.write(DMA_HIGH, 4, swap(Math.floor(at / 2 ** 32)))
    device.write(DMA_LOW, 4, swap(at >>> 0))
    return swap(ram.read32(at))
  }
  const at = (address: number, count: number): number[] => {
    const data = new Uint8Array(count)
    space.readBytes(address, data)
    return [...data]
  }
  return { ram, space, device, select, bytes, dma, at }
}

const text = (data: number[]): string => String.fromCharCode(...data)
const FILE = Uint8Array.from({ length: 10 }, (_, index) => index + 1)

describe('fw_cfg by port', () => {
  it('has its signature, its interface revision, and the machine’s facts', () => {
    const { device, select, bytes } = build()
    select(0)
    expect(text(bytes(4))).toBe('QEMU')
    select(1)
    expect(bytes(4)).toEqual([3, 0, 0, 0])
    select(3)
    expect(bytes(8)).toEqual([0, 0, 0, 4, 0, 0, 0, 0])
    select(5)
    expect(bytes(2)).toEqual([3, 0])
    select(0x14)
    expect(bytes(4)).toEqual([6, 0, 0, 0])
    select(0x15)
    expect(text(bytes(6))).toBe('quiet\0')
    expect([device.read(DMA_HIGH, 4), device.read(DMA_LOW, 4)]).toEqual([0x554d_4551, 0x4746_4320])
  })

  it('lists its files by name, in big-endian entries of 64 bytes', () => {
    const { select, bytes } = build({ 'etc/b': FILE, 'etc/a': new Uint8Array(300) })
    select(FILE_DIR)
    expect(bytes(4)).toEqual([0, 0, 0, 2])
    const first = bytes(64)
    expect(first.slice(0, 8)).toEqual([0, 0, 1, 44, 0, 0x20, 0, 0])
    expect(text(first.slice(8)).replaceAll('\0', '')).toBe('etc/a')
    expect(bytes(64).slice(0, 8)).toEqual([0, 0, 0, 10, 0, 0x21, 0, 0])
  })

  it('reads a byte at a time, zeros beyond the end, and from the start again after a selection', () => {
    const { select, bytes } = build({ f: FILE })
    select(0x20)
    expect(bytes(12)).toEqual([...FILE, 0, 0])
    select(0x20)
    expect(bytes(1)).toEqual([1])
    select(0x1234)
    expect(bytes(2)).toEqual([0, 0])
  })

  it('gives a file the size that it has with the zeros it ends with', () => {
    const { dma, at, bytes, ram, select } = build({ f: { bytes: FILE, size: 16 } })
    select(FILE_DIR)
    expect(bytes(12).slice(4, 8)).toEqual([0, 0, 0, 16])
    select(0x20)
    expect(bytes(16)).toEqual([...FILE, 0, 0, 0, 0, 0, 0])
    for (let address = 0x8000; address < 0x8020; address += 4) ram.write32(address, 0xffff_ffff)
    expect(dma((0x20 << 16) | SELECT | READ, 16, [0, 0x8000])).toBe(0)
    expect(at(0x8000, 17)).toEqual([...FILE, 0, 0, 0, 0, 0, 0, 0xff])
  })

  it('answers all ones to accesses of other widths and ports, and takes no notice of such writes', () => {
    const { device, select, bytes } = build({ f: FILE })
    select(0x20)
    expect([device.read(DATA, 2), device.read(SELECTOR, 2), device.read(3, 1)]).toEqual([0xffff, 0xffff, 0xff])
    device.write(SELECTOR, 1, 0)
    device.write(DATA, 1, 0)
    device.write(DMA_LOW, 2, 0)
    expect(bytes(2)).toEqual([1, 2])
  })
})

describe('fw_cfg by DMA', () => {
  it('selects and reads at one go, and clears the control word', () => {
    const { dma, at } = build({ f: FILE })
    expect(dma((0x20 << 16) | SELECT | READ, 10, [0, 0x8000])).toBe(0)
    expect(at(0x8000, 12)).toEqual([...FILE, 0, 0])
  })

  it('goes on where the last read ended, skips, and writes zeros beyond the end', () => {
    const { dma, at, ram, select } = build({ f: FILE })
    select(0x20)
    expect(dma(READ, 3, [0, 0x8000])).toBe(0)
    expect(dma(SKIP, 4, [0, 0])).toBe(0)
    for (let address = 0x9000; address < 0x9010; address += 4) ram.write32(address, 0xffff_ffff)
    expect(dma(READ, 8, [0, 0x9000])).toBe(0)
    expect(at(0x8000, 3)).toEqual([1, 2, 3])
    expect(at(0x9000, 9)).toEqual([8, 9, 10, 0, 0, 0, 0, 0, 0xff])
  })

  it('refuses writes', () => {
    const { dma, select, bytes } = build({ f: FILE })
    expect(dma((0x20 << 16) | SELECT | WRITE, 4, [0, 0x8000])).toBe(ERROR)
    select(0x20)
    expect(bytes(2)).toEqual([1, 2])
  })

  it('reaches above 4 GiB', () => {
    const { dma, at } = build({ f: FILE }, 5 * GIB)
    expect(dma((0x20 << 16) | SELECT | READ, 10, [1, 0x8000], 4 * GIB + 0x2000)).toBe(0)
    expect(at(4 * GIB + 0x8000, 10)).toEqual([...FILE])
  })

  it.each<[string, [number, number], number]>([
    ['a hole', [0, 0xd000_0000], 10],
    ['beyond the end of RAM', [0, 64 * MIB - 4], 10],
    ['addresses of 2^53 and more, which are not those modulo 2^53', [0x20_0000, 0x8000], 10],
    ['all ones', [0xffff_ffff, 0xffff_ffff], 0xffff_ffff],
  ])('answers an error where the target is %s', (_what, target, length) => {
    const { dma, at } = build({ f: FILE })
    expect(dma((0x20 << 16) | SELECT | READ, length, target)).toBe(ERROR)
    expect(at(0x8000, 10)).toEqual(new Array(10).fill(0))
  })

  it('takes no notice of a request that is not in memory', () => {
    const { device, at } = build({ f: FILE })
    device.write(DMA_HIGH, 4, 0xffff_ffff)
    device.write(DMA_LOW, 4, 0xffff_ffff)
    device.write(DMA_HIGH, 4, 0x0000_2000)
    device.write(DMA_LOW, 4, 0)
    expect(at(0, 16)).toEqual(new Array(16).fill(0))
  })

  it('zeroes 4 GiB without backing them, and what was written there too', () => {
    const { dma, ram } = build({ f: FILE }, 16 * GIB)
    ram.write32(6 * GIB, 0x1234_5678)
    ram.write32(8 * GIB, 0x1234_5678)
    const before = ram.bytes.length
    for (let times = 0; times < 20; times++) {
      expect(dma((0x20 << 16) | SELECT | READ, 0xffff_ffff, [1, 0x10_0000])).toBe(0)
    }
    expect(ram.read32(6 * GIB)).toBe(0)
    expect(ram.read32(8 * GIB)).toBe(0)
    expect(ram.bytes.length - before).toBeLessThanOrEqual(4 * CHUNK_BYTES)
    expect(dma((0x20 << 16) | SELECT | READ, 0xffff_ffff, [3, 0xf000_0000])).toBe(ERROR)
  })

  it('leaves ROM that lies over RAM as it is', () => {
    const { dma, at, space, ram } = build({ f: FILE })
    space.add(romRegion('rom', 0x9000, new Uint8Array(0x1000).fill(0xea)))
    ram.write32(0xa000, 0xffff_ffff)
    expect(dma((0x20 << 16) | SELECT | READ, 0x3000, [0, 0x8000])).toBe(0)
    expect(at(0x8000, 2)).toEqual([1, 2])
    expect(at(0x9000, 2)).toEqual([0xea, 0xea])
    expect(at(0xa000, 4)).toEqual([0, 0, 0, 0])
  })

  it('does what a plain copy does, for any sequence of requests', () => {
    const { dma, at, select, ram } = build({ f: Uint8Array.from({ length: 300 }, (_, index) => index & 0xff) })
    const request = fc.record({
      control: fc.constantFrom(READ, SKIP, 0, SELECT | READ, SELECT),
      length: fc.oneof(fc.nat(40), fc.nat(500)),
    })
    fc.assert(
      fc.property(fc.array(request, { maxLength: 6 }), (requests) => {
        let offset = 0
        select(0x20)
        for (const { control, length } of requests) {
          ram.write32(0x8000, 0x5a5a_5a5a)
          expect(dma((0x20 << 16) | control, length, [0, 0x8000])).toBe(0)
          if ((control & SELECT) !== 0) offset = 0
          if ((control & READ) !== 0) {
            const [first = 0x5a] = at(0x8000, 1)
            expect(first).toBe(length === 0 ? 0x5a : offset < 300 ? offset & 0xff : 0)
          }
          if ((control & (READ | SKIP)) !== 0) offset += length
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('bears any request at any address', () => {
    const { device, dma } = build({ f: FILE })
    const word = fc.oneof(
      fc.nat(0xffff),
      fc.constantFrom(0, 0xffff_ffff, 0x8000_0000, 0x1000),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    )
    fc.assert(
      fc.property(word, fc.nat(4000), word, word, word, (control, length, hi, lo, address) => {
        dma(control, length, [hi, lo])
        device.write(DMA_HIGH, 4, hi)
        device.write(DMA_LOW, 4, address)
        expect(device.read(DATA, 1)).toBeLessThanOrEqual(0xff)
      }),
      { numRuns: RUNS },
    )
  })
})
