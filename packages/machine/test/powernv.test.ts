import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription, type MachineDescription } from '../src/index.ts'
import { phbPlaces } from '../src/powernv/spec/address-map.ts'
import { OPAL, OPAL_RETURN } from '../src/powernv/spec/opal-calls.ts'
import { build, describeMachine, device } from './described-machine.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 200) }
const BUFFER = 0x10_0000
const { OPAL_SUCCESS, OPAL_PARAMETER, OPAL_UNSUPPORTED } = OPAL_RETURN
const READ = { 1: 13, 2: 14, 4: 15 } as const
const WRITE = { 1: 16, 2: 17, 4: 18 } as const
/** 2^59, which a call takes as two words. */
const SECOND_WINDOW = [0, 0x0800_0000] as const

const described = (devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}): MachineDescription =>
  describeMachine('powernv9', devices, { memory: 1 << 30, defaultDevices: true, ...more })

type Argument = number | readonly [lo: number, hi: number]

/** A machine, and the calls that software makes on it. */
function start(devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}) {
  const { machine } = build(described(devices, more))
  const { bus } = machine
  const opal = (token: number, ...args: readonly Argument[]): number => {
    const words = args.flatMap((one) =>
      typeof one === 'number' ? [one % 2 ** 32, Math.floor(one / 2 ** 32)] : [...one],
    )
    return bus.hypercall!(token, Uint32Array.from(words), new Uint32Array(2))
  }
  const left = (offset: number, bytes: number): number => {
    const view = new Uint8Array(bytes)
    bus.readBytes(BUFFER + offset, view)
    return view.reduce((value, byte) => value * 0x100 + byte, 0)
  }
  const read = (phb: number, id: number, offset: number, width: 1 | 2 | 4): number => {
    expect(opal(READ[width], phb, id, offset, BUFFER)).toBe(OPAL_SUCCESS)
    return left(0, width)
  }
  return { machine, bus, opal, left, read }
}

describe('the chip', () => {
  it('has its bridges’ interrupt sources from the top down, each aligned to how many it has', () => {
    const places = phbPlaces([0, 1, 2, 3, 4, 5])
    expect(places.map(({ firstSource }) => firstSource)).toEqual([0xfe000, 0xfd800, 0xfd000, 0xfc000, 0xfb800, 0xfb000])
    expect(places.map(({ messages }) => messages)).toEqual([4088, 2040, 2040, 4088, 2040, 2040])
    expect(places.map(({ endpoints }) => endpoints)).toEqual([512, 256, 256, 512, 256, 256])
    expect(phbPlaces([2])[0]).toMatchObject({ firstSource: 0xff000, firstLsi: 0xff7f8 })
    expect(() => phbPlaces([6])).toThrow(RangeError)
  })

  it('has its windows where skiboot’s physical map has them', () => {
    const [, one, , three] = phbPlaces([0, 1, 2, 3])
    expect(one!.mem32).toEqual({ base: 0x6_00c0_8000_0000, bus: 0x8000_0000, size: 0x7fff_0000 })
    expect(three!.mem64.base).toBe(0x6_0200_0000_0000)
    expect(three!.registers.base).toBe(0x6_00c3_c030_0000)
    expect(three!.esb.base).toBe(0x6_00c3_6000_0000)
  })
})

describe('configuration space', () => {
  it('is that of the functions, by bus, device and function; where none is, all ones', () => {
    const { read, opal } = start([device('virtio-rng-pci', { bus: 'pcie.1' })])
    expect(read(1, 0, 0, 4)).toBe(0x04c1_1014)
    expect(read(1, 0x100, 0, 4)).toBe(0xffff_ffff)
    // Bus 1 is behind the port when it has the number.
    opal(WRITE[1], 1, 0, 0x19, 1)
    opal(WRITE[1], 1, 0, 0x1a, 1)
    expect(read(1, 0x100, 0, 4)).toBe(0x1044_1af4)
    expect(read(1, 8, 0, 2)).toBe(0xffff)
    expect(opal(READ[4], 1, 0x100, 2, BUFFER)).toBe(OPAL_PARAMETER)
    expect(opal(READ[4], 1, 0x100, 0x1000, BUFFER)).toBe(OPAL_PARAMETER)
    expect(opal(READ[4], 6, 0x100, 0, BUFFER)).toBe(OPAL_PARAMETER)
  })
})

