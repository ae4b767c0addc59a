import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DeviceDescription, MachineDescription } from '../src/index.ts'
import { inoOf } from '../src/sun4u/sabre.ts'
import { SabreInterrupts } from '../src/sun4u/sabre-interrupts.ts'
import { build, describeMachine, device, refusalOf } from './described-machine.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const SABRE = 0x1fe_0000_0000
const CONFIG = SABRE + 0x100_0000
const IO = SABRE + 0x200_0000
const MEMORY = 0x1ff_0000_0000

const swap = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

/** A machine, its registers as a big-endian processor has them, and its configuration space. */
function start(devices: readonly DeviceDescription[] = [], more: Partial<MachineDescription> = {}) {
  const { machine } = build(describeMachine('sun4u', devices, more))
  const { bus } = machine
  return {
    machine,
    bus,
    /** The lower half of a register of eight bytes. */
    low: (offset: number) => swap(bus.read32(SABRE + offset + 4)),
    setLow: (offset: number, value: number) => bus.write32(SABRE + offset + 4, swap(value)),
    config: (bdf: number, offset: number) => bus.read32(CONFIG + (bdf << 8) + offset),
    setConfig: (bdf: number, offset: number, value: number) => bus.write32(CONFIG + (bdf << 8) + offset, value >>> 0),
  }
}

const BUS_A = 1
const BUS_B = 2
/** Function 1 of the bridge leads to bus A, function 0 to bus B. */
function number({ setConfig }: ReturnType<typeof start>): void {
  setConfig(0x0009, 0x18, (BUS_A << 16) | (BUS_A << 8))
  setConfig(0x0008, 0x18, (BUS_B << 16) | (BUS_B << 8))
}

const refused = (devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}): string =>
  refusalOf(describeMachine('sun4u', devices, more))

describe('a sun4u', () => {
  it('has what QEMU has on its board', () => {
    const rig = start([], { defaultDevices: true })
    number(rig)
    const ids = (functions: readonly number[]): string[] =>
      functions.map((bdf) => rig.config(bdf, 0).toString(16).padStart(8, '0'))
    expect(ids([0x0000, 0x0008, 0x0009])).toEqual(['a000108e', '5000108e', '5000108e'])
    // ebus, its network card, the display, the disk controller.
    expect(ids([0x0108, 0x0109, 0x0110, 0x0118])).toEqual(['1000108e', '1001108e', '11111234', '06461095'])
    expect(ids([0x0100, 0x0120, 0x0200])).toEqual(['ffffffff', 'ffffffff', 'ffffffff'])
  })

  it('without defaults, has no card and no display', () => {
    const rig = start()
    number(rig)
    expect([0x0108, 0x0109, 0x0110, 0x0118].map((bdf) => rig.config(bdf, 0) !== 0xffff_ffff)).toEqual([
      true,
      false,
      false,
      true,
    ])
  })

  it('takes four devices on bus B, one on bus A, none on the first bus: QEMU’s words', () => {
    const rng = (bus?: string, at?: number): DeviceDescription =>
      device('virtio-rng-pci', {
        ...(bus !== undefined && { bus }),
        ...(at !== undefined && { addr: { device: at, function: 0 } }),
      })
    expect(refused([0, 1, 2, 3].map(() => rng('pciB')))).toBe('accepted')
    expect(refused([0, 1, 2, 3, 4].map(() => rng('pciB')))).toMatch(
      /no slot\/function available for virtio-rng-pci, all in use or reserved/,
    )
    expect(refused([rng('pciA')])).toBe('accepted')
    expect(refused([rng('pciA'), rng('pciA')])).toMatch(/all in use or reserved/)
    expect(refused([rng()])).toMatch(/all in use or reserved/)
    expect(refused([rng('pciB', 5)])).toMatch(/slot 5 function 0 not available for virtio-rng-pci, reserved/)
  })

  it.each([
    ['a second processor', [], { cpus: 2 }, /The max CPUs supported by machine 'sun4u' is 1/],
    ['another processor', [], { cpu: 'Fujitsu Sparc64 V' }, /not modelled/],
    ['memory beyond the entries of its table', [], { memory: 2 ** 41 }, /1 TiB/],
    ['an IOMMU of virtio', [device('virtio-iommu-pci', { bus: 'pciB' })], {}, /hotplug handler/],
    ['PCI Express', [device('pcie-root-port', { bus: 'pciB' })], {}, /not a valid device model name/],
    ['another of what is on the board', [device('pbm-bridge', { bus: 'pciB' })], {}, /brings each 'pbm-bridge' itself/],
    ['a platform IOMMU', [device('intel-iommu')], {}, /not a valid device model/],
  ] as const)('refuses %s', (_what, devices, more, words) => {
    expect(refused(devices, more)).toMatch(words)
  })

  it('gives no function messages', () => {
    const rig = start([
      device('virtio-blk-pci', { bus: 'pciB' }),
      device('e1000e', { bus: 'pciB' }),
      device('pci-bridge', { bus: 'pciB', properties: { chassis_nr: 1 } }),
    ])
    number(rig)
    for (const bdf of [0x0200, 0x0208, 0x0210]) {
      const found: number[] = []
      for (let at = rig.config(bdf, 0x34) & 0xfc; at !== 0; at = (rig.config(bdf, at & ~3) >>> 8) & 0xfc) {
        found.push(rig.config(bdf, at) & 0xff)
      }
      expect(found).not.toContain(0x05)
      expect(found).not.toContain(0x11)
    }
  })
})

