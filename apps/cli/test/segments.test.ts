import { parseDmar, parseMcfg } from '@dmascope/acpi'
import { lintTable } from '@dmascope/acpi/lint'
import { runFirmware } from '@dmascope/firmware'
import { bootGuest, type GuestResult } from '@dmascope/guest'
import { createMachine, describePreset, findPreset } from '@dmascope/machine'
import { formatText, joinReport, type ReportDevice } from '@dmascope/report'
import { reportTopology } from '@dmascope/report/lint'
import { readTables } from '@dmascope/scenarios'
import { describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'

/** Three segments: a VT-d unit each for 0000 and 0001, none for 0002. */
const description = describePreset(findPreset('segments'))

interface Tampered {
  readonly report: ReturnType<typeof joinReport>
  readonly guest: GuestResult
}

/** Boots the machine with a table changed where firmware has put it, the checksum mended. */
function bootWith(signature: string, change: (table: DataView) => void): Tampered {
  const { machine } = createMachine(description)
  try {
    const { rsdp } = runFirmware(machine.bus)
    machine.endFirmwarePhase()
    const table = readTables(machine.bus, rsdp).get(signature)!
    const address = addressOf(machine.bus, rsdp, signature)
    const view = new DataView(table.buffer, table.byteOffset, table.length)
    change(view)
    view.setUint8(9, 0)
    view.setUint8(9, -table.reduce((sum, byte) => sum + byte, 0) & 0xff)
    machine.bus.writeBytes(address, table)
    const guest = bootGuest(machine.bus, { profile: 'linux-6.12', witness: machine.witness })
    return { guest, report: joinReport({ description, guest, observations: machine.observe(), version: 'test' }) }
  } finally {
    machine.dispose()
  }
}

/** Where a table lies, by the RSDT. */
function addressOf(
  bus: { read32(at: number): number; readBytes(at: number, into: Uint8Array): void },
  rsdp: number,
  signature: string,
): number {
  const root = bus.read32(rsdp + 16)
  for (let at = root + 36; at < root + bus.read32(root + 4); at += 4) {
    const name = new Uint8Array(4)
    bus.readBytes(bus.read32(at), name)
    if (String.fromCharCode(...name) === signature) return bus.read32(at)
  }
  throw new Error(`no ${signature}`)
}

const byId = (devices: readonly ReportDevice[]): Record<string, string> =>
  Object.fromEntries(
    devices
      .filter(({ io }) => io.attempted)
      .map(({ id, status, passthrough, verdict, guest: { iommuGroup } }) => [
        id,
        `${iommuGroup ?? '-'} ${passthrough ?? status} ${verdict}`,
      ]),
  )

describe('a machine of several PCI segments', () => {
  const { report, tables } = runBoot({ description, guest: 'linux-6.12', tables: true })

  it('has a VT-d unit for each segment that wants one, and groups in the order in which units register', () => {
    expect(report.iommus.map(({ id, base, enabled }) => [id, base, enabled])).toEqual([
      ['dmar0', '0xfed90000', true],
      ['dmar1', '0xfed91000', true],
    ])
    expect(byId(report.devices)).toEqual({
      '0000:00:02.0': '4 translated works',
      '0001:00:02.0': '1 translated works',
      '0001:01:00.0': '2 translated works',
      '0002:00:02.0': '- not-covered works',
    })
    expect(report.findings.map(({ id, device }) => [id, device])).toEqual([['DMA-0014', '0002:00:02.0']])
    expect(report.unseen).toEqual([])
  })

  it('remaps interrupts by the unit of the segment', () => {
    const interrupts = report.devices
      .filter(({ io }) => io.attempted)
      .map(({ id, interrupt }) => [id, interrupt.remapped])
    expect(interrupts).toEqual([
      ['0000:00:02.0', true],
      ['0001:00:02.0', true],
      ['0001:01:00.0', true],
      // In no scope, so that it gets no messages; its pin reaches the I/O APIC, whose own messages are remapped.
      ['0002:00:02.0', true],
    ])
    expect(report.devices.find(({ id }) => id === '0002:00:02.0')?.interrupt.mode).toBe('intx')
  })

  it('says in its tables what is where', () => {
    const { allocations } = parseMcfg(tables.get('MCFG')!)
    expect(allocations.map((one) => [one.pciSegmentGroupNumber, Number(one.baseAddress), one.endBusNumber])).toEqual([
      [0, 0xb000_0000, 255],
      [1, 0x1_0000_0000, 255],
      [2, 0x1_1000_0000, 255],
    ])
    const units = parseDmar(tables.get('DMAR')!).records.flatMap((one) => (one.kind === 'DRHD' ? [one] : []))
    expect(units.map(({ segmentNumber, scopes }) => [segmentNumber, scopes.map(({ kind }) => kind)])).toEqual([
      [0, ['ioapic', 'endpoint', 'endpoint', 'endpoint', 'endpoint', 'endpoint']],
      [1, ['bridge', 'endpoint']],
    ])
  })

  it('has tables that lint holds against functions of each segment', () => {
    const topology = { functions: reportTopology(report) }
    const lint = (table: Uint8Array): string[] =>
      lintTable(table, { topology }).map(({ rule, message }) => `${rule.id} ${message}`)
    expect(lint(tables.get('DMAR')!)).toEqual([expect.stringMatching(/^DMAR-0104 .*0002:00:02\.0/)])
    expect(lint(tables.get('MCFG')!)).toEqual([])
    const lying = tables.get('DMAR')!.slice()
    const view = new DataView(lying.buffer)
    view.setUint16(48 + view.getUint16(48 + 2, true) + 6, 2, true)
    const found = lint(lying).filter((text) => text.startsWith('DMAR-010'))
    expect(found).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^DMAR-0104 .*0001:00:00\.0/),
        expect.stringMatching(/^DMAR-0101 .*0002:00:00\.0/),
      ]),
    )
  })

  it('is told to be no machine of QEMU’s', () => {
    expect(report.machine.addedSegments).toEqual([1, 2])
    expect(formatText(report).replaceAll(/\s+/g, ' ')).toContain(
      'q35 (QEMU 11.1, but for PCI segments 0001, 0002, which it does not have), preset segments',
    )
  })

  it('gives the same requester ID in two segments translations of its own', () => {
    const [first, second] = ['0000:00:02.0', '0001:00:02.0'].map((id) => report.devices.find((one) => one.id === id)!)
    expect([first!.dma.translated, second!.dma.translated]).toEqual([198, 198])
    expect([first!.faults, second!.faults]).toEqual([[], []])
  })
})

