import { parseDts } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription, type MachineDescription } from '../../machine/src/index.ts'
import { setUpAtmu } from '../src/e500/atmu.ts'
import { findFslBridge } from '../src/e500/fsl-bridge.ts'
import { fslWindowDma } from '../src/e500/window-dma.ts'
import { bootGuest, type GuestResult } from '../src/index.ts'
import { ConfigAccess, type FunctionAddress } from '../src/pci/config-access.ts'
import { busLike } from './support/bus-of.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const MIB = 2 ** 20
const GIB = 2 ** 30
const CCSR = 0xf_e000_8000

const TREE = `/dts-v1/;
/ { #address-cells = <2>; #size-cells = <2>;
  pci@fe0008000 { compatible = "fsl,mpc8540-pci"; device_type = "pci";
    #address-cells = <3>; #size-cells = <2>; #interrupt-cells = <1>;
    reg = <0xf 0xe0008000 0 0x1000>; bus-range = <0 255>;
    ranges = <0x2000000 0 0xe0000000 0xc 0 0 0x20000000 0x1000000 0 0 0xf 0xe1000000 0 0x10000>; }; };`

/** The bridge's own function: its BAR 0 has a MiB; as a PCI Express controller it says so by a capability. */
class OwnFunction extends ConfigAccess {
  bar = 0
  readonly #express: boolean

  constructor(express: boolean) {
    super({} as CpuBus, [], false)
    this.#express = express
  }

  override read(_at: FunctionAddress, offset: number): number {
    if (offset === 0x10) return (this.bar & 0xfff0_0000) >>> 0
    if (offset === 0x06) return this.#express ? 0x10 : 0
    if (offset === 0x34) return 0x4c
    if (offset === 0x4c) return 0x10
    return 0
  }

  override write(_at: FunctionAddress, offset: number, _width: number, value: number): void {
    if (offset === 0x10) this.bar = value
  }
}

/** What Linux writes for this much memory, register by register. */
function setUp(memoryEnd: number, { express = false, revision = 0 } = {}) {
  const tree = parseDts(TREE, { source: 'a test' })
  const bridge = findFslBridge(tree, () => {})!
  const written: [number, number][] = []
  const words = {
    read: (address: number) => (address === CCSR + 0xbf8 ? revision : 0),
    write: (address: number, value: number) => void written.push([address - CCSR, value]),
  }
  const log: string[] = []
  const setup = setUpAtmu({ bridge, words, config: new OwnFunction(express), memoryEnd, log: (line) => log.push(line) })
  return { setup, log, written, enabled: written.filter(([offset, value]) => offset % 0x20 === 0x10 && value !== 0) }
}