describe('Sabre', () => {
  it('has mapping registers with the numbers of their interrupts, of which VALID alone is written', () => {
    const { low, setLow } = start()
    expect([0xc00, 0xc08, 0xc20, 0xc38, 0x1000, 0x1078].map(low)).toEqual([0x7c0, 0x7c4, 0x7d0, 0x7dc, 0x7e0, 0x7ef])
    setLow(0xc08, 0xffff_ffff)
    expect(low(0xc08)).toBe(0x8000_07c4)
    setLow(0xc08, 0)
    expect(low(0xc08)).toBe(0x7c4)
  })

  it('keeps what is written to PCI control, and reads 0 where nothing is', () => {
    const { low, setLow, bus } = start()
    setLow(0x2000, 0x20_000f)
    expect([low(0x2000), low(0x30), low(0x9000), bus.read8(SABRE + 0xc0f), bus.read16(SABRE + 0xc0e)]).toEqual([
      0x20_000f, 0, 0, 0, 0,
    ])
  })

  it('the IOMMU’s registers are big-endian; it is off at reset', () => {
    const { low, setLow, bus } = start()
    expect(low(0x200)).toBe(0)
    setLow(0x200, 0x6_0001)
    bus.write32(SABRE + 0x208, swap(1))
    setLow(0x208, 0x4000_0000)
    expect([low(0x200), swap(bus.read32(SABRE + 0x208)), low(0x208)]).toEqual([0x6_0001, 1, 0x4000_0000])
  })

  it('windows: ports and memory of devices, each at its bus address', () => {
    const rig = start([device('virtio-rng-pci', { bus: 'pciB' })])
    number(rig)
    // The bridge’s windows, the function’s BARs, then decoding.
    rig.setConfig(0x0008, 0x1c, 0x0000_1000)
    rig.setConfig(0x0008, 0x30, 0x0080_0080)
    rig.setConfig(0x0008, 0x20, 0x6000_6000)
    rig.setConfig(0x0200, 0x10, 0x80_0000)
    rig.setConfig(0x0200, 0x20, 0x6000_0000)
    rig.setConfig(0x0200, 0x24, 0)
    for (const bdf of [0x0008, 0x0200]) rig.setConfig(bdf, 4, 3)
    // Legacy features at the first port, and the modern common configuration of a device without a driver.
    expect(rig.bus.read32(IO + 0x80_0000)).not.toBe(0xffff_ffff)
    expect(rig.bus.read32(IO + 0x70_0000)).toBe(0xffff_ffff)
    expect(rig.bus.read8(MEMORY + 0x6000_0014)).toBe(0)
    expect(rig.bus.read8(MEMORY + 0x7000_0014)).toBe(0xff)
  })
})

describe('interrupts', () => {
  it('a pin is let through by its slot’s mapping register, sent once, and again after it was cleared', () => {
    const interrupts = new SabreInterrupts()
    const INO = 0x14
    const [map, clear] = [0xc28 + 4, 0x1400 + INO * 8 + 4]
    interrupts.setLevel(INO, true)
    expect([interrupts.pending, interrupts.take()]).toEqual([false, -1])
    interrupts.writeWord(map, 0x8000_0000)
    expect([interrupts.pending, interrupts.take(), interrupts.take()]).toEqual([true, 0x7d4, -1])
    // Still asserted as it is cleared.
    interrupts.writeWord(clear, 0)
    expect(interrupts.take()).toBe(0x7d4)
    interrupts.setLevel(INO, false)
    interrupts.writeWord(clear, 0)
    expect(interrupts.take()).toBe(-1)
  })

  it('the four pins of a slot share a mapping register; onboard devices have one each', () => {
    const interrupts = new SabreInterrupts()
    for (const ino of [0x14, 0x17, 0x20, 0x21]) interrupts.setLevel(ino, true)
    interrupts.writeWord(0xc28 + 4, 0x8000_0000)
    interrupts.writeWord(0x1008 + 4, 0x8000_0000)
    expect([interrupts.take(), interrupts.take(), interrupts.take(), interrupts.take()]).toEqual([
      0x7d4, 0x7d7, 0x7e1, -1,
    ])
  })

  it('pins of slots are QEMU’s, through a bridge too', () => {
    const rig = start(
      [
        device('virtio-rng-pci', { bus: 'pciB', addr: { device: 2, function: 0 } }),
        device('pci-bridge', {
          id: 'br',
          bus: 'pciB',
          addr: { device: 3, function: 0 },
          properties: { chassis_nr: 1 },
        }),
        device('virtio-rng-pci', { bus: 'br', addr: { device: 2, function: 0 } }),
      ],
      { defaultDevices: true },
    )
    const { root } = rig.machine
    const inos = [...root.functions()].map(({ function: one }) => inoOf(root, one))
    // 00:00.0, bridge B with 02.0 and 03.0 with 02.0 below it, bridge A with ebus, the card, the display without a pin, IDE.
    expect(inos).toEqual([null, null, 0x18, 0x1c, 0x1e, null, null, 0x21, null, 0x20])
  })
})

it('random accesses to its registers never throw, and leave none but 32-bit words', () => {
  const { bus } = start([device('virtio-rng-pci', { bus: 'pciB' })])
  const width = fc.constantFrom(1 as const, 2 as const, 4 as const)
  const at = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0x200, 0x204, 0xc04, 0x1404, 0xa584, 0x202c))
  fc.assert(
    fc.property(at, width, fc.integer({ min: 0, max: 0xffff_ffff }), (offset, bytes, value) => {
      const address = SABRE + offset
      if (bytes === 4) bus.write32(address, value)
      else if (bytes === 2) bus.write16(address, value & 0xffff)
      else bus.write8(address, value & 0xff)
      const read = bus.read32(address)
      expect(Number.isInteger(read) && read >= 0 && read <= 0xffff_ffff).toBe(true)
    }),
    RUNS,
  )
})
