import { describe, expect, test } from 'vitest'
import { GicV2, GicV2m } from '../src/index.ts'

const SPURIOUS = 1023

/** A GIC whose interrupt 32 + `spi` is of priority 0xa0, enabled, and let through. */
function ready(...spis: number[]): GicV2 {
  const gic = new GicV2({ spis: 256, cpus: 1 })
  gic.distributor.write(0x000, 4, 1)
  for (const spi of spis) {
    gic.distributor.write(0x400 + 32 + spi, 1, 0xa0)
    gic.distributor.write(0x100 + ((32 + spi) >>> 5) * 4, 4, 1 << ((32 + spi) & 31))
  }
  gic.cpuInterface.write(0x04, 4, 0xf0)
  gic.cpuInterface.write(0x00, 4, 1)
  return gic
}
const take = (gic: GicV2): number => gic.cpuInterface.read(0x0c, 4)
const end = (gic: GicV2, intid: number): void => gic.cpuInterface.write(0x10, 4, intid)
const edge = (gic: GicV2, spi: number): void =>
  gic.distributor.write(0xc00 + ((32 + spi) >>> 4) * 4, 4, 2 << (((32 + spi) & 15) * 2))

test('GICD_TYPER: 288 interrupts for 256 shared ones, and the processors less one', () => {
  const gic = new GicV2({ spis: 256, cpus: 4 })
  expect(gic.distributor.read(4, 4)).toBe(8 | (3 << 5))
})

test.each([
  { spis: 20, cpus: 1 },
  { spis: 992, cpus: 1 },
  { spis: 256, cpus: 9 },
])('a GIC that cannot be is refused: %o', (options) => {
  expect(() => new GicV2(options)).toThrow(RangeError)
})

describe('level-triggered inputs', () => {
  test('pend while the line is up, and again after the end where it still is', () => {
    const gic = ready(3)
    gic.setSpi(3, true)
    expect(gic.asserted).toBe(true)
    expect(take(gic)).toBe(35)
    expect(gic.asserted).toBe(false)
    end(gic, 35)
    expect(take(gic)).toBe(35)
    gic.setSpi(3, false)
    end(gic, 35)
    expect(take(gic)).toBe(SPURIOUS)
  })
})

describe('edge-triggered inputs', () => {
  test('latch, and pend anew while the last is being served', () => {
    const gic = ready(48)
    edge(gic, 48)
    gic.pulseSpi(48)
    expect(take(gic)).toBe(80)
    gic.pulseSpi(48)
    expect(gic.asserted).toBe(false)
    end(gic, 80)
    expect(take(gic)).toBe(80)
    end(gic, 80)
    expect(take(gic)).toBe(SPURIOUS)
  })
})

describe('§3.3 what is taken', () => {
  test('the highest priority first, then the lowest number', () => {
    const gic = ready(1, 2, 3)
    gic.distributor.write(0x400 + 32 + 3, 1, 0x80)
    for (const spi of [1, 2, 3]) gic.setSpi(spi, true)
    expect(take(gic)).toBe(35)
    // The others are of a lower priority than what is running.
    expect(take(gic)).toBe(SPURIOUS)
    gic.setSpi(3, false)
    end(gic, 35)
    expect(take(gic)).toBe(33)
  })

  test.each([
    ['the distributor is off', (gic: GicV2) => gic.distributor.write(0, 4, 0)],
    ['the CPU interface is off', (gic: GicV2) => gic.cpuInterface.write(0, 4, 0)],
    ['the interrupt is disabled', (gic: GicV2) => gic.distributor.write(0x184, 4, 1 << 5)],
    ['its priority is masked', (gic: GicV2) => gic.cpuInterface.write(4, 4, 0xa0)],
    ['it is of the other group', (gic: GicV2) => gic.distributor.write(0x84, 4, 1 << 5)],
  ])('nothing where %s', (_why, close) => {
    const gic = ready(5)
    gic.setSpi(5, true)
    expect(gic.asserted).toBe(true)
    close(gic)
    expect(gic.asserted).toBe(false)
    expect(take(gic)).toBe(SPURIOUS)
  })

  test('EOImode 1: an end drops the priority, and only GICC_DIR deactivates', () => {
    const gic = ready(5)
    gic.cpuInterface.write(0, 4, 1 | (1 << 9))
    gic.setSpi(5, true)
    expect(take(gic)).toBe(37)
    end(gic, 37)
    expect(take(gic)).toBe(SPURIOUS)
    gic.cpuInterface.write(0x1000, 4, 37)
    expect(take(gic)).toBe(37)
  })

  test('GICD_SGIR to the sender pends', () => {
    const gic = ready()
    gic.distributor.write(0xf00, 4, (2 << 24) | 9)
    expect(take(gic)).toBe(9)
  })
})

describe('GICv2m', () => {
  test('MSI_TYPER tells the interrupts, and MSI_SETSPI raises one of them', () => {
    const gic = ready(48, 111, 112)
    for (const spi of [48, 111, 112]) edge(gic, spi)
    const frame = new GicV2m(48, 64, (spi) => gic.pulseSpi(spi))
    expect(frame.read(8, 4)).toBe((80 << 16) | 64)
    frame.write(0x40, 4, 80)
    expect(take(gic)).toBe(80)
    end(gic, 80)
    expect(frame.raise(143)).toBe(true)
    expect(take(gic)).toBe(143)
    end(gic, 143)
  })

  test('a number that is not the frame’s raises nothing', () => {
    const gic = ready(47, 112)
    const frame = new GicV2m(48, 64, (spi) => gic.pulseSpi(spi))
    expect([frame.raise(79), frame.raise(144), frame.raise(0)]).toEqual([false, false, false])
    expect(gic.asserted).toBe(false)
  })
})
