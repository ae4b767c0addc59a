import { findHostBridges } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { ICH9_ROUTING, PIIX3_ROUTING } from '../src/chipset/interrupt-routing.ts'
import { windowsOf, without } from '../src/firmware/bus-windows.ts'
import { using } from './described-machine.ts'
import { describeQ35, expander, port } from './described-q35.ts'
import { readFile, table } from './fw-cfg-files.ts'

describe('what firmware is told of root buses', () => {
  const machine = describeQ35([expander('pxb', 0x80, 0x10), port('rp0', 'pxb', 1, 0), port('rp1', 'pxb', 2, 1)])

  it('says how many there are, where there are any', () => {
    expect(using(machine, (one) => readFile(one, 'etc/extra-pci-roots'))).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))
    expect(using(describeQ35([]), (one) => readFile(one, 'etc/extra-pci-roots'))).toBeNull()
  })

  it('has a host bridge for each in the DSDT, with the windows that firmware has just placed', () => {
    const bridges = using(machine, (one) => {
      // As SeaBIOS placed them on real QEMU: windows below each port, and each port's own BAR.
      for (const [slot, bar, base, prefetchable, bus] of [
        [0, 0xfe50_f000, 0xfe20, 0xfe80, 0x81],
        [1, 0xfe51_0000, 0xfe00, 0xfe60, 0x82],
      ] as const) {
        const { root } = one
        root.configWrite(0x80, slot, 0, 0x18, 4, (bus << 16) | (bus << 8) | 0x80)
        root.configWrite(0x80, slot, 0, 0x10, 4, bar)
        root.configWrite(0x80, slot, 0, 0x20, 4, (((base + 0x10) << 16) | base) >>> 0)
        root.configWrite(0x80, slot, 0, 0x24, 4, (((prefetchable + 0x10) << 16) | prefetchable) >>> 0)
        root.configWrite(0x80, slot, 0, 0x1c, 2, 0x00f0)
        root.configWrite(0x80, slot, 0, 0x04, 2, 7)
      }
      return findHostBridges(table(one, 'DSDT'))
    })
    // What Linux printed there: pci_bus 0000:80 has [mem 0xfe000000-0xfe3fffff], [mem 0xfe50f000-0xfe510fff] and
    // [mem 0xfe600000-0xfe9fffff]; bus 0000:00 has the rest.
    expect(bridges).toMatchObject([
      {
        path: '\\_SB_.PCI0',
        bus: 0,
        resources: {
          buses: [{ first: 0, last: 0x7f }],
          ports: [
            { first: 0, last: 0x0cf7 },
            { first: 0x0d00, last: 0xffff },
          ],
          memory: [
            { first: 0xa_0000, last: 0xb_ffff },
            { first: 0x2000_0000, last: 0xafff_ffff },
            { first: 0xc000_0000, last: 0xfdff_ffff },
            { first: 0xfe40_0000, last: 0xfe50_efff },
            { first: 0xfe51_1000, last: 0xfe5f_ffff },
            { first: 0xfea0_0000, last: 0xfebf_ffff },
          ],
        },
      },
      {
        path: '\\_SB_.PC80',
        bus: 0x80,
        uid: 0x80,
        express: true,
        resources: {
          buses: [{ first: 0x80, last: 0x82 }],
          ports: [],
          memory: [
            { first: 0xfe00_0000, last: 0xfe3f_ffff },
            { first: 0xfe50_f000, last: 0xfe51_0fff },
            { first: 0xfe60_0000, last: 0xfe9f_ffff },
          ],
        },
      },
    ])
  })

  it('routes an expander’s pins by LNKA to LNKD, device 0 from LNKD on, to the ISA interrupts of the links', () => {
    const [, bridge] = using(machine, (one) => findHostBridges(table(one, 'DSDT')))
    const first = (bridge?.routing ?? []).filter(({ device: number }) => number < 2)
    expect(
      first.map(({ device: number, pin, gsi, ...rest }) => [number, pin, gsi, 'link' in rest && rest.link]),
    ).toEqual([
      [0, 0, 11, '\\_SB_.LNKD'],
      [0, 1, 10, '\\_SB_.LNKA'],
      [0, 2, 10, '\\_SB_.LNKB'],
      [0, 3, 11, '\\_SB_.LNKC'],
      [1, 0, 10, '\\_SB_.LNKA'],
      [1, 1, 10, '\\_SB_.LNKB'],
      [1, 2, 11, '\\_SB_.LNKC'],
      [1, 3, 11, '\\_SB_.LNKD'],
    ])
  })

  it('names several expanders newest first, as QEMU lists them', () => {
    const several = describeQ35([expander('a', 0x40, 4), expander('b', 0x80, 5), expander('c', 0x20, 6)])
    const bridges = using(several, (one) => findHostBridges(table(one, 'DSDT')))
    expect(bridges.map(({ path, bus }) => [path, bus])).toEqual([
      ['\\_SB_.PCI0', 0],
      ['\\_SB_.PC20', 0x20],
      ['\\_SB_.PC80', 0x80],
      ['\\_SB_.PC40', 0x40],
    ])
    expect(bridges[0]?.resources?.buses).toEqual([{ first: 0, last: 0x1f }])
  })

  it('joins windows that touch, and leaves the rest to bus 0', () => {
    using(machine, ({ root }) => {
      expect(windowsOf(root.rootBuses[1]!)).toEqual({ ports: [], memory: [], lastBus: 0x80 })
    })
    const taken = [
      { first: 20, last: 29 },
      { first: 0, last: 5 },
      { first: 30, last: 39 },
    ]
    expect(without({ first: 0, last: 99 }, taken)).toEqual([
      { first: 6, last: 19 },
      { first: 40, last: 99 },
    ])
    expect(without({ first: 25, last: 35 }, taken)).toEqual([])
  })
})

describe('pins behind an expander', () => {
  it('reach PIRQE to PIRQH of a Q35, whatever the slot, where _PRT says PIRQA to PIRQD', () => {
    for (let slot = 1; slot < 31; slot++) {
      for (const pin of [0, 1, 2, 3]) {
        const gsi = ICH9_ROUTING.gsi(slot, pin - slot)
        expect(gsi, `slot ${slot}, pin ${pin}`).toBeGreaterThanOrEqual(20)
        expect(gsi, `slot ${slot}, pin ${pin}`).toBeLessThanOrEqual(23)
      }
    }
  })

  it('of slot 16 are the table’s row 12: 16 rows of four, less 16 entries', () => {
    expect(ICH9_ROUTING.gsi(16, 0 - 16)).toBe(ICH9_ROUTING.gsi(12, 0))
    expect(ICH9_ROUTING.gsi(16, 3 - 16)).toBe(ICH9_ROUTING.gsi(12, 3))
  })

  it('reach on a 440FX what _PRT says: the expander’s slot cancels out', () => {
    for (const slot of [2, 3, 17, 31]) {
      // LNKD, LNKA, LNKB, LNKC, as firmware routes them.
      expect([0, 1, 2, 3].map((pin) => PIIX3_ROUTING.gsi(slot, pin - slot))).toEqual([11, 10, 10, 11])
    }
  })
})
