import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AnnotatedLine, formatAnnotated } from '../src/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

const line = (offset: number, bytes: string, field: string, value: string, meaning = '', depth = 0): AnnotatedLine => ({
  offset,
  size: bytes.length / 2,
  bytes,
  field,
  value,
  meaning,
  depth,
})
const text = (lines: readonly AnnotatedLine[], options?: Parameters<typeof formatAnnotated>[1]): string =>
  [...formatAnnotated(lines, options)].join('')

describe('annotated lines as text', () => {
  it('stand in columns, records by their names alone', () => {
    const lines = [
      line(0, '44', 'Signature', '"D"'),
      line(1, '', 'DRHD', 'VT-d 4.1', '00:02.0', 1),
      line(1, '0100', 'Flags', '0x0001', 'ALL=1', 2),
    ]
    expect(text(lines)).toBe(`000  44                       Signature  "D"
001                             DRHD  VT-d 4.1  00:02.0
001  01 00                        Flags  0x0001  ALL=1
`)
  })

  it('go on below where a field has more bytes or words than fit', () => {
    const lines = [line(0x10, '000102030405060708', 'Data', 'aaaa bbbb cccc dddd', 'eeee ffff')]
    expect(text(lines, { width: 61 })).toBe(`010  00 01 02 03 04 05 06 07  Data  aaaa bbbb cccc dddd  eeee
018  08                             ffff
`)
  })

  it('have sixteen bytes a row where that fits', () => {
    const lines = [line(0, '00'.repeat(18), 'AML', '....')]
    expect(text(lines)).toBe(`000  ${'00 '.repeat(15)}00  AML  ....\n010  00 00\n`)
    expect(text(lines, { width: 60 }).split('\n')).toHaveLength(4)
  })

  it('are followed by what is wrong with their bytes', () => {
    const lines = [line(0, '', 'Head', ''), line(0, '0000', 'A', '0'), line(2, '00', 'B', '0')]
    const problems = [
      { code: 'LATE', offset: 9, message: 'behind all' },
      { code: 'SECOND', offset: 1, message: 'in A' },
      { code: 'FIRST', offset: 0, message: 'in A' },
    ]
    expect(text(lines, { problems }).split('\n')).toEqual([
      '000                           Head',
      '000  00 00                    A  0',
      '!!  FIRST at 0x0: in A',
      '!!  SECOND at 0x1: in A',
      '002  00                       B  0',
      '!!  LATE at 0x9: behind all',
      '',
    ])
    expect(text([], { problems: problems.slice(1, 2) })).toBe('!!  SECOND at 0x1: in A\n')
  })

  it('are set off by a style, whose marks change no column', () => {
    const mark = (name: string) => (shown: string) => `<${name}>${shown}</>`
    const style = {
      offset: mark('o'),
      bytes: mark('b'),
      record: mark('r'),
      meaning: mark('m'),
      problem: mark('p'),
    }
    const lines = [line(0, '', 'Head', 'source'), line(0, '01', 'A', '0x01', 'ONE=1 '.repeat(12).trim())]
    const problems = [{ code: 'BAD', offset: 0, message: 'wrong' }]
    const styled = text(lines, { style, problems, width: 80 })
    expect(styled).toContain('<r>Head</>')
    expect(styled).toContain('<p>!!  BAD at 0x0: wrong</>')
    expect(styled.replace(/<\/?\w?>/g, '')).toBe(text(lines, { problems, width: 80 }))
  })

  it('show every byte once, at its offset, and keep within the width where blanks allow', () => {
    const field = fc.record({
      bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      words: fc.array(fc.constantFrom('a', 'bb', 'cccc', 'FLAG=1'), { maxLength: 30 }),
      depth: fc.nat(3),
    })
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
        let offset = 0
        const lines = fields.map(({ bytes, words, depth }) => {
          const made = line(offset, Buffer.from(bytes).toString('hex'), 'Field', '0x0', words.join(' '), depth)
          offset += bytes.length
          return made
        })
        const shown: number[] = []
        for (const row of text(lines).split('\n')) {
          const found = /^([0-9a-f]{3}) {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2}|$)/.exec(row)
          if (row.length > 100) return false
          if (found === null) continue
          if (Number.parseInt(found[1]!, 16) !== shown.length) return false
          shown.push(...found[2]!.split(' ').map((digits) => Number.parseInt(digits, 16)))
        }
        return Buffer.from(shown).equals(Buffer.concat(fields.map(({ bytes }) => bytes)))
      }),
      RUNS,
    )
  })
})