describe('firmware that lies of segments', () => {
  it('names a segment for a unit that it does not serve: its own functions are blocked, for all that the kernel knows', () => {
    // The second DRHD begins behind the first; its segment number is at byte 6.
    const { report } = bootWith('DMAR', (table) => {
      table.setUint16(48 + table.getUint16(48 + 2, true) + 6, 2, true)
    })
    // Segment 1 is behind its unit in truth, and the kernel thinks that it is not.
    expect(byId(report.devices)).toMatchObject({
      '0000:00:02.0': '2 translated works',
      '0001:00:02.0': '- blocked faults',
    })
    const lied = report.devices.find(({ id }) => id === '0001:00:02.0')!
    expect(lied.firmwareTruth).toBe('claims-bypass')
    expect(lied.faults.length).toBeGreaterThan(0)
    const other = report.devices.find(({ id }) => id === '0002:00:02.0')!
    expect(other).toMatchObject({ firmware: { covered: true }, status: 'passthrough', verdict: 'hangs' })
  })

  it('leaves a segment out of MCFG: nothing there is found', () => {
    const { report, guest } = bootWith('MCFG', (table) => table.setUint16(44 + 16 + 8, 7, true))
    expect(report.devices.filter(({ id }) => id.startsWith('0001'))).toEqual([])
    expect(report.unseen.map(({ id }) => id)).toContain('0001:00:02.0')
    expect(report.devices.some(({ id }) => id === '0002:00:02.0')).toBe(true)
    expect(guest.timeline).toContain(
      "ACPI: PCI Root Bridge \\_SB_.S001 (domain 0001): can't access configuration space under this host bridge",
    )
  })

  it('puts one window of MCFG where no memory is reserved: Linux uses none of them', () => {
    const { report } = bootWith('MCFG', (table) => table.setUint32(44 + 16, 0x3000_0000, true))
    expect(report.devices.map(({ id }) => id.slice(0, 4))).toEqual(report.devices.map(() => '0000'))
    expect(byId(report.devices)).toEqual({ '0000:00:02.0': '1 translated works' })
  })

  it('gives two segments one window of MCFG: the functions of one are found in both', () => {
    const { report, guest } = bootWith('MCFG', (table) => {
      table.setUint32(44 + 32, table.getUint32(44 + 16, true), true)
    })
    const port = { vendor: 0x1b36, device: 0x000c }
    expect(guest.devices.find(({ id }) => id === '0001:00:00.0')).toMatchObject(port)
    // Segment 2 has one device alone, at 00:02.0.
    expect(guest.devices.find(({ id }) => id === '0002:00:00.0')).toMatchObject(port)
    expect(report.devices.some(({ id }) => id === '0002:00:00.0')).toBe(false)
  })
})
