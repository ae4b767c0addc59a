import { buildDtb, type DeviceTree, parseDtb } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runOpenBios } from '../../firmware/src/index.ts'
import { createMachine, type DeviceDescription, type MachineDescription } from '../../machine/src/index.ts'
import { bootGuest, type GuestDevice, type GuestResult } from '../src/index.ts'
import { busLike } from './support/bus-of.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const SABRE = 0x1fe_0000_0000
const PLATFORM = { iommu_platform: true, 'disable-legacy': 'on' } as const

const device = (model: string, at: number, more: Partial<DeviceDescription> = {}): DeviceDescription => ({
  model,
  bus: 'pciB',
  addr: { device: at, function: 0 },
  properties: {},
  location: { text: 'a test' },
  ...more,
})
const DISK = { backend: { kind: 'disk', where: 'qemu', size: 1 << 20 } } as const

const swap = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

interface Booted {
  readonly result: GuestResult
  /** Writes to the bridge's registers that are not 0, as offset and value of eight bytes; clear registers left out. */
  readonly writes: readonly string[]
  readonly translated: number
  readonly untranslated: number
}

interface BootOptions extends Partial<MachineDescription> {
  readonly profile?: string
  /** Changes the tree between firmware and kernel. */
  readonly edit?: (tree: DeviceTree) => void
  readonly behind?: (bus: CpuBus) => CpuBus
}

function boot(
  devices: readonly DeviceDescription[],
  { profile = 'linux-6.12', edit, behind = (bus) => bus, ...more }: BootOptions = {},
): Booted {
  const { machine } = createMachine({
    machine: 'sun4u',
    qemuVersion: '11.1',
    name: 'sun4u',
    source: 'qemu',
    memory: 512 << 20,
    cpus: 1,
    defaultDevices: false,
    machineProperties: {},
    append: '',
    ignored: [],
    devices,
    ...more,
  })
  try {
    const { bus } = machine
    const { deviceTree, blob } = runOpenBios(bus)
    if (edit !== undefined) {
      const tree = parseDtb(blob!)
      edit(tree)
      bus.writeBytes(deviceTree!, buildDtb(tree))
    }
    machine.endFirmwarePhase()
    const writes: string[] = []
    let high = 0
    const listening = busLike(bus, {
      write32(address, value) {
        const offset = address - SABRE
        if (offset >= 0 && offset < 0x1_0000) {
          if ((offset & 4) === 0) high = swap(value)
          else if (high !== 0 || value !== 0) {
            writes.push(`${(offset - 4).toString(16)}=${(BigInt(high) * 2n ** 32n + BigInt(swap(value))).toString(16)}`)
          }
        }
        bus.write32(address, value)
      },
    })
    const result = bootGuest(behind(listening), {
      profile,
      architecture: 'sparc64',
      witness: machine.witness,
      ...(deviceTree !== null && { entry: { deviceTree } }),
    })
    const sums = { translated: 0, untranslated: 0 }
    for (const { dma } of machine.observe()) {
      sums.translated += dma['self-test'].translated
      sums.untranslated += dma['self-test'].untranslated
    }
    return { result, writes, ...sums }
  } finally {
    machine.dispose()
  }
}

const found = ({ result }: Booted, id: string): GuestDevice | undefined => result.devices.find((one) => one.id === id)

