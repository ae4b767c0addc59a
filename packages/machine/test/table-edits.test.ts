import { buildDmar, checksum, parseDmar } from '@dmascope/acpi'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import { TableEdits } from '../src/firmware/table-edits.ts'
import { createMachine, type DmascopeError, type MachineDescription } from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const TABLES = 'etc/acpi/tables'
const Q35 = 'machine: q35\nmemory: 128M\ndevices:\n  - model: intel-iommu\n'

const read = (text: string, readTable?: (file: string, signature: string) => Uint8Array): MachineDescription =>
  readMachineFile(text, { file: 'm.yaml', ...(readTable !== undefined && { readTable }) }).description

/** What fw_cfg offers as tables. */
function tablesOf(description: MachineDescription): Uint8Array {
  const { machine, files } = createMachine(description)
  machine.dispose()
  return files.get(TABLES)!.bytes
}

/** The first table with this signature among tables one behind the other. */
function tableIn(bytes: Uint8Array, signature: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  for (let at = 0; at + 36 <= bytes.length; at += view.getUint32(at + 4, true)) {
    if (String.fromCharCode(...bytes.subarray(at, at + 4)) === signature)
      return bytes.subarray(at, at + view.getUint32(at + 4, true))
    if (view.getUint32(at + 4, true) === 0) break
  }
  throw new Error(`no ${signature}`)
}

/** Code and words of what is refused. */
function refusal(act: () => unknown): [code: string, message: string] {
  try {
    act()
  } catch (error) {
    return [(error as DmascopeError).code, (error as Error).message]
  }
  throw new Error('nothing was refused')
}

describe('bytes of a table', () => {
  const plain = tableIn(tablesOf(read(Q35)), 'DMAR')

  it('are put where they are to be; firmware computes the checksum, whose byte is 0 until then', () => {
    const edited = tableIn(
      tablesOf(read(`${Q35}tables:\n  - {table: DMAR, offset: 0x38, bytes: "00 00 00 00"}\n`)),
      'DMAR',
    )
    const wanted = plain.slice()
    wanted.set([0, 0, 0, 0], 0x38)
    expect(edited).toEqual(wanted)
    expect(edited[9]).toBe(0)
  })

  it('leave the checksum as it was where it is to be kept: it is wrong then', () => {
    const text = `${Q35}tables:\n  - {table: DMAR, offset: 0x24, bytes: 10, checksum: keep}\n`
    const edited = tableIn(tablesOf(read(text)), 'DMAR')
    expect(edited[0x24]).toBe(0x10)
    expect(checksum(edited)).not.toBe(0)
  })

  it('are read as they are written: 00 is one byte, 0000 two, and 1e5 none', () => {
    const [edit] = read(`${Q35}tables:\n  - {table: DMAR, offset: 0, bytes: 0000}\n`).tables!
    expect(edit?.patches).toEqual([{ offset: 0, bytes: Uint8Array.of(0, 0) }])
    expect(refusal(() => read(`${Q35}tables:\n  - {table: DMAR, offset: 0, bytes: 1e5}\n`))[0]).toBe(
      'MACHINE_FILE_VALUE',
    )
  })

  it('of several edits, the later ones hold', () => {
    const text = `${Q35}tables:\n  - {table: DMAR, offset: 0x24, bytes: 1122}\n  - {table: DMAR, offset: 0x25, bytes: 33}\n`
    expect([...tableIn(tablesOf(read(text)), 'DMAR').subarray(0x24, 0x26)]).toEqual([0x11, 0x33])
  })

  it('property: a table has what was last written to each byte, and the machine’s own stays as it is', () => {
    const patch = fc.record({
      offset: fc.integer({ min: 0, max: 60 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    })
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.array(patch, { maxLength: 6 }),
        (rest, patches) => {
          const table = rest.slice()
          table.set([0x44, 0x4d, 0x41, 0x52])
          const before = table.slice()
          const location = { text: 'here' }
          const edits = patches.map((one) => ({
            table: 'DMAR',
            index: 0,
            patches: [one],
            checksum: 'mend' as const,
            location,
          }))
          const wanted = table.slice()
          for (const { offset, bytes } of patches) wanted.set(bytes, offset)
          const all = new TableEdits(edits)
          expect(all.apply(table)).toEqual({ bytes: wanted, mended: true })
          expect(table).toEqual(before)
          expect(all.added()).toEqual([])
        },
      ),
      { numRuns: RUNS },
    )
  })
})

