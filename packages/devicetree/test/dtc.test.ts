import { describe, expect, test } from 'vitest'
import { buildDtb, firstDifference, formatDts, parseDtb, parseDts } from '../src/index.ts'
import { goldenBlobs, realBlobs } from './corpus.ts'
import { dtc, hasDtc } from './dtc.ts'

const all = [...goldenBlobs, ...realBlobs]

describe.skipIf(!hasDtc)('against dtc (skipped where it is not installed)', () => {
  test.each(all)('$name: we read what dtc decompiles as dtc does', ({ bytes }) => {
    const text = dtc('dtb', 'dts', bytes)
    expect(text.status).toBe(0)
    const ours = parseDts(text.output.toString())
    const theirs = parseDtb(dtc('dts', 'dtb', text.output).output)
    expect(firstDifference(ours.root, theirs.root)).toBeNull()
    expect(ours.reservations).toEqual(theirs.reservations)
  })

  test('the text of dtc 1.6 says something else than the blob where a digit follows NUL, and ours does not', () => {
    // It writes NUL as \\0 within a text, and reads \\05 as one octal number.
    const tree = parseDts('/dts-v1/; / { names = "a", "5"; };')
    const bytes = buildDtb(tree)
    const theirs = parseDts(dtc('dtb', 'dts', bytes).output.toString())
    const ours = parseDts(formatDts(parseDtb(bytes)))
    expect(ours.root.strings('names')).toEqual(['a', '5'])
    expect([['a', '5'], ['a\x05']]).toContainEqual(theirs.root.strings('names'))
  })

  test.each(all)('$name: dtc compiles our text to our bytes, and warns of nothing new', ({ bytes }) => {
    const tree = parseDtb(bytes)
    const text = formatDts(tree)
    const ours = buildDtb(parseDts(text, { bootCpuid: tree.bootCpuid }), { form: 'canonical' })
    const compiled = dtc('dts', 'dtb', text)
    expect(compiled.status).toBe(0)
    // dtc does not know which processor boots: that word is the blob's alone.
    const theirs = Buffer.from(compiled.output)
    theirs.writeUInt32BE(tree.bootCpuid, 0x1c)
    expect(Buffer.compare(theirs, ours)).toBe(0)
    expect(firstDifference(parseDtb(compiled.output).root, tree.root)).toBeNull()
    // What dtc says of its own text of the blob, it may say of ours.
    const before = new Set(dtc('dts', 'dtb', dtc('dtb', 'dts', bytes).output).warnings)
    expect(compiled.warnings.filter((line) => !before.has(line))).toEqual([])
  })
})