describe('Linux on a sun4u, in its own order', () => {
  it('PCI control, the IOMMU’s TSB, on; then each interrupt as a driver asks for it', () => {
    const { writes, result } = boot([device('virtio-blk-pci', 1, { ...DISK, properties: PLATFORM })])
    const tsb = /at 0x([0-9a-f]+),/.exec(result.timeline.find((line) => line.includes('TSB of'))!)![1]!
    expect(Number.parseInt(tsb, 16) % 0x8_0000).toBe(0)
    expect(writes).toEqual([
      // 1. PCI control.
      '2000=140020000f',
      // 2. Diagnostic mode; the flush after it writes nothing but zeros.
      '200=2',
      // 3. The TSB.
      `208=${tsb}`,
      // 4. 64 Ki entries of 8 KiB, on.
      '200=60003',
      // 5. The disk’s pin: slot 1 of bus B.
      'c28=800007d4',
    ])
  })

  it('translates for every device that uses the DMA API, in the window of the tree', () => {
    const booted = boot([
      device('virtio-blk-pci', 1, { ...DISK, properties: PLATFORM }),
      device('virtio-net-pci', 2, { properties: PLATFORM }),
      device('e1000', 3),
    ])
    expect([booted.result.booted, booted.untranslated, booted.translated > 0]).toEqual([true, 0, true])
    expect(booted.result.iommus).toMatchObject([
      { id: 'sabre', kind: 'sun4u', base: SABRE + 0x200, enabled: true, default: 'dma', addressWidth: 32 },
    ])
    for (const id of ['0000:02:01.0', '0000:02:02.0', '0000:02:03.0']) {
      expect(found(booted, id)).toMatchObject({ iommuGroup: null, domain: 'none', dmaPath: 'iommu', io: { ok: true } })
    }
  })

  it('gives virtio devices without bit 33 physical addresses, whatever the tree says', () => {
    const booted = boot([device('virtio-blk-pci', 1, DISK)])
    expect([booted.translated, booted.untranslated > 0]).toEqual([0, true])
    expect(found(booted, '0000:02:01.0')).toMatchObject({ dmaPath: 'physical', io: { ok: true } })
  })

  it('drives legacy devices by ports above 64 Ki', () => {
    const booted = boot([device('virtio-blk-pci', 1, { ...DISK, properties: { 'disable-modern': true } })])
    expect(found(booted, '0000:02:01.0')).toMatchObject({ io: { ok: true } })
  })

  it('finds nothing behind a bridge whose node does not say that it is a PCI bus: OpenBIOS knows Simba alone', () => {
    const booted = boot([
      device('pci-bridge', 0, { id: 'br', properties: { chassis_nr: 1 } }),
      device('virtio-rng-pci', 2, { bus: 'br' }),
      device('virtio-rng-pci', 1),
    ])
    expect(booted.result.devices.map(({ id }) => id)).toEqual([
      '0000:00:01.1',
      '0000:00:01.0',
      '0000:01:01.0',
      '0000:01:03.0',
      '0000:02:00.0',
      '0000:02:01.0',
    ])
  })

  it('reads from the tags which pages hardware refused', () => {
    // Physical addresses of a card that nobody translates for, in the window that the bridge answers.
    const { result } = boot([device('virtio-blk-pci', 1, { ...DISK, properties: {} })], {
      hypervisor: 'physical-no-flag',
      behind: (bus) => ({
        ...bus,
        // All of the 32-bit space is the bridge’s, as with other settings of it.
        read32: (address) => {
          if (address === SABRE + 0x204) bus.write32(SABRE + 0x202c, swap(0xff))
          return bus.read32(address)
        },
      }),
    })
    const tags = result.timeline.filter((line) => line.startsWith('sabre: IOMMU TAG('))
    expect(tags[0]).toMatch(/^sabre: IOMMU TAG\(0\)\[error\(Invalid Error\) wr\(0\) vpg\([0-9a-f]{8}\)\]$/)
    expect(tags.some((line) => line.includes('wr(1)'))).toBe(true)
    expect(result.devices.at(-1)?.io).toMatchObject({ ok: false, hung: true })
  })
})

describe('trees that it cannot use', () => {
  const pci = (tree: DeviceTree) => tree.find('/pci@1fe,0')!

  it.each([
    ['no window', (tree: DeviceTree) => pci(tree).remove('virtual-dma'), /No virtual-dma property/],
    ['a strange one', (tree: DeviceTree) => pci(tree).set('virtual-dma', [0xc000_0000, 0x1000]), /Strange virtual-dma/],
  ])('with %s, Linux uses nothing below the bridge', (_what, edit, line) => {
    const { result } = boot([device('virtio-rng-pci', 1)], { edit })
    expect(result.timeline.some((one) => line.test(one))).toBe(true)
    expect([result.booted, result.devices]).toEqual([true, []])
  })

  it('takes a window of 2 GiB with 128 Ki entries', () => {
    const booted = boot([device('virtio-blk-pci', 1, { ...DISK, properties: PLATFORM })], {
      edit: (tree) => pci(tree).set('virtual-dma', [0x8000_0000, 0x8000_0000]),
    })
    expect(booted.writes).toContain('200=70003')
    expect(found(booted, '0000:02:01.0')).toMatchObject({ io: { ok: true } })
  })

  it('stops without a host bridge, without a sun4u, and without a tree', () => {
    const halted = (edit: (tree: DeviceTree) => void): string | undefined => boot([], { edit }).result.halted
    expect(halted((tree) => pci(tree).set('compatible', 'pci108e,8000'))).toMatch(/no PCI host bridge/)
    expect(halted((tree) => tree.root.set('compatible', 'sun4v'))).toMatch(/no sun4u/)
    expect(halted((tree) => pci(tree).set('reg', [0xffff_ffff, 0, 0, 0]))).toMatch(/No reg/)
  })

  it('has no interrupt where the map lacks it, and goes on', () => {
    const booted = boot([device('virtio-blk-pci', 1, DISK)], {
      edit: (tree) => pci(tree).children[1]!.set('interrupt-map', [0, 0, 0, 1, 0, 0]),
    })
    expect(found(booted, '0000:02:01.0')?.io.detail).toMatch(/has no entry for INTA/)
  })
})

it('a bridge whose registers and configuration space are random words neither crashes nor hangs it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { minLength: 1, maxLength: 16 }), (words) => {
      let next = 0
      const { result } = boot([device('virtio-rng-pci', 1)], {
        memory: 64 << 20,
        behind: (bus) => ({
          ...bus,
          read32: (address) => (address >= SABRE ? words[next++ % words.length]! : bus.read32(address)),
        }),
      })
      expect(typeof result.booted).toBe('boolean')
    }),
    { numRuns: Math.ceil(RUNS / 100) },
  )
})