describe('setup_pci_atmu', () => {
  it('writes, in this order: windows off, memory and ports outbound, one window inbound over 512 MiB', () => {
    const { setup, written } = setUp(512 * MIB)
    expect(written).toEqual([
      [0xc30, 0],
      [0xc50, 0],
      [0xc70, 0],
      [0xc90, 0],
      [0xdf0, 0],
      [0xdd0, 0],
      [0xdb0, 0],
      [0xc20, 0xe_0000],
      [0xc24, 0],
      [0xc28, 0xc0_0000],
      [0xc30, 0x8004_401c],
      [0xc40, 0],
      [0xc44, 0],
      [0xc48, 0xfe_1000],
      [0xc50, 0x8008_800f],
      [0xde0, 0],
      [0xde8, 0],
      [0xdec, 0],
      [0xdf0, 0xa0f5_501c],
    ])
    expect(setup).toEqual({ windowSize: 512 * MIB, offset64: null, memoryEnd: 512 * MIB, ccsrBar: 0xdff0_0000 })
  })

  it('covers what is not a power of two by two windows, and no more than is below what is outbound', () => {
    const { setup, enabled, log } = setUp(3 * GIB)
    expect(enabled.slice(-2)).toEqual([
      [0xdf0, 0xa0f5_501e],
      [0xdd0, 0xa0f5_501d],
    ])
    expect(setup).toMatchObject({ windowSize: 3 * GIB })
    expect(log.join('\n')).not.toMatch(/DMA window size/)
    const more = setUp(8 * GIB)
    expect(more.enabled.slice(-2)).toEqual(enabled.slice(-2))
    expect(more.setup).toMatchObject({ windowSize: 3 * GIB, offset64: null, memoryEnd: 8 * GIB })
    expect(more.log.at(-1)).toBe('/pci@fe0008000: DMA window size is 0xc0000000')
  })

  it('opens a second window over all of memory on PCI Express, beyond the end of it', () => {
    const { setup, enabled, written } = setUp(6 * GIB, { express: true })
    expect(enabled.slice(-2)).toEqual([
      [0xdf0, 0xa0f5_501f],
      [0xdd0, 0xa0f5_5020],
    ])
    expect(written.slice(-4, -1)).toEqual([
      [0xdc0, 0],
      [0xdc8, 0x20_0000],
      [0xdcc, 0],
    ])
    expect(setup).toMatchObject({ windowSize: 0xdff0_0000, offset64: 8 * GIB })
    const newer = setUp(6 * GIB, { express: true, revision: 0x0208_0202 })
    expect(newer.enabled.slice(-2).map(([offset]) => offset)).toEqual([0xdd0, 0xdb0])
    expect(setUp(2 * GIB, { express: true }).setup).toMatchObject({ windowSize: 2 * GIB, offset64: null })
  })

  it('never shows devices memory that is not there at all, nor two pieces of it at one address', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 768 }), (blocks) => {
        const memory = blocks * 64 * MIB
        const { setup, enabled } = setUp(memory)
        if (typeof setup === 'string') throw new Error(setup)
        const sizes = enabled.filter(([offset]) => offset >= 0xd80).map(([, value]) => 2 ** ((value & 0x3f) + 1))
        expect(sizes.length).toBeLessThanOrEqual(2)
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(setup.windowSize)
        expect(setup.windowSize).toBeLessThanOrEqual(Math.min(memory, setup.ccsrBar))
      }),
      RUNS,
    )
  })
})

describe('the DMA API through the windows', () => {
  const setup = { windowSize: 0xdff0_0000, offset64: 8 * GIB, memoryEnd: 6 * GIB, ccsrBar: 0xdff0_0000 }

  it('gives devices that drive enough lines the second window, and others the first', () => {
    const { partsOf } = fslWindowDma(setup, '/pci')
    // fsl_pci_dma_set_mask: at least twice the offset.
    expect(partsOf({ id: 'a' }, 64).view?.toBus(5 * GIB, 4096)).toBe(13 * GIB)
    expect(partsOf({ id: 'a' }, 34).view?.toBus(5 * GIB, 4096)).toBe(13 * GIB)
    expect(partsOf({ id: 'a' }, 33).view?.toBus(5 * GIB, 4096)).toBeNull()
    expect(partsOf({ id: 'a' }, 32).view?.toBus(GIB, 4096)).toBe(GIB)
  })

  it('needs nothing where the first window covers all of memory', () => {
    const { partsOf } = fslWindowDma({ ...setup, windowSize: GIB, offset64: null, memoryEnd: GIB }, '/pci')
    expect(partsOf({ id: 'a' }, 32)).toEqual({})
  })
})

const device = (model: string, properties: DeviceDescription['properties'] = {}): DeviceDescription => ({
  model,
  properties,
  location: { text: 'a test' },
})

