import { GicV2, GicV2m, GicV3, Its } from '@dmascope/gic'
import { AddressSpace, GuestRam } from '@dmascope/memory'
import type { CpuBus } from '@dmascope/memory/contracts'
import { afterEach, describe, expect, test } from 'vitest'
import { GicV2Driver } from '../src/arm64/gic-v2.ts'
import { GicV2mDriver } from '../src/arm64/gic-v2m.ts'
import { GicV3Driver } from '../src/arm64/gic-v3.ts'
import { ItsDriver } from '../src/arm64/its.ts'
import { KernelPages } from '../src/early/page-allocator.ts'
import { busOver } from './support/bus-of.ts'

const MIB = 0x10_0000
const RAM = 0x4000_0000
const DISTRIBUTOR = 0x0800_0000
const REDISTRIBUTORS = 0x080a_0000
const ITS = 0x0808_0000
const lines: string[] = []
const log = (line: string): void => void lines.push(line)

let ram: GuestRam | null = null
afterEach(() => {
  ram?.dispose()
  ram = null
  lines.length = 0
})

/** Memory, and what is in it. */
function machine(): {
  readonly space: AddressSpace
  bus(extra?: Partial<CpuBus>): CpuBus
  pages(bus: CpuBus): KernelPages
} {
  ram = new GuestRam([{ base: RAM, size: 64 * MIB }])
  const space = new AddressSpace(ram)
  return {
    space,
    bus: (extra) => busOver(space, extra),
    pages: (bus) => new KernelPages(bus, [{ start: RAM, end: RAM + 64 * MIB }]),
  }
}

describe('GICv2', () => {
  function start(): { readonly gic: GicV2; readonly driver: GicV2Driver; readonly bus: CpuBus } {
    const { space, bus } = machine()
    const gic = new GicV2({ spis: 256, cpus: 1 })
    space.add({ name: 'GICD', base: DISTRIBUTOR, size: 0x1000, kind: 'mmio', handler: gic.distributor })
    space.add({ name: 'GICC', base: 0x0801_0000, size: 0x2000, kind: 'mmio', handler: gic.cpuInterface })
    const frame = new GicV2m(48, 64, (spi) => gic.pulseSpi(spi))
    space.add({ name: 'v2m', base: 0x0802_0000, size: 0x1000, kind: 'mmio', handler: frame })
    const cpu = bus()
    return { gic, driver: new GicV2Driver(cpu, DISTRIBUTOR, 0x0801_0000, log), bus: cpu }
  }

  test('takes a level-triggered interrupt that it enabled, and no other', () => {
    const { gic, driver } = start()
    gic.setSpi(4, true)
    expect(driver.take()).toBe(-1)
    driver.enable(36, 'level')
    expect(driver.take()).toBe(36)
    gic.setSpi(4, false)
    driver.endOfInterrupt(36)
    expect(driver.take()).toBe(-1)
    driver.disable(36)
    gic.setSpi(4, true)
    expect(driver.take()).toBe(-1)
  })

  test('a frame’s messages are its interrupts’ numbers, until there are none left', () => {
    const { gic, driver, bus } = start()
    const frame = new GicV2mDriver(bus, 0x0802_0000, driver, log)
    const first = frame.allocate(0, 2)
    expect(first).toEqual({ intids: [80, 81], doorbell: 0x0802_0040, data: [80, 81] })
    bus.write32(0x0802_0040, 81)
    expect(gic.asserted).toBe(true)
    expect(driver.take()).toBe(81)
    driver.endOfInterrupt(81)
    expect(frame.allocate(0, 62)).toMatchObject({ doorbell: 0x0802_0040 })
    expect(frame.allocate(0, 1)).toBe('GICv2m@0x8020000 has no interrupt left')
    if (typeof first !== 'string') frame.release(0, first)
    expect(frame.allocate(0, 1)).toMatchObject({ intids: [80] })
  })
})

