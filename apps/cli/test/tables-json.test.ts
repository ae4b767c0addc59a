import { buildTable, sdtHeader } from '@dmascope/acpi'
import { buildDtb, parseDts } from '@dmascope/devicetree'
import { DmascopeError, formatAnnotated } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recognise } from '../src/sources/firmware-input.ts'
import { decodeItem } from '../src/tables/decode-item.ts'
import { build, bytesOf, dmar, dumped, jsonOf, mcfg, refused, SOURCE, tree } from './tables.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

/** Everything that is shown of an input. */
function shown(bytes: Uint8Array): string {
  return recognise(bytes, 'input')
    .map((item) => {
      const { title, lines, problems, columns, bytesPerRow } = decodeItem(item)
      const options = { problems, ...(columns && { columns }), ...(bytesPerRow !== undefined && { bytesPerRow }) }
      return `${title}\n${[...formatAnnotated(lines(), options)].join('')}`
    })
    .join('')
}

describe('JSON and back', () => {
  it('gives the same bytes, of one table, of several, and of trees', () => {
    for (const bytes of [dmar, mcfg, tree]) expect(build(jsonOf(bytes)).map((one) => one.bytes)).toEqual([bytes])
    const dump = bytesOf(dumped('DMAR', dmar) + dumped('MCFG', mcfg))
    expect(build(jsonOf(dump)).map((one) => one.bytes)).toEqual([dmar, mcfg])
    expect(build(jsonOf(bytesOf(SOURCE)))[0]?.bytes).toEqual(tree)
  })

  it('is valid JSON of short lines', () => {
    const long = buildTable({ signature: 'MCFG', header: sdtHeader(1), allocations: [] })
    for (const bytes of [dmar, tree, long]) {
      const text = jsonOf(bytes)
      expect(JSON.parse(text)).toMatchObject({ schemaVersion: 1 })
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
    }
  })

  it('a table or tree alone is taken too', () => {
    const { table } = JSON.parse(jsonOf(dmar)).tables[0]
    expect(build(JSON.stringify(table))[0]?.bytes).toEqual(dmar)
    const plain = JSON.parse(jsonOf(tree)).tables[0].tree
    expect(build(JSON.stringify(plain))[0]?.bytes).toEqual(tree)
  })

  it('a wrong checksum is kept and told, or made right', () => {
    const wrong = dmar.slice()
    wrong[9] = 0
    const text = jsonOf(wrong)
    const [kept] = build(text)
    expect(kept?.bytes).toEqual(wrong)
    expect(kept?.checksums).toEqual([`DMAR at byte 0x9: the checksum is 0x00, it should be 0x${dmar[9]?.toString(16)}`])
    const [fixed] = build(text, 'fix')
    expect(fixed?.bytes).toEqual(dmar)
    expect(fixed?.checksums).toEqual([])
  })

  it('both checksums of a root pointer', () => {
    const rsdp = { signature: 'RSD PTR ', oemId: 'A     ', revision: 2, rsdtAddress: 1, xsdtAddress: 2 }
    const [right] = build(JSON.stringify(rsdp))
    const wrong = JSON.stringify({ ...rsdp, checksum: 1, extendedChecksum: 2 })
    expect(build(wrong)[0]?.checksums).toHaveLength(2)
    expect(build(wrong, 'fix')[0]?.bytes).toEqual(right?.bytes)
  })

  it.each<[string, string, unknown, RegExp]>([
    [
      'an unknown key',
      'table.records.0.flagz',
      1,
      /^BUILD_UNKNOWN_KEY x\.json: tables\[0\]\.table\.records\[0\]: unknown key "flagz"; did you mean "flags"\?$/,
    ],
    [
      'one in an item',
      'tabel',
      [],
      /^BUILD_UNKNOWN_KEY x\.json: tables\[0\]: unknown key "tabel"; did you mean "table"\?$/,
    ],
    [
      'one that is like none',
      'table.header.zzzzzz',
      1,
      /table\.header: unknown key "zzzzzz"; known are revision, oemId/,
    ],
    [
      'an unknown kind',
      'table.records.0.kind',
      'DHRD',
      /records\[0\]\.kind: "DHRD" is none that is known; did you mean "DRHD"\?$/,
    ],
    [
      'a kind that is missing',
      'table.records.0.scopes.0.kind',
      undefined,
      /scopes\[0\]\.kind is missing; expected one of "unknown", "endpoint"/,
    ],
    [
      'an unknown format',
      'format',
      'apci',
      /tables\[0\]\.format: "apci" is none that is known; did you mean "acpi"\?$/,
    ],
    [
      'an unknown signature',
      'table.signature',
      'DMRA',
      /table\.signature: a table "DMRA" has no fields but header and data; did you mean "DMAR"\?$/,
    ],
    [
      'a missing field',
      'table.records.0.registerBaseAddress',
      undefined,
      /^BUILD_MISSING .*registerBaseAddress is missing: expected an integer/,
    ],
    ['a missing table', 'table', undefined, /^BUILD_MISSING .*tables\[0\]\.table is missing: expected an object$/],
    ['a value out of range', 'table.records.0.flags', 256, /records\[0\]\.flags: expected at most 255, not 256$/],
    ['a value below it', 'table.records.0.flags', -1, /records\[0\]\.flags: expected at least 0, not -1$/],
    [
      'an inexact number',
      'table.records.0.registerBaseAddress',
      2 ** 60,
      /at most 2\^53 - 1, or a text of "0x" and up to 16/,
    ],
    ['text for a number', 'table.flags', 'x', /table\.flags: expected a (?:whole )?number, not "x"$/],
    [
      'too long a text',
      'table.header.oemId',
      'SEVENTH',
      /oemId: expected at most 6 characters up to U\+00FF, not "SEVENTH"$/,
    ],
    ['no list', 'table.records', {}, /table\.records: expected a list, not \{\}$/],
  ])('%s is told with its path', (_, path, value, message) => {
    const document = JSON.parse(jsonOf(dmar))
    const steps = path.split('.')
    const last = steps.pop() ?? ''
    const place = steps.reduce((at, step) => at[step], document.tables[0])
    place[last] = value
    expect(refused(() => build(JSON.stringify(document)))).toMatch(message)
  })

  it('a record that a length field cannot tell is told where it is', () => {
    const all = JSON.parse(jsonOf(dmar))
    all.tables[0].table.records[0].scopes[0].path = Array(200).fill({ device: 1, function: 0 })
    expect(refused(() => build(JSON.stringify(all)))).toMatch(
      /^BUILD_VALUE x\.json: tables\[0\]\.table: .*its length field/,
    )
  })

  it('what is no JSON is told with line and column', () => {
    expect(refused(() => build('{\n  "a": 1,,\n}'))).toMatch(/^BUILD_SYNTAX x\.json:2:10: /)
    expect(refused(() => build(''))).toMatch(/^BUILD_SYNTAX x\.json:1:1: /)
  })

  it('no JSON is refused with another exception', () => {
    const key = fc.constantFrom(
      'schemaVersion',
      'tables',
      'format',
      'table',
      'tree',
      'signature',
      'header',
      'root',
      'name',
      'kind',
    )
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom<unknown>(1, 0, null, 'acpi', 'devicetree', 'bytes', 'DMAR', 'FACS', 'SRAT', '', [], true),
        fc.array(tie('json'), { maxLength: 3 }),
        fc.dictionary(key, tie('json'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(json, (value) => {
        try {
          build(JSON.stringify(value))
        } catch (error) {
          return error instanceof DmascopeError
        }
        return true
      }),
      RUNS,
    )
  })
})

describe('damage', () => {
  it('is told below the byte that it is at, and still rebuilds', () => {
    const cut = dmar.slice(0, 70)
    expect(shown(cut)).toMatch(/\n!! {2}ACPI_LENGTH at 0x4: the header gives 72 bytes, there are 70\n/)
    expect(build(jsonOf(cut))[0]?.bytes).toEqual(cut)
  })

  it.each([
    ['a table without its fixed fields', dmar.subarray(0, 40), 'ACPI_TRUNCATED'],
    ['a table without its header', dmar.subarray(0, 20), 'ACPI_TRUNCATED'],
    ['a blob that ends early', tree.subarray(0, 60), 'DTB_TRUNCATED'],
    ['a blob without a header', tree.subarray(0, 20), 'DTB_TRUNCATED'],
  ])('%s is shown as far as it makes sense, and kept as bytes', (_, bytes, code) => {
    const [item] = recognise(bytes, 'x')
    const { problems, plain } = decodeItem(item!)
    expect(problems.map((one) => one.code)).toContain(code)
    expect(plain().format).toBe('bytes')
    expect(shown(bytes)).toContain(`!!  ${code} at 0x`)
    expect(build(jsonOf(bytes))[0]?.bytes).toEqual(bytes.slice())
  })

  it('a tree too deep for JSON is kept as bytes', () => {
    const depth = 300
    const deep = buildDtb(parseDts('/dts-v1/; / { };'))
    const words = new Uint32Array(14 + depth * 3 + 1)
    words.set([0xd00dfeed, words.length * 4, 0x38, words.length * 4, 0x28, 17, 16, 0, 0, (depth * 3 + 1) * 4])
    for (let index = 0; index < depth; index++) words.set([1, index === 0 ? 0 : 0x61000000], 14 + index * 2)
    words.fill(2, 14 + depth * 2, 14 + depth * 3)
    words[words.length - 1] = 9
    const bytes = new Uint8Array(words.length * 4)
    for (const [index, word] of words.entries()) new DataView(bytes.buffer).setUint32(index * 4, word)
    expect(decodeItem(recognise(bytes, 'x')[0]!).plain().format).toBe('bytes')
    expect(decodeItem(recognise(deep, 'x')[0]!).plain().format).toBe('devicetree')
  })

  it('whatever is changed, every input is refused in words or shown and rebuilt to the same bytes', () => {
    const inputs = [dmar, mcfg, tree, bytesOf(dumped('DMAR', dmar)), bytesOf(SOURCE)]
    const change = fc.tuple(fc.nat(400), fc.oneof(fc.constantFrom(0, 1, 0x20, 0xff), fc.nat(255)))
    fc.assert(
      fc.property(fc.constantFrom(...inputs), fc.array(change, { maxLength: 4 }), fc.nat(20), (input, changes, cut) => {
        const bytes = input.slice(0, cut > 10 ? input.length - cut : input.length)
        for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
        let items: ReturnType<typeof recognise>
        try {
          items = recognise(bytes, 'x')
          shown(bytes)
        } catch (error) {
          return error instanceof DmascopeError
        }
        const rebuilt = build(jsonOf(bytes))
        return items.every((item, index) => Buffer.compare(rebuilt[index]!.bytes, decodeItem(item).bytes) === 0)
      }),
      RUNS,
    )
  })
})