function boot(
  more: Partial<MachineDescription>,
  {
    guest = 'linux-6.12',
    behind = (bus: CpuBus): CpuBus => bus,
  }: { guest?: string; behind?: (bus: CpuBus) => CpuBus } = {},
) {
  const { machine, deviceTree } = createMachine({
    machine: 'ppce500',
    qemuVersion: '11.1',
    name: 'ppce500',
    source: 'qemu',
    memory: 512 * MIB,
    cpus: 1,
    cpu: 'e5500',
    defaultDevices: false,
    machineProperties: {},
    append: '',
    ignored: [],
    devices: [device('virtio-blk-pci', { iommu_platform: true, 'disable-legacy': 'on' })],
    ...more,
  })
  try {
    machine.endFirmwarePhase()
    const result: GuestResult = bootGuest(behind(machine.bus), {
      profile: guest,
      witness: machine.witness,
      architecture: machine.architecture as 'ppc' | 'ppc64',
      entry: { deviceTree: deviceTree! },
    })
    const [seen] = machine.observe().filter(({ model }) => model !== 'e500-host-bridge')
    return {
      result,
      device: result.devices.at(-1)!,
      strays: seen!.strays.length,
      text: result.timeline.join('\n'),
    }
  } finally {
    machine.dispose()
  }
}

describe('a kernel on a ppce500', () => {
  it('reaches a device by message interrupts through the bridge’s own BAR', () => {
    const { device: one, text } = boot({})
    expect(one).toMatchObject({ io: { ok: true }, interrupt: { mode: 'msix' }, dmaPath: 'direct' })
    expect(text).toMatch(/PCICSRBAR @ 0xdff00000/)
  })

  it('and by its pin, as the tree’s map says', () => {
    const { device: one } = boot({ append: 'pci=nomsi' })
    expect(one).toMatchObject({ io: { ok: true }, interrupt: { mode: 'intx' } })
    expect(JSON.stringify(one.why)).toMatch(/INTA of 0000:00:01.0 is source 2/)
  })

  it('bounces what is above the windows, with 64 bits and with 32', () => {
    for (const cpu of ['e5500', 'e500v2']) {
      const { device: one, text } = boot({ memory: 8 * GIB, cpu })
      expect(one.io).toMatchObject({ ok: true })
      expect(text).toMatch(cpu === 'e5500' ? /IO TLB: mapped \[mem 0xbc000000/ : /IO TLB: mapped \[mem 0x2c000000/)
    }
  })

  it('has no bounce buffers between 3 and 4 GiB from 5.18 on, and had them before', () => {
    expect(boot({ memory: 3584 * MIB }).text).not.toMatch(/IO TLB/)
    expect(boot({ memory: 3584 * MIB }, { guest: 'linux-5.10' }).text).toMatch(/IO TLB: mapped \[mem 0xbc000000/)
  })

  it('is lost with physical addresses that no window has, where the device goes through them', () => {
    const blk = device('virtio-blk-pci')
    const lost = boot({ memory: 8 * GIB, hypervisor: 'physical-no-flag', devices: [blk] })
    expect(lost.device).toMatchObject({ dmaPath: 'physical', io: { ok: false } })
    expect(lost.strays).toBeGreaterThan(0)
    expect(boot({ memory: 8 * GIB, devices: [blk] }).device).toMatchObject({ dmaPath: 'physical', io: { ok: true } })
    expect(boot({ hypervisor: 'physical-no-flag', devices: [blk] }).device.io).toMatchObject({ ok: true })
  })

  it('stops with a word where there is no controller, and never throws whatever the tree says', () => {
    const renamed =
      (word: string) =>
      (bus: CpuBus): CpuBus =>
        busLike(bus, {
          readBytes(address, into) {
            bus.readBytes(address, into)
            const at = indexOf(into, word)
            if (at >= 0) into[at] = 0x58
          },
        })
    expect(boot({}, { behind: renamed('fsl,mpc8540-pci') }).result.halted).toMatch(/no PCI controller/)
    expect(boot({}, { behind: renamed('open-pic') }).result.booted).toBe(true)
    expect(boot({}, { behind: renamed('fsl,mpic-msi') }).device.interrupt.mode).toBe('intx')
  })
})

function indexOf(bytes: Uint8Array, word: string): number {
  const wanted = new TextEncoder().encode(word)
  return bytes.findIndex((_, at) => wanted.every((byte, index) => bytes[at + index] === byte))
}
