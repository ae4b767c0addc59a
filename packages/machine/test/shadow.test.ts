import { afterEach, describe, expect, it } from 'vitest'
import { pcBoard } from '../src/board/pc-board.ts'
import { I440FX, Q35 } from '../src/chipset/chipset.ts'
import { Machine } from '../src/index.ts'

/** Where PAM0 stands in the host bridge: 82441FX at 0x59, Q35 MCH at 0x90. */
const CHIPSETS = [
  ['pc', I440FX, 0x59],
  ['q35', Q35, 0x90],
] as const
const READS = 1
const WRITES = 2

let machine: Machine | null = null
afterEach(() => {
  machine?.dispose()
  machine = null
})

describe.each(CHIPSETS)('the programmable attribute map of %s', (_name, chipset, pam0) => {
  const build = (): Machine => {
    machine = new Machine({ board: pcBoard(chipset), memory: 0x800_0000 })
    return machine
  }
  const setPam = (index: number, value: number): void => {
    const at = pam0 + index
    const ports = machine!.bus.ports!
    ports.out32(0xcf8, (0x8000_0000 | (at & 0xfc)) >>> 0)
    ports.out8(0xcfc + (at & 3), value)
  }

  it('has ROM at the top of the first megabyte at reset: the last 128 KiB of the image below 4 GiB', () => {
    const { bus } = build()
    const low = new Uint8Array(0x2_0000)
    const high = new Uint8Array(0x2_0000)
    bus.readBytes(0xe_0000, low)
    bus.readBytes(0xfffe_0000, high)
    expect(Buffer.from(low).equals(high)).toBe(true)
    expect(new Set(low).size).toBeGreaterThan(16)
    // The first instruction is a far jump.
    expect(bus.read8(0xffff_fff0)).toBe(0xea)
  })

  it('drops writes to ROM', () => {
    const { bus } = build()
    const before = bus.read32(0xf_0000)
    bus.write32(0xf_0000, ~before >>> 0)
    expect(bus.read32(0xf_0000)).toBe(before)
  })

  it('shows RAM where reads are sent to RAM: PAM0 for 0xf0000 to 0xfffff', () => {
    const { bus } = build()
    setPam(0, (READS | WRITES) << 4)
    expect(bus.read32(0xf_0000)).toBe(0)
    bus.write32(0xf_0000, 0x1234_5678)
    bus.write32(0xf_fffc, 0x9abc_def0)
    expect([bus.read32(0xf_0000), bus.read32(0xf_fffc)]).toEqual([0x1234_5678, 0x9abc_def0])
    setPam(0, 0)
    expect(bus.read32(0xf_fffc)).not.toBe(0x9abc_def0)
    setPam(0, READS << 4)
    expect(bus.read32(0xf_0000)).toBe(0x1234_5678)
  })

  it.each(Array.from({ length: 12 }, (_, area) => [`0x${(0xc_0000 + area * 0x4000).toString(16)}`, area] as const))(
    'sends the 16 KiB at %s to RAM by its own nibble, and no other',
    (_address, area) => {
      const { bus } = build()
      const base = 0xc_0000 + area * 0x4000
      const others = [...Array(12).keys()].filter((one) => one !== area).map((one) => 0xc_0000 + one * 0x4000)
      const register = 1 + (area >> 1)
      const shift = (area & 1) * 4
      setPam(register, (READS | WRITES) << shift)
      for (const at of [base, base + 0x3ffc]) bus.write32(at, 0xa5a5_0000 + area)
      expect([bus.read32(base), bus.read32(base + 0x3ffc)]).toEqual([0xa5a5_0000 + area, 0xa5a5_0000 + area])
      for (const other of others) {
        const before = bus.read32(other)
        bus.write32(other, 0x5a5a_5a5a)
        expect(bus.read32(other)).toBe(before)
      }
      setPam(register, 0)
      expect(bus.read32(base)).not.toBe(0xa5a5_0000 + area)
    },
  )

  it('leaves what is below 0xc0000 alone: RAM but for the display’s window', () => {
    const { bus } = build()
    bus.write32(0x9_fffc, 7)
    expect(bus.read32(0x9_fffc)).toBe(7)
  })
})
