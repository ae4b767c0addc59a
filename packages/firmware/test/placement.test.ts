import { expect, describe as group, test } from 'vitest'
import { runFirmware } from '../src/index.ts'
import { FakePc } from './fake-pc.ts'
import { before, describe, placesOf } from './topology.ts'

const number = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0)
const hex = (value: number): string => `0x${value.toString(16)}`

const boot = (name: string, roots: number[]): { pc: FakePc; result: ReturnType<typeof runFirmware> } => {
  const files = new Map(roots.length > 1 ? [['etc/extra-pci-roots', number(roots.length - 1)]] : [])
  const pc = new FakePc(before(describe(name), roots), files, { dma: true, ram: 0x2000_0000 })
  return { pc, result: runFirmware(pc, { disks: 'leave' }) }
}

/** Machines that real SeaBIOS set up, by what Linux then saw of them. */
group.each([
  { name: 'q35-default', roots: [0] },
  { name: 'q35-root-bus', roots: [0] },
  { name: 'q35-topology', roots: [0] },
  { name: 'q35-pxb', roots: [0, 0x80] },
])('BARs, windows and bus numbers are where SeaBIOS put them: $name', ({ name, roots }) => {
  const { pc, result } = boot(name, roots)
  const expected = describe(name)

  test('every function is found where it was, and only these', () => {
    expect(result.functions.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
    expect(result.rootBuses).toEqual(roots)
  })

  test('every BAR and ROM', () => {
    let compared = 0
    for (const one of expected) {
      const config = pc.find(one.id)!
      for (const { what, first } of placesOf(one)) {
        if (!/^(BAR|ROM)/.test(what)) continue
        const offset = what === 'ROM' ? (config.isBridge ? 0x38 : 0x30) : 0x10 + 4 * Number(what.slice(4))
        const value = config.view.getUint32(offset, true)
        const address = (value & (value & 1 ? 0xffff_fffc : 0xffff_fff0)) >>> 0
        expect(hex(address), `${hex(one.id)} ${what}`).toBe(hex(first))
        compared++
      }
    }
    expect(compared).toBeGreaterThan(9)
  })

  test('every bridge: its buses, and its windows; those that Linux did not see are closed', () => {
    for (const one of expected) {
      const { view, config, isBridge } = pc.find(one.id)!
      if (!isBridge) continue
      const where = hex(one.id)
      const buses = one.lines.flatMap((line) => /^PCI bridge to \[bus (..)(?:-(..))?\]/.exec(line)?.slice(1) ?? [])
      const [secondary, last] = buses.map((digits) => (digits === undefined ? undefined : Number.parseInt(digits, 16)))
      expect([...config.subarray(0x18, 0x1b)], where).toEqual([one.id >> 8, secondary, last ?? secondary])
      const windows = {
        io: [(config[0x1c]! & 0xf0) << 8, ((config[0x1d]! & 0xf0) << 8) | 0xfff],
        memory: [
          (view.getUint16(0x20, true) & 0xfff0) * 0x1_0000,
          (view.getUint16(0x22, true) | 0xf) * 0x1_0000 + 0xffff,
        ],
        prefetchable: [
          (view.getUint16(0x24, true) & 0xfff0) * 0x1_0000,
          (view.getUint16(0x26, true) | 0xf) * 0x1_0000 + 0xffff,
        ],
      }
      const seen = new Map(placesOf(one).map((place) => [place.what, place]))
      for (const [what, [base, limit]] of Object.entries(windows)) {
        const place = seen.get(what)
        if (place === undefined) expect(limit, `${where} ${what} is closed`).toBeLessThan(base!)
        else expect([hex(base!), hex(limit!)], `${where} ${what}`).toEqual([hex(place.first), hex(place.last)])
      }
    }
  })

  test('every function decodes, none masters the bus', () => {
    for (const { id } of expected) expect(pc.find(id)!.view.getUint16(4, true) & 7, hex(id)).toBe(3)
  })
})