describe('a whole table', () => {
  const header = { revision: 1, oemId: 'A', oemTableId: 'B', oemRevision: 1, creatorId: 'C', creatorRevision: 1 }
  const other = buildDmar({ signature: 'DMAR', header, hostAddressWidth: 38, flags: 0, records: [] })
  const text = (machine: string): string => `${machine}tables:\n  - {table: DMAR, file: my.dat}\n`

  it('stands in place of the machine’s own, with its own checksum', () => {
    const found = tableIn(tablesOf(read(text(Q35), () => other)), 'DMAR')
    expect(found).toEqual(other)
    expect(parseDmar(found).hostAddressWidth).toBe(38)
  })

  it('is added where the machine has none, and listed', () => {
    const without = read('machine: q35\nmemory: 128M\n')
    const bytes = tablesOf(read(text('machine: q35\nmemory: 128M\n'), () => other))
    expect(tableIn(bytes, 'DMAR')).toEqual(other)
    expect(tableIn(bytes, 'RSDT').length).toBe(tableIn(tablesOf(without), 'RSDT').length + 4)
  })

  it('may be edited in turn', () => {
    const edited = `${text(Q35)}  - {table: DMAR, offset: 0x24, bytes: 0a}\n`
    expect(tableIn(tablesOf(read(edited, () => other)), 'DMAR')[0x24]).toBe(10)
  })
})

describe('what cannot be', () => {
  const edit =
    (line: string, machine = Q35): (() => unknown) =>
    () =>
      tablesOf(read(`${machine}tables:\n  - ${line}\n`, () => new Uint8Array(8)))
  it.each([
    [
      '{table: DMAR, offset: 0x1000, bytes: 00}',
      'MACHINE_TABLE',
      /m\.yaml:6:5: DMAR has \d+ bytes \(0x[0-9a-f]+\); 1 at 0x1000 do not fit/,
    ],
    ['{table: IVRS, offset: 0, bytes: 00}', 'MACHINE_TABLE', /m\.yaml:6:5: the machine has no IVRS; it has .*DMAR/],
    ['{table: DMAR, index: 1, offset: 0, bytes: 00}', 'MACHINE_TABLE', /no DMAR of index 1, only 1/],
    ['{table: FACP, offset: 40, bytes: 00}', 'MACHINE_TABLE', /firmware writes addresses into FACP/],
    ['{table: DMAR, file: short.dat}', 'MACHINE_TABLE', /8 bytes are no table/],
    ['{table: DMAR, offset: 0}', 'MACHINE_FILE_VALUE', /m\.yaml:6:6: write either file/],
    ['{table: DMAR, bytes: 00}', 'MACHINE_FILE_VALUE', /at which offset/],
    [
      '{table: DMAR, offset: 0, bytes: "0g"}',
      'MACHINE_FILE_VALUE',
      /m\.yaml:6:30: expected bytes in hexadecimal.* got '0g'/,
    ],
    ['{table: DMAR, file: a, offset: 1}', 'MACHINE_FILE_VALUE', /a file is the whole table/],
  ])('%s', (line, code, message) => {
    const [gotCode, got] = refusal(edit(line))
    expect(gotCode).toBe(code)
    expect(got).toMatch(message)
  })

  it.each([
    'machine: pseries\n',
    'machine: virt\ncpu: cortex-a57\n',
    'machine: microvm\nmachineProperties: {acpi: off}\n',
  ])('a machine without ACPI: %s', (machine) => {
    const [code, message] = refusal(edit('{table: DMAR, offset: 0, bytes: 00}', machine))
    expect(code).toBe('MACHINE_TABLE')
    expect(message).toMatch(/has no ACPI tables to edit/)
  })

  it('a file where none can be read', () => {
    expect(refusal(() => read(`${Q35}tables:\n  - {table: DMAR, file: a}\n`))[1]).toMatch(/no file can be read here/)
  })

  it('a launch without the hardware for it', () => {
    for (const machine of ['machine: q35\n', 'machine: pc\n', 'machine: virt\ncpu: cortex-a57\n']) {
      const [code, message] = refusal(() => createMachine(read(`${machine}launch: tboot\n`)))
      expect(code).toBe('MACHINE_LAUNCH')
      expect(message).toMatch(/needs the VT-d of a q35/)
    }
  })
})
