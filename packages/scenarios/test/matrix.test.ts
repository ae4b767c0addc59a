import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CellResult } from '../src/index.ts'
import { cellKey, runCell } from '../src/index.ts'
import {
  cellsOf,
  compareCells,
  DEFAULT_AXES,
  formatMatrix,
  formatMatrixHtml,
  formatMatrixMarkdown,
  formatResultLine,
  matrixAxes,
  matrixDocument,
  matrixDocumentSchema,
  matrixJsonSchema,
  mergeResults,
  parseShard,
  readAxes,
  readResults,
  runMatrix,
  shardOf,
  splitWords,
} from '../src/matrix/index.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const VERSION = '1.2.3'

const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof DmascopeError) return error.code
  }
  return 'none'
}

/** A few real results, among them each kind of outcome. */
const AXES = readAxes({
  guests: ['linux-6.12', 'linux-4.4'],
  hypervisors: ['qemu', 'qemu-2.4', 'physical'],
  platforms: ['x86-vtd', 'arm64'],
  iommu: ['on', 'none'],
})
const RESULTS: readonly CellResult[] = [...runMatrix(cellsOf(AXES))]
const WHOLE = JSON.stringify(RESULTS)
const LINES = RESULTS.map((result) => formatResultLine(result, VERSION))

/** Results for whose merging nothing needs to be booted. */
const PLACES = [...cellsOf(DEFAULT_AXES)]
const madeUp = (at: number): CellResult => {
  const cell = PLACES[at % PLACES.length] ?? PLACES[0]
  if (cell === undefined) throw new Error('the matrix is empty')
  return { cell: cellKey(cell), ...cell, impossible: `reason ${at}` }
}

describe('axes', () => {
  it('are the same in whatever order they are named, each value once', () => {
    const names = matrixAxes().flatMap(({ option, values }) => (option === 'guest' ? values : []))
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...names.map(({ name }) => name)), { minLength: 1 }), (guests) => {
        const axes = readAxes({ guests })
        expect(readAxes({ guests: [...guests, ...guests].reverse() })).toEqual(axes)
        expect([...axes.guests].sort()).toEqual([...new Set(guests)].sort())
      }),
      { numRuns },
    )
  })

  it('put releases first, oldest first, and a kernel without options before the same with some', () => {
    const guests = ['iommu-flag', 'linux-6.12,restricted=on', 'linux-5.10', 'linux-6.12', 'linux-4.4']
    expect(readAxes({ guests }).guests).toEqual([
      'linux-4.4',
      'linux-5.10',
      'linux-6.12',
      'linux-6.12,restricted=on',
      'iommu-flag',
    ])
  })

  it('take * for any letters, and say what was like it where nothing is', () => {
    expect(readAxes({ platforms: ['x86-v*d', 'x86-vi*'] }).platforms).toEqual(['x86-vtd', 'x86-virtio-iommu'])
    expect(readAxes({ devices: ['*'] }).devices).toHaveLength(
      matrixAxes().find(({ option }) => option === 'device')?.values.length ?? 0,
    )
    expect(() => readAxes({ platforms: ['x87*'] })).toThrow(/no platform is like "x87\*"; did you mean x86\?/)
    // A dot is a dot.
    expect(codeOf(() => readAxes({ guests: ['linux.4*'] }))).toBe('SCENARIO_CELL')
  })

  it.each([
    [{ guests: ['linux-6.13'] }, 'GUEST_PROFILE'],
    [{ hypervisors: ['quemu'] }, 'MACHINE_HYPERVISOR'],
    [{ platforms: ['x86-vtx'] }, 'SCENARIO_CELL'],
    [{ iommu: ['onn'] }, 'SCENARIO_CELL'],
    [{ devices: ['virtio-blq'] }, 'SCENARIO_CELL'],
  ])('%j is refused', (words, code) => {
    expect(codeOf(() => readAxes(words))).toBe(code)
  })

  it('are lists with commas, in which options stay with their kernel', () => {
    expect(splitWords('linux-4.4, linux-6.12,restricted=on,iova=bottom-up,linux-4.8')).toEqual([
      'linux-4.4',
      'linux-6.12,restricted=on,iova=bottom-up',
      'linux-4.8',
    ])
  })

  it('name cells in one order, which is that of compareCells', () => {
    const cells = [...cellsOf(readAxes({ guests: ['*'], hypervisors: ['*'], devices: ['*'] }))]
    for (let at = 1; at < cells.length; at++) {
      const [before, after] = cells.slice(at - 1, at + 1)
      if (before === undefined || after === undefined || compareCells(before, after) < 0) continue
      expect.unreachable(`${cellKey(before)} stands before ${cellKey(after)}`)
    }
    expect(cells.length).toBeGreaterThan(10_000)
  })
})