describe('an endpoint, in the order of Linux', () => {
  it('1. reset 2. M64 window 3. PE 4. TCE table 5. kill 6. bypass window 7. message', () => {
    const { machine, opal, left } = start([])
    const { translator } = machine.iommus[0]!
    const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as 'bypass' | 'translated' }
    const dma = (hi: number, lo: number): number => translator.translate(0x118, -1, 'untranslated', hi, lo, 1, out)
    expect(opal(OPAL.OPAL_PCI_RESET, 0, 3, 1)).toBe(OPAL_SUCCESS)
    const { mem64 } = phbPlaces([0])[0]!
    expect(opal(OPAL.OPAL_PCI_SET_PHB_MEM_WINDOW, 0, 2, 31, mem64.base, 0, mem64.size)).toBe(OPAL_SUCCESS)
    expect(opal(OPAL.OPAL_PCI_PHB_MMIO_ENABLE, 0, 2, 31, 1)).toBe(OPAL_SUCCESS)
    expect(dma(0, 0x5000)).not.toBe(0)
    // All of bus 1.
    expect(opal(OPAL.OPAL_PCI_SET_PE, 0, 7, 0x100, 7, 0, 0, 1)).toBe(OPAL_SUCCESS)
    // One level, 64 KiB, pages of 4 KiB, at 0x20_0000.
    expect(opal(OPAL.OPAL_PCI_MAP_PE_DMA_WINDOW, 0, 7, 14, 1, 0x20_0000, 0x1_0000, 0x1000)).toBe(OPAL_SUCCESS)
    machine.bus.writeBytes(0x20_0000 + 5 * 8, Uint8Array.of(0, 0, 0, 0, 0, 0x12, 0x30, 3))
    expect(opal(OPAL.OPAL_PCI_TCE_KILL, 0, 1, 7, 0, 0, 0)).toBe(OPAL_SUCCESS)
    expect([dma(0, 0x5123), out.lo, out.route]).toEqual([0, 0x12_3123, 'translated'])
    expect(opal(OPAL.OPAL_PCI_MAP_PE_DMA_WINDOW_REAL, 0, 7, 15, SECOND_WINDOW, 1 << 30)).toBe(OPAL_SUCCESS)
    expect([dma(0x0800_0000, 0x5123), out.hi, out.lo, out.route]).toEqual([0, 0, 0x5123, 'bypass'])
    expect(opal(OPAL.OPAL_GET_MSI_64, 0, 7, 0x25, 1, BUFFER, BUFFER + 8)).toBe(OPAL_SUCCESS)
    expect([left(0, 4), left(4, 4), left(8, 4)]).toEqual([0x1000_0000, 0x200, 5])
  })

  it('is refused windows that are another’s, that are in the wrong half, and sizes that there are not', () => {
    const { opal } = start([])
    const real = (...args: readonly Argument[]): number => opal(OPAL.OPAL_PCI_MAP_PE_DMA_WINDOW_REAL, 0, ...args)
    expect(real(7, 14, SECOND_WINDOW, 1 << 30)).toBe(OPAL_PARAMETER)
    expect(real(7, 17, SECOND_WINDOW, 1 << 30)).toBe(OPAL_PARAMETER)
    expect(real(512, 1025, SECOND_WINDOW, 1 << 30)).toBe(OPAL_PARAMETER)
    expect(real(7, 15, SECOND_WINDOW, 0x100)).toBe(OPAL_PARAMETER)
    const mapped = (...args: readonly Argument[]): number => opal(OPAL.OPAL_PCI_MAP_PE_DMA_WINDOW, 0, ...args)
    expect(mapped(7, 14, 6, 0x20_0000, 0x1_0000, 0x1000)).toBe(OPAL_PARAMETER)
    expect(mapped(7, 14, 1, 0x20_0000, 0x800, 0x1000)).toBe(OPAL_PARAMETER)
    expect(mapped(7, 14, 1, 0x20_0000, 0x1_0000, 0x2000)).toBe(OPAL_PARAMETER)
    expect(opal(OPAL.OPAL_PCI_TCE_KILL, 0, 0, 7, 0x2000, 0, 1)).toBe(OPAL_PARAMETER)
    expect(opal(999, 0)).toBe(OPAL_UNSUPPORTED)
  })

  it('of several buses: 5 compares the upper six bits of the bus, four buses', () => {
    const { machine, opal } = start([])
    expect(opal(OPAL.OPAL_PCI_SET_PE, 0, 9, 0x400, 5, 0, 0, 1)).toBe(OPAL_SUCCESS)
    const { translator } = machine.iommus[0]!
    const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as const }
    opal(OPAL.OPAL_PCI_MAP_PE_DMA_WINDOW_REAL, 0, 9, 19, SECOND_WINDOW, 1 << 30)
    const reaches = [0x3ff, 0x400, 0x7ff, 0x800].map(
      (requester) => translator.translate(requester, -1, 'untranslated', 0x0800_0000, 0, 1, out) === 0,
    )
    expect(reaches).toEqual([false, true, true, false])
  })
})

