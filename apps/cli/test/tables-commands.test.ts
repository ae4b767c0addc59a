import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { build } from '../src/commands/build.ts'
import { decode } from '../src/commands/decode.ts'
import { dmar, dumped, jsonOf, mcfg, SOURCE, tree } from './tables.ts'

/** Standard output as the commands find it. */
const output = vi.hoisted(() => ({ isTerminal: false, bytes: new Uint8Array(0) }))
vi.mock('../src/output/standard-output.ts', () => {
  const printBytes = (bytes: Uint8Array): void => {
    output.bytes = Uint8Array.from([...output.bytes, ...bytes])
  }
  return {
    isTerminal: () => output.isTerminal,
    printBytes,
    print: (text: string) => printBytes(new TextEncoder().encode(text)),
  }
})

const folder = mkdtempSync(join(tmpdir(), 'dmascope-commands-'))
const path = (name: string): string => join(folder, name)
let said: string[] = []

beforeEach(() => {
  output.isTerminal = false
  output.bytes = new Uint8Array(0)
  said = []
  vi.spyOn(console, 'error').mockImplementation((line: string) => {
    said.push(line)
  })
  vi.stubEnv('NO_COLOR', undefined)
  writeFileSync(path('dmar'), dmar)
  writeFileSync(path('tree'), tree)
  writeFileSync(path('dump.txt'), dumped('DMAR', dmar) + dumped('MCFG', mcfg) + dumped('DMAR', dmar))
  writeFileSync(path('two.json'), jsonOf(new TextEncoder().encode(dumped('DMAR', dmar) + dumped('DMAR', dmar))))
  writeFileSync(path('tree.json'), jsonOf(tree))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const printed = (): string => new TextDecoder().decode(output.bytes)

describe('decode', () => {
  it('heads each table with where it was found and what it is', async () => {
    await decode([path('dump.txt'), path('tree')], 'text')
    const headings = printed()
      .split('\n')
      .filter((line) => line.startsWith(folder))
      .map((line) => line.slice(folder.length + 1))
    expect(headings).toEqual([
      'dump.txt:1: DMAR, DMA Remapping Table, 72 bytes, at 0x7ffe0000 in memory',
      'dump.txt:8: MCFG, PCI Express Memory-mapped Configuration Space Table, 60 bytes, at 0x7ffe0000 in memory',
      'dump.txt:14: DMAR, DMA Remapping Table, 72 bytes, at 0x7ffe0000 in memory',
      `tree: device tree of 2 nodes, ${tree.length} bytes`,
    ])
  })

  it('is in colours on a terminal only, and not where NO_COLOR is set', async () => {
    const ESCAPE = '\u001b['
    await decode([path('dmar')], 'text')
    expect(printed()).not.toContain(ESCAPE)
    output.isTerminal = true
    await decode([path('dmar')], 'text')
    expect(printed()).toContain(ESCAPE)
    output.bytes = new Uint8Array(0)
    vi.stubEnv('NO_COLOR', '1')
    await decode([path('dmar')], 'text')
    expect(printed()).not.toContain(ESCAPE)
  })

  it('tells in JSON where each table was found', async () => {
    await decode([path('dump.txt')], 'json')
    const { tables } = JSON.parse(printed())
    expect(tables[1]).toMatchObject({
      format: 'acpi',
      source: path('dump.txt'),
      form: 'acpidump',
      line: 8,
      address: 0x7ffe0000,
      table: { signature: 'MCFG' },
    })
  })

  it('prints nothing where one of several files is bad', async () => {
    writeFileSync(path('bad'), 'bad\n')
    writeFileSync(path('bad.dts'), '/dts-v1/; / { a = <; };')
    await expect(decode([path('dmar'), path('bad')], 'text')).rejects.toThrow(/no table or tree/)
    await expect(decode([path('dmar'), path('bad.dts')], 'text')).rejects.toThrow(/bad\.dts:1:\d+: /)
    expect(output.bytes).toHaveLength(0)
  })

  it('reads what a source includes from beside it', async () => {
    mkdirSync(path('inner'), { recursive: true })
    writeFileSync(path('inner/part.dtsi'), 'm { };')
    writeFileSync(path('inner/board.dts'), `/dts-v1/; / { /include/ "part.dtsi" };`)
    await decode([path('inner/board.dts')], 'text')
    expect(printed()).toMatch(/FDT_BEGIN_NODE +m \{/)
  })

  it('leaves out of a folder what is no table, and says so', async () => {
    mkdirSync(path('mixed'), { recursive: true })
    writeFileSync(path('mixed/a'), dmar)
    writeFileSync(path('mixed/b'), 'no table\n')
    await decode([path('mixed')], 'text')
    expect(said).toEqual([`dmascope: note: ${path('mixed/b')} is no table or tree that is known; it is left out`])
    expect(printed()).toContain('mixed/a: DMAR')
  })
})

describe('build', () => {
  it('writes to standard output, but not to a terminal', async () => {
    await build(path('tree.json'), { checksum: 'keep' })
    expect(output.bytes).toEqual(tree)
    output.isTerminal = true
    await expect(build(path('tree.json'), { checksum: 'keep' })).rejects.toThrow(/not for a terminal; write -o FILE/)
  })

  it('writes to a file', async () => {
    await build(path('tree.json'), { checksum: 'keep', output: path('out.dtb') })
    expect(new Uint8Array(readFileSync(path('out.dtb')))).toEqual(tree)
    const nowhere = build(path('tree.json'), { checksum: 'keep', output: path('none/out.dtb') })
    await expect(nowhere).rejects.toThrow(/cannot write .*none\/out\.dtb: there is no such file or folder/)
  })

  it('wants a folder for several tables, and gives each a name of its own', async () => {
    const one = build(path('two.json'), { checksum: 'keep', output: path('one') })
    await expect(one).rejects.toThrow(/has 2 tables \(DMAR, DMAR\): name a folder for them with -o DIR/)
    mkdirSync(path('several'), { recursive: true })
    await build(path('two.json'), { checksum: 'keep', output: path('several') })
    await build(path('tree.json'), { checksum: 'keep', output: `${path('several')}/` })
    expect(readdirSync(path('several')).sort()).toEqual(['DMAR.dat', 'DMAR2.dat', 'tree.dtb'])
    expect(new Uint8Array(readFileSync(path('several/DMAR2.dat')))).toEqual(dmar)
    await build(path('two.json'), { checksum: 'keep', output: `${path('made')}/` })
    expect(readdirSync(path('made'))).toHaveLength(2)
    const nowhere = build(path('two.json'), { checksum: 'keep', output: `${path('none/made')}/` })
    await expect(nowhere).rejects.toThrow(/cannot write .*: there is no such file or folder/)
  })

  it('tells of a checksum that is kept', async () => {
    const wrong = dmar.slice()
    wrong[9] = 0
    writeFileSync(path('wrong.json'), jsonOf(wrong))
    await build(path('wrong.json'), { checksum: 'keep' })
    expect(output.bytes).toEqual(wrong)
    expect(said).toEqual([
      expect.stringMatching(/^dmascope: note: DMAR at byte 0x9: the checksum is 0x00, .*--checksum fix/),
    ])
  })

  it('says where there is nothing to build', async () => {
    writeFileSync(path('none.json'), '{"schemaVersion": 1, "tables": []}')
    await expect(build(path('none.json'), { checksum: 'keep' })).rejects.toThrow(/tables is empty/)
  })

  it('takes what decode makes of a source', async () => {
    writeFileSync(path('source.json'), jsonOf(new TextEncoder().encode(SOURCE)))
    await build(path('source.json'), { checksum: 'keep', output: '-' })
    expect(output.bytes).toEqual(tree)
  })
})
