import { parseMadt } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { createMachine } from '../src/index.ts'

function madtOf(cpus: number) {
  const { machine, files } = createMachine({
    machine: 'q35',
    qemuVersion: '11.1',
    name: 'q35',
    source: 'file',
    memory: 256 * 1024 * 1024,
    cpus,
    defaultDevices: false,
    machineProperties: {},
    devices: [],
    append: '',
    ignored: [],
  })
  machine.dispose()
  const tables = files.get('etc/acpi/tables')!.bytes
  const start = Buffer.from(tables).indexOf('APIC')
  const length = new DataView(tables.buffer, tables.byteOffset + start, 8).getUint32(4, true)
  return parseMadt(tables.slice(start, start + length)).records
}

const count = (records: ReturnType<typeof madtOf>, kind: string): number =>
  records.filter((record) => record.kind === kind).length

describe('the MADT, of processors', () => {
  it.each([1, 4, 255])('%i: each has a local APIC whose identifier is a byte', (cpus) => {
    const records = madtOf(cpus)
    expect(count(records, 'local-apic')).toBe(cpus)
    expect(count(records, 'local-x2apic')).toBe(0)
    expect(records.at(-1)).toMatchObject({ kind: 'local-apic-nmi', acpiProcessorUid: 0xff })
  })

  it.each([256, 288, 4096])('%i: those from the 256th on have an x2APIC', (cpus) => {
    const records = madtOf(cpus)
    expect(count(records, 'local-apic')).toBe(255)
    expect(count(records, 'local-x2apic')).toBe(cpus - 255)
    expect(records[255]).toMatchObject({ kind: 'local-x2apic', x2apicId: 255, acpiProcessorUid: 255, flags: 1 })
    expect(records.at(-1)).toMatchObject({ kind: 'local-x2apic-nmi', acpiProcessorUid: 0xffff_ffff })
  })
})