describe('parts of a matrix', () => {
  it('merge to the whole, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.infiniteStream(fc.nat()), (count, numbers) => {
        const parts = Array.from({ length: count }, (_, index) => ({
          name: `part ${index + 1}`,
          results: [...shardOf(RESULTS, parseShard(`${index + 1}/${count}`))] as CellResult[],
          at: numbers.next().value as number,
        }))
        expect(JSON.stringify(mergeResults(parts.sort((a, b) => a.at - b.at)))).toBe(WHOLE)
      }),
      { numRuns },
    )
  })

  it('merge to one of each cell, in the order of the axes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(PLACES.length - 1), { maxLength: 30 }), (places) => {
        const merged = mergeResults([{ name: 'some', results: places.map(madeUp) }])
        expect(merged).toEqual([...new Set(places)].sort((a, b) => a - b).map(madeUp))
      }),
      { numRuns },
    )
  })

  it('must not say different things of one cell', () => {
    const [one] = RESULTS
    if (one === undefined) throw new Error('no result')
    const other = { ...one, verdict: 'corrupts' as const }
    const merge = () =>
      mergeResults([
        { name: 'a.jsonl', results: [one] },
        { name: 'b.jsonl', results: [other] },
      ])
    expect(codeOf(merge)).toBe('MATRIX_CONFLICT')
    expect(merge).toThrow(/a\.jsonl and b\.jsonl say different things of linux-4\.4\/qemu\//)
  })
})

describe('results as lines', () => {
  it('are read as they were written', () => {
    expect(readResults(LINES.join(''), 'results.jsonl', VERSION)).toEqual({
      results: RESULTS,
      whole: LINES.join('').length,
      missing: 0,
    })
  })

  it('are read up to the last whole one, wherever the writer was stopped; the rest makes them whole again', () => {
    const text = LINES.join('')
    fc.assert(
      fc.property(fc.nat(text.length), (length) => {
        const { results, whole } = readResults(text.slice(0, length), 'results.jsonl', VERSION)
        const kept = text.slice(0, whole ?? 0)
        expect(kept).toBe(LINES.slice(0, results.length).join(''))
        expect(length - kept.length).toBeLessThan(LINES[results.length]?.length ?? 1)
        expect(kept + LINES.slice(results.length).join('')).toBe(text)
      }),
      { numRuns },
    )
  })

  it('of another version are refused, since its boots may come out otherwise', () => {
    expect(codeOf(() => readResults(LINES.join(''), 'old.jsonl', '1.2.4'))).toBe('MATRIX_VERSION')
    const document = JSON.stringify(matrixDocument(RESULTS, RESULTS.length, VERSION))
    expect(codeOf(() => readResults(document, 'old.json', '1.2.4'))).toBe('MATRIX_VERSION')
  })

  it.each([
    ['{}\n', 'MATRIX_RESULTS'],
    ['hello', 'MATRIX_RESULTS'],
    ['{"dmascope":"1.2.3"}\n', 'MATRIX_RESULTS'],
    [`{"dmascope":"1.2.3","cell":"a/b/c/d/e"}\n`, 'MATRIX_RESULTS'],
    ['[1,2]\n', 'MATRIX_RESULTS'],
    [`${LINES[0]}garbage\n${LINES[1]}`, 'MATRIX_RESULTS'],
  ])('%j is none', (text, code) => {
    expect(codeOf(() => readResults(text, 'x', VERSION))).toBe(code)
  })

  it('whose name is not that of the cell are none', () => {
    const line = (LINES[0] ?? '').replace('"guest":"linux-4.4"', '"guest":"linux-4.8"')
    expect(() => readResults(line, 'x.jsonl', VERSION)).toThrow(/^x\.jsonl:1: this is no result of a cell/)
  })

  it('never make the reader fail otherwise', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(LINES.length), (text, at) => {
        const lines = [...LINES.slice(0, at), `${text}\n`]
        expect(codeOf(() => readResults(lines.join(''), 'x', VERSION))).toMatch(
          /^(none|MATRIX_RESULTS|MATRIX_VERSION)$/,
        )
      }),
      { numRuns },
    )
  })
})

describe('a document', () => {
  it('is what its schema says', () => {
    const document = matrixDocument(RESULTS, RESULTS.length + 3, VERSION)
    expect(matrixDocumentSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document)
    expect(matrixJsonSchema()).toMatchObject({
      type: 'object',
      required: ['schemaVersion', 'tool', 'asked', 'results'],
    })
    expect(readResults(JSON.stringify(document, null, 1), 'x.json', VERSION)).toEqual({
      results: RESULTS,
      whole: null,
      missing: 3,
    })
  })
})