describe('interrupt sources', () => {
  it('deliver once they are configured and on, and again after their page was loaded from', () => {
    const { bus, opal, left } = start([])
    const source = 0xfe003
    expect(opal(OPAL.OPAL_XIVE_RESET, 1)).toBe(OPAL_SUCCESS)
    expect(opal(OPAL.OPAL_XIVE_GET_IRQ_INFO, source, BUFFER, BUFFER + 8, BUFFER + 16, 0, 0)).toBe(OPAL_SUCCESS)
    const acknowledge = left(8, 8)
    const trigger = left(16, 8)
    expect([left(0, 8), trigger, acknowledge]).toEqual([0, 0x6_00c3_0006_0000, 0x6_00c3_0007_0000])
    expect(opal(OPAL.OPAL_XIVE_SET_IRQ_CONFIG, source, 0, 7, 77)).toBe(OPAL_SUCCESS)
    bus.write32(trigger, 0)
    expect(bus.nextInterrupt()).toBe(-1)
    bus.read32(acknowledge + 0xc00)
    bus.write32(trigger, 0)
    expect(bus.nextInterrupt()).toBe(77)
    // It is pending still: another is kept until the end of this one.
    bus.write32(trigger, 0)
    expect(bus.nextInterrupt()).toBe(-1)
    bus.read32(acknowledge)
    expect(bus.nextInterrupt()).toBe(77)
    expect(opal(OPAL.OPAL_XIVE_GET_IRQ_INFO, 0xfeff8, BUFFER, 0, 0, 0, 0)).toBe(OPAL_SUCCESS)
    expect(left(0, 8)).toBe(4)
    expect(opal(OPAL.OPAL_XIVE_GET_IRQ_INFO, 5, BUFFER, 0, 0, 0, 0)).toBe(OPAL_PARAMETER)
  })
})

describe('memory above 4 GiB', () => {
  it('answers once an M64 BAR is set and enabled', () => {
    const { bus, opal } = start([device('virtio-rng-pci', { bus: 'pcie.0' })])
    const { mem64 } = phbPlaces([0])[0]!
    const at = mem64.base + 0x10_0000
    const config = (id: number, offset: number, width: 1 | 2 | 4, value: number): number =>
      opal(WRITE[width], 0, id, offset, value)
    for (const [offset, width, value] of [
      [0x19, 1, 1],
      [0x1a, 1, 1],
      // Prefetchable base and limit, then their upper halves; memory space and bus master.
      [0x24, 4, 0x0011_0011],
      [0x28, 4, 0x6_0000],
      [0x2c, 4, 0x6_0000],
      [0x04, 2, 6],
    ] as const) {
      config(0, offset, width, value)
    }
    config(0x100, 0x20, 4, 0x10_0000)
    config(0x100, 0x24, 4, 0x6_0000)
    config(0x100, 0x04, 2, 6)
    expect(bus.read32(at)).toBe(0xffff_ffff)
    opal(OPAL.OPAL_PCI_SET_PHB_MEM_WINDOW, 0, 2, 31, mem64.base, 0, mem64.size)
    expect(bus.read32(at)).toBe(0xffff_ffff)
    opal(OPAL.OPAL_PCI_PHB_MMIO_ENABLE, 0, 2, 31, 1)
    expect(bus.read32(at)).not.toBe(0xffff_ffff)
  })
})

describe('a description is refused', () => {
  it.each([
    [[device('virtio-rng-pci', { bus: 'pnv-phb4-root.0' })], {}, /Bus 'pnv-phb4-root.0' is full/],
    [[device('pnv-phb', { properties: { index: 0 } })], {}, /host bridge 0 is there already/],
    [[device('pnv-phb', { properties: { index: 6 } })], { defaultDevices: false }, /invalid PHB index 6/],
    [[], { defaultDevices: false }, /without a host bridge has no PCI/],
    [[device('virtio-iommu-pci', { bus: 'pcie.0' })], {}, /virtio-iommu-pci must be plugged on the root bus/],
    [[], { memory: 512 << 20 }, /skiboot may not work with less than 1 GiB/],
    [[], { cpu: 'power8' }, /Invalid CPU model: power8/],
  ] as const)('%#', (devices, more, message) => {
    expect(() => createMachine(described(devices, more))).toThrow(message)
  })
})

describe('hostile software', () => {
  it('any call with any arguments answers a code', () => {
    const { opal } = start([device('virtio-rng-pci', { bus: 'pcie.0' })])
    const word = fc.oneof(fc.constantFrom(0, 1, 2, 7, 0x100, 0xffff_ffff), fc.nat())
    const token = fc.constantFrom(...Object.values(OPAL).filter((one) => one !== OPAL.OPAL_PCI_SET_PE), 9999)
    fc.assert(
      fc.property(token, fc.array(fc.tuple(word, word), { maxLength: 8 }), (number, args) => {
        expect(opal(number, ...args)).toBeLessThanOrEqual(0)
      }),
      RUNS,
    )
  })
})
