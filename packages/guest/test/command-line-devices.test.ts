import { buildMpConfiguration, buildMpFloatingPointer, type MpEntry } from '@dmascope/acpi'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findMpTable } from '../src/early/mp-table.ts'
import { commandLineDevices } from '../src/platform/command-line-devices.ts'
import { parseKernelCommandLine } from '../src/profile/kernel-command-line.ts'
import { parseGuest } from '../src/profile/parse-guest.ts'
import { SparseBus } from './support/sparse-bus.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const silent = (): void => {}

function devices(text: string, inputs: ReadonlyMap<number, number> | null = null) {
  const log: string[] = []
  const found = commandLineDevices(parseKernelCommandLine(text), inputs, (line) => log.push(line))
  return {
    log,
    found: found.map(({ id, base, size, interrupt }) => `${id} ${base.toString(16)} ${size} ${interrupt?.number}`),
  }
}

describe('virtio_mmio.device= (vm_cmdline_set)', () => {
  test('is size, address and interrupt, and the number of the device, which later ones count from', () => {
    const text =
      'virtio_mmio.device=512@0xfeb00e00:12 virtio-mmio.device=1K@4276092928:5:7 virtio_mmio.device=0x200@0x1000:3'
    expect(devices(text).found).toEqual([
      'virtio-mmio.0 feb00e00 512 12',
      'virtio-mmio.7 fee00000 1024 5',
      'virtio-mmio.8 1000 512 3',
    ])
  })

  test('is refused, with a word, where it is something else', () => {
    for (const value of [
      '',
      '=512',
      '=512@0x1000',
      '=512@0x1000:0',
      '=512@0x1000:5x',
      '=@0x1000:5',
      '=1@0x20000000000000:5',
    ]) {
      const { found, log } = devices(`virtio_mmio.device${value}`)
      expect(found, value).toEqual([])
      expect(log[0], value).toContain("is invalid for parameter 'device'")
    }
  })

  test('leads to the input of an I/O APIC that an MP table names, or to none', () => {
    const inputs = new Map([[5, 21]])
    expect(devices('virtio_mmio.device=512@0x1000:5 virtio_mmio.device=512@0x2000:6', inputs).found).toEqual([
      'virtio-mmio.0 1000 512 21',
      'virtio-mmio.1 2000 512 undefined',
    ])
    expect(devices('virtio_mmio.device=512@0x1000:24').found).toEqual(['virtio-mmio.0 1000 512 undefined'])
  })

  test('is taken only by a kernel that is built for it, which Debian’s is not', () => {
    expect(parseGuest('linux-6.12').configuration.virtioMmioCommandLine).toBe(false)
    expect(parseGuest('linux-6.1,command-line-devices=on').configuration.virtioMmioCommandLine).toBe(true)
    expect(() => parseGuest('linux-6.1,command-line-devices=yes')).toThrow(/known are on, off/)
  })
})

describe('the MP table', () => {
  const ENTRIES: readonly MpEntry[] = [
    { kind: 'bus', id: 0, type: 'PCI' },
    { kind: 'bus', id: 1, type: 'ISA' },
    { kind: 'io-apic', id: 2, version: 0x11, usable: false, address: 0xfec1_0000 },
    { kind: 'io-apic', id: 3, version: 0x11, usable: true, address: 0xfec0_0000 },
    { kind: 'io-interrupt', type: 'vectored', flags: 0, bus: 1, irq: 5, apicId: 3, input: 9 },
    { kind: 'io-interrupt', type: 'vectored', flags: 0, bus: 0, irq: 6, apicId: 3, input: 10 },
    { kind: 'io-interrupt', type: 'vectored', flags: 0, bus: 1, irq: 7, apicId: 4, input: 11 },
    { kind: 'io-interrupt', type: 'external', flags: 0, bus: 1, irq: 8, apicId: 3, input: 12 },
  ]
  const machine = (at: number): SparseBus => {
    const bus = new SparseBus()
    bus.put(at, buildMpFloatingPointer(0x9_f000))
    bus.put(0x9_f000, buildMpConfiguration({ oemId: 'A', productId: 'B', localApic: 0xfee0_0000, entries: ENTRIES }))
    return bus
  }

  test.each([0x10, 0x9_fc00, 0xf_5770, 0xf_fff0])('is found by its pointer at %i', (at) => {
    expect(findMpTable(machine(at), silent)).toEqual({
      localApic: 0xfee0_0000,
      ioApics: [{ id: 3, address: 0xfec0_0000, gsiBase: 0 }],
      isaInputs: new Map([[5, 9]]),
    })
  })

  test.each([0x8, 0x400, 0x9_f800, 0xe_0000])('is not looked for at %i', (at) => {
    expect(findMpTable(machine(at), silent)).toBeNull()
  })

  test('is told of, and gone without, where it makes no sense', () => {
    const bus = machine(0x9_fc00)
    bus.write8(0x9_f010, 0xff)
    const log: string[] = []
    expect(findMpTable(bus, (line) => log.push(line))).toBeNull()
    expect(log).toEqual(['found SMP MP-table at 0x9fc00', 'MP table at 0x9f000: it makes no sense, not used'])
  })

  test('whatever stands there, looking for it ends, and throws nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 96 }), fc.nat(0xffff_ffff), (bytes, table) => {
        const bus = new SparseBus()
        bus.put(0x9_fc00, buildMpFloatingPointer(table))
        bus.put(table, bytes)
        findMpTable(bus, silent)
      }),
      { numRuns: Math.min(RUNS, 500) },
    )
  })
})