describe('views', () => {
  const document = matrixDocument(RESULTS, RESULTS.length, VERSION)
  const text = formatMatrix(document)

  it('show kernels down and hypervisors across, a table for each machine and device', () => {
    expect(text).toContain(`x86-vtd, on, virtio-blk
  q35 with VT-d; intel_iommu=on
  KERNEL      qemu        qemu-2.4    physical
  linux-4.4   works P     works P     faults B
  linux-6.12  works P     works P     works T
`)
  })

  it('leave out hypervisors that have no such machine, and tell each reason once', () => {
    expect(text).toContain('  no such machine: qemu-2.4 (1), physical (2)\n')
    expect(text.match(/qemu-2\.4 has no iommu_platform to ask for/g)).toHaveLength(1)
  })

  it('fit into 100 columns, however many hypervisors and whatever the kernels are called', () => {
    const axes = readAxes({
      guests: ['linux-6.12,restricted=on,iova=bottom-up,without=virtio_iommu,whitelist=1af4:1042', 'linux-4.4'],
      hypervisors: ['*'],
      platforms: ['pseries'],
    })
    const wide = formatMatrix(matrixDocument([...runMatrix(cellsOf(axes))], 52, VERSION))
    for (const line of [...wide.split('\n'), ...text.split('\n')]) {
      if (!line.startsWith('One of them with')) expect(line.length).toBeLessThanOrEqual(100)
    }
    for (const { name } of matrixAxes().find(({ option }) => option === 'hypervisor')?.values ?? []) {
      expect(wide).toContain(name)
    }
  })

  it('say what was not run', () => {
    const part = matrixDocument([...shardOf(RESULTS, parseShard('1/5'))] as CellResult[], RESULTS.length, VERSION)
    expect(formatMatrix(part)).toMatch(/not run/)
    expect(formatMatrix(part)).toMatch(/were not run\./)
    expect(formatMatrix(matrixDocument([], 4, VERSION))).toContain('4 of 4 were not run.')
  })

  it('of Markdown are tables of as many cells in each row', () => {
    const markdown = formatMatrixMarkdown(document)
    const tables = markdown.split('\n\n').filter((part) => part.startsWith('|'))
    expect(tables.length).toBeGreaterThan(2)
    for (const table of tables) {
      expect(
        new Set(
          table
            .trim()
            .split('\n')
            .map((row) => row.split('|').length),
        ).size,
      ).toBe(1)
    }
    expect(markdown).toContain(
      '| linux-4.4 | **works**, *passthrough* | **works**, *passthrough* | **faults**, *blocked* |',
    )
  })

  it('of HTML are one page that fetches nothing, with headed tables, whose words need no colours', () => {
    const page = formatMatrixHtml(document)
    expect(page).not.toMatch(/<script|<link|src=|url\(|@import|https?:/)
    expect(page).toContain('<html lang="en">')
    const tags = [...page.matchAll(/<(\/?)(\w+)[^>]*>/g)].filter(([, , name]) => !['meta', 'br'].includes(name ?? ''))
    const open: string[] = []
    for (const [, slash, name = ''] of tags) {
      if (slash === '/') expect(open.pop()).toBe(name)
      else open.push(name)
    }
    expect(open).toEqual([])
    expect(page).toContain('<th scope="row">linux-4.4</th><td class="works">')
    for (const [, id] of page.matchAll(/href="#([^"]+)"/g)) expect(page).toContain(`id="${id}"`)
    const cells = [...page.matchAll(/<td class="[^"]*">(.*?)<\/td>/g)].map(([, inner = '']) =>
      inner.replaceAll(/<[^>]+>/g, ''),
    )
    for (const cell of cells) expect(cell).toMatch(/works|refused|faults|hangs|corrupts|untested|cannot be|not run/)
  })

  it('of HTML take no markup from what they show', () => {
    const [one] = RESULTS
    if (one === undefined) throw new Error('no result')
    const { verdict: _, status: __, ...rest } = one
    const page = formatMatrixHtml(matrixDocument([{ ...rest, impossible: '<img src=x> & "so"' }], 1, VERSION))
    expect(page).toContain('&lt;img src=x&gt; &amp; &quot;so&quot;')
  })
})

describe('a cell of a matrix', () => {
  it('comes out as it does alone', () => {
    for (const result of RESULTS) expect(runCell(result)).toEqual(result)
  })
})
