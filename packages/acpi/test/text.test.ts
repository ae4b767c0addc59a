import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildMcfg, buildRsdp, sdtHeader } from '../src/index.ts'
import { findTables } from '../src/text/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

const mcfg = buildMcfg({
  signature: 'MCFG',
  header: sdtHeader(1),
  allocations: [{ baseAddress: 0xb0000000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255 }],
})
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Rows as acpidump and iasl print them; `mark` stands between bytes and characters. */
function rows(data: Uint8Array, indent: string, mark: string): string {
  let text = ''
  for (let at = 0; at < data.length; at += 16) {
    const part = data.subarray(at, at + 16)
    const digits = Array.from(part, (byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ')
    const characters = Array.from(part, (byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : '.')).join(
      '',
    )
    const offset = at.toString(16).toUpperCase().padStart(4, '0')
    text += `${indent}${offset}: ${digits.padEnd(47)}  ${mark}${characters}\n`
  }
  return text
}

describe('tables in an input', () => {
  test('a raw table is the input itself, whatever its checksum and length say', () => {
    expect(findTables(mcfg)).toEqual([{ bytes: mcfg, form: 'raw', offset: 0, problems: [] }])
    const damaged = mcfg.slice(0, 40)
    damaged.fill(0xff, 4, 8)
    expect(findTables(damaged).map(({ form }) => form)).toEqual(['raw'])
    const rsdp = buildRsdp({ signature: 'RSD PTR ', oemId: 'DMASCP', revision: 0, rsdtAddress: 0x1000 })
    expect(findTables(rsdp).map(({ bytes }) => bytes)).toEqual([rsdp])
  })

  test('a table of an OEM is told by a length that can be, or by its checksum', () => {
    const own = mcfg.slice()
    own.set(bytesOf('XYZ9'))
    expect(findTables(own)).toHaveLength(1)
    own.fill(0xff, 4, 8)
    expect(findTables(own)).toHaveLength(0)
    own[9] = (own[9]! - own.reduce((sum, byte) => sum + byte, 0)) & 0xff
    expect(findTables(own)).toHaveLength(1)
    expect(findTables(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 0, 0, 0))).toEqual([])
    expect(findTables(new Uint8Array(0))).toEqual([])
  })

  test('acpidump: several tables, each with its address; line ends of either kind', () => {
    const second = mcfg.slice(0, 52)
    const text = `MCFG @ 0x000000007FFDCC40\n${rows(mcfg, '    ', '')}\nRSD PTR  @ 0xe0000\n${rows(second, '  ', '')}\n`
    for (const input of [text, text.replaceAll('\n', '\r\n')]) {
      const found = findTables(bytesOf(input))
      expect(found.map(({ bytes, address, line, form }) => ({ bytes, address, line, form }))).toEqual([
        { bytes: mcfg, address: 0x7ffdcc40, line: 1, form: 'acpidump' },
        { bytes: second, address: 0xe0000, line: 7, form: 'acpidump' },
      ])
      expect(found[1]!.offset).toBe(input.indexOf('RSD PTR'))
    }
  })

  test('a text in UTF-16, as PowerShell writes it', () => {
    const text = `\ufeffMCFG @ 0x0\n${rows(mcfg, '    ', '')}`
    const input = new Uint8Array(new Uint16Array(Array.from(text, (one) => one.charCodeAt(0))).buffer)
    expect(findTables(input).map(({ bytes }) => bytes)).toEqual([mcfg])
  })

  test('iasl: the raw data below the fields, of several files in one', () => {
    const text = `/*\n * ACPI Data Table [MCFG]\n */\n\n[000h 0000   4]   Signature : "MCFG"\n\nRaw Table Data: Length 60 (0x3C)\n\n${rows(mcfg, '    ', '// ')}`
    const found = findTables(bytesOf(`${text}\n${text.replace(': Length 60 (0x3C)', '')}`))
    expect(found.map(({ bytes, form, line }) => ({ bytes, form, line }))).toEqual([
      { bytes: mcfg, form: 'iasl', line: 7 },
      { bytes: mcfg, form: 'iasl', line: 20 },
    ])
  })

  test('characters that look like bytes are not taken for them', () => {
    const text = 'ABCD @ 0x0\n    0000: 41 42 43 44                                      AB CD EF 01\n'
    expect(findTables(bytesOf(text))[0]?.bytes).toEqual(bytesOf('ABCD'))
    const full = `    0000: ${'41 '.repeat(16)} 41 41 41\n`
    expect(findTables(bytesOf(`AAAA @ 0x0\n${full}`))[0]?.bytes).toEqual(bytesOf('A'.repeat(16)))
  })

  test('a row that is missing ends the table, and is told', () => {
    const lines = `MCFG @ 0x0\n${rows(mcfg, '    ', '')}`.split('\n')
    lines.splice(2, 1)
    const [found] = findTables(bytesOf(lines.join('\n')))
    expect(found?.bytes).toEqual(mcfg.subarray(0, 16))
    expect(found?.problems).toEqual([
      { line: 3, message: 'the row is for byte 0x20, but 0x10 is next; the rest is left out' },
    ])
  })

  test('a heading without rows is no table', () => {
    expect(findTables(bytesOf('MCFG @ 0x0\nRaw Table Data: Length 3\nnothing\n    0000: 41 42\n'))).toEqual([])
  })

  test('what was written as text is read back, whatever it was', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.constantFrom('', '// '),
        fc.constantFrom('', ' ', '    '),
        (data, mark, indent) => {
          const [found] = findTables(bytesOf(`OEM1 @ 0x0\n${rows(data, indent, mark)}\n`))
          return (
            found !== undefined && Buffer.from(found.bytes).equals(Buffer.from(data)) && found.problems.length === 0
          )
        },
      ),
      RUNS,
    )
  })

  test('no input is refused with an exception, and none gives more bytes than it has', () => {
    const line = fc.constantFrom(
      'MCFG @ 0x0',
      'Raw Table Data: Length 9',
      '    0000: 41 42 43',
      '    0003: 44',
      '  zz: 41',
      '    0000:',
      '',
      'FFFF: 41',
    )
    const inputs = fc.oneof(
      fc.array(line, { maxLength: 12 }).map((lines) => bytesOf(lines.join('\n'))),
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 64 }).map((rest) => Uint8Array.of(0xff, 0xfe, ...rest)),
    )
    fc.assert(
      fc.property(inputs, (input) => {
        const found = findTables(input)
        return found.reduce((sum, { bytes }) => sum + bytes.length, 0) <= input.length
      }),
      RUNS,
    )
  })
})
