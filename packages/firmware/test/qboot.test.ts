import { E820_ENTRY, parseMpConfiguration, parseMpFloatingPointer } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { runQboot } from '../src/index.ts'
import { FakePc } from './fake-pc.ts'

const [RAM, RESERVED, NVS] = [1, 2, 4]

function memoryMap(...ranges: readonly [base: number, length: number, type: number][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(20 * ranges.length))
  for (const [index, [base, length, type]] of ranges.entries()) {
    E820_ENTRY.fields.addr.number.set(view, 20 * index, base)
    E820_ENTRY.fields.size.number.set(view, 20 * index, length)
    E820_ENTRY.fields.type.set(view, 20 * index, type)
  }
  return new Uint8Array(view.buffer)
}

const machine = (files: Map<string, Uint8Array>): FakePc => new FakePc(new Map(), files, { dma: true, ram: 2 ** 29 })
const withMap = (more: [string, Uint8Array][] = []): FakePc =>
  machine(new Map([['etc/e820', memoryMap([0, 0xc000_0000, RAM!], [0x1_0000_0000, 0x4000_0000, RAM!])], ...more]))

describe('qboot', () => {
  it('leaves the memory map that Linux printed on QEMU 7.2, and memory above 4 GiB', () => {
    expect(runQboot(withMap()).e820).toEqual([
      { base: 0, length: 0x9_fc00, type: RAM },
      { base: 0x9_fc00, length: 0x400, type: RESERVED },
      { base: 0xd_0000, length: 0x2_0000, type: NVS },
      { base: 0xf_0000, length: 0x1_0000, type: RESERVED },
      { base: 0x10_0000, length: 0xbff0_0000, type: RAM },
      { base: 0x1_0000_0000, length: 0x4000_0000, type: RAM },
    ])
  })

  it('puts tables below 0xf0000 and the root pointer behind its image', () => {
    const command = (words: (view: DataView, text: (at: number, name: string) => void) => void): Uint8Array => {
      const bytes = new Uint8Array(128)
      words(new DataView(bytes.buffer), (at, name) => bytes.set(new TextEncoder().encode(name), at))
      return bytes
    }
    const allocate = (name: string, align: number, zone: number): Uint8Array =>
      command((view, text) => {
        view.setUint32(0, 1, true)
        text(4, name)
        view.setUint32(60, align, true)
        view.setUint8(64, zone)
      })
    const rsdp = new Uint8Array(36)
    rsdp.set(new TextEncoder().encode('RSD PTR '))
    const script = [allocate('etc/acpi/rsdp', 16, 2), allocate('etc/acpi/tables', 64, 1)]
    const { tables, rsdp: found } = runQboot(
      withMap([
        ['etc/table-loader', Uint8Array.from(script.flatMap((one) => [...one]))],
        ['etc/acpi/rsdp', rsdp],
        ['etc/acpi/tables', new Uint8Array(0xdcc)],
      ]),
    )
    // Where they were on QEMU 7.2.
    expect(tables.get('etc/acpi/tables')).toEqual({ address: 0xe_f200, size: 0xdcc })
    expect(found).toBe(0xf_34d0)
  })

  it('writes an MP table for as many processors as there are, its I/O APIC numbered behind them', () => {
    const pc = withMap()
    pc.items.set(5, Uint8Array.of(2, 0))
    runQboot(pc)
    const bytes = new Uint8Array(0x400)
    pc.readBytes(0x9_fc00, bytes)
    expect(parseMpFloatingPointer(bytes)).toBe(0x9_fc10)
    const table = parseMpConfiguration(bytes.subarray(16))
    expect(table?.localApic).toBe(0xfee0_0000)
    const entries = table?.entries ?? []
    expect(entries.filter(({ kind }) => kind === 'processor')).toHaveLength(2)
    expect(entries.find(({ kind }) => kind === 'io-apic')).toMatchObject({ id: 3, address: 0xfec0_0000 })
    // Interrupt 0 is at input 2, which no other is; all others are where their numbers say.
    expect(entries.flatMap((one) => (one.kind === 'io-interrupt' ? [[one.irq, one.input]] : []))).toEqual(
      [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((irq) => [irq, irq === 0 ? 2 : irq]),
    )
  })

  it('hands the command line on, in the zero page', () => {
    const pc = withMap()
    runQboot(pc, { commandLine: 'quiet' })
    const text = new Uint8Array(6)
    pc.readBytes(pc.read32(0x9_0228), text)
    expect(new TextDecoder().decode(text)).toBe('quiet\0')
    expect(pc.read8(0x9_01e8)).toBe(6)
  })

  it('stops without a memory map, or without fw_cfg, and says so', () => {
    const pc = machine(new Map())
    expect(runQboot(pc).hung).toBe('qboot finds no memory map (etc/e820) and stops')
    expect(pc.read8(0x9_01e8)).toBe(0)
  })
})