describe('GICv3 and its ITS', () => {
  function start(affinities: readonly number[] = [0]) {
    const { space, bus, pages } = machine()
    const gic = new GicV3({ spis: 256, affinities, readByte: (address) => space.read(address, 1) })
    const its = new Its(space, gic.lpiTables)
    space.add({ name: 'GICD', base: DISTRIBUTOR, size: 0x1_0000, kind: 'mmio', handler: gic.distributor })
    space.add({
      name: 'GICR',
      base: REDISTRIBUTORS,
      size: gic.redistributorsSize,
      kind: 'mmio',
      handler: gic.redistributors,
    })
    space.add({ name: 'ITS', base: ITS, size: Its.size, kind: 'mmio', handler: its })
    const cpu = bus({
      systemRegisters: {
        read: (register) => gic.readSystemRegister(register),
        write: (register, value) => gic.writeSystemRegister(register, value),
      },
    })
    const place = { distributor: DISTRIBUTOR, redistributors: [{ base: REDISTRIBUTORS, size: 0xf6_0000 }] }
    return { gic, its, bus: cpu, place, pages: pages(cpu) }
  }
  const started = (driver: GicV3Driver | string): GicV3Driver => {
    if (typeof driver === 'string') throw new Error(driver)
    return driver
  }

  test('the processor’s redistributor is found by its affinity', () => {
    const { bus, place } = start([0x100, 0x101])
    expect(started(GicV3Driver.start(bus, place, log)).redistributor).toBe(REDISTRIBUTORS)
    expect(lines).toContain('GICv3: 256 SPIs implemented')
  })

  test('an MSI arrives as the LPI that was mapped for it', () => {
    const { gic, its, bus, place, pages } = start()
    const driver = started(GicV3Driver.start(bus, place, log))
    const messages = ItsDriver.start(bus, pages, ITS, driver, log)
    if (typeof messages === 'string') throw new Error(messages)
    expect(messages.allocate(0x10, 2)).toEqual({ intids: [8192, 8193], doorbell: 0x0809_0040, data: [0, 1] })
    expect(messages.allocate(0x18, 1)).toEqual({ intids: [8194], doorbell: 0x0809_0040, data: [0] })
    // A device far off needs a second page of the device table.
    expect(messages.allocate(0xff00, 1)).toMatchObject({ intids: [8195] })
    for (const [device, event, intid] of [
      [0x10, 1, 8193],
      [0x18, 0, 8194],
      [0xff00, 0, 8195],
    ] as const) {
      expect(its.translate(device, event)).toBe('delivered')
      expect(gic.asserted).toBe(true)
      expect(driver.take()).toBe(intid)
      driver.endOfInterrupt(intid)
    }
    expect(driver.take()).toBe(-1)
  })

  test('devices with one ID share its events; what was released is unmapped, and used again', () => {
    const { its, bus, place, pages } = start()
    const messages = ItsDriver.start(bus, pages, ITS, started(GicV3Driver.start(bus, place, log)), log)
    if (typeof messages === 'string') throw new Error(messages)
    const first = messages.allocate(0x300, 1)
    expect(messages.allocate(0x300, 1)).toMatchObject({ data: [1] })
    if (typeof first === 'string') throw new Error(first)
    messages.release(0x300, first)
    expect(its.translate(0x300, 0)).toBe('unmapped-event')
    expect(messages.allocate(0x300, 1)).toMatchObject({ data: [0], intids: [8192] })
  })

  test('one that is not there is told of', () => {
    const { bus, place, pages } = start()
    const { systemRegisters: _, ...without } = bus
    expect(GicV3Driver.start(without, place, log)).toBe('GICv3: the processor has no GIC system registers')
    expect(GicV3Driver.start(bus, { ...place, distributor: 0x0900_0000 }, log)).toMatch(
      /GICv3: no redistributor|detected/,
    )
    expect(GicV3Driver.start(bus, { ...place, redistributors: [] }, log)).toMatch('no redistributor')
    const driver = started(GicV3Driver.start(bus, place, log))
    expect(ItsDriver.start(bus, pages, 0x0900_0000, driver, log)).toMatch('no ITS detected')
    expect(ItsDriver.start(bus, new KernelPages(bus, []), ITS, driver, log)).toBe('ITS@0x8080000: no memory')
  })

  test('an ITS that takes no commands is given up', () => {
    const { bus, place, pages } = start()
    const driver = started(GicV3Driver.start(bus, place, log))
    const stuck: CpuBus = { ...bus, read32: (address) => (address === ITS + 0x90 ? 0 : bus.read32(address)) }
    expect(ItsDriver.start(stuck, pages, ITS, driver, log)).toBe('ITS@0x8080000: does not take commands')
    expect(lines).toContain('ITS@0x8080000: queue timeout')
  })
})
