import { describe, expect, test } from 'vitest'
import { buildDtb, firstDifference, formatDts, parseDtb, parseDts } from '../src/index.ts'
import { goldenBlobs, realBlobs } from './corpus.ts'

const all = [...goldenBlobs, ...realBlobs]

describe('blobs that real machines were booted with', () => {
  test.each(all)('$name rebuilds to the same bytes, unread', ({ bytes }) => {
    expect(Buffer.compare(buildDtb(parseDtb(bytes)), bytes)).toBe(0)
  })

  test.each(all)('$name rebuilds to the same bytes when every node was read', ({ bytes }) => {
    const tree = parseDtb(bytes)
    let count = 0
    for (const one of tree.nodes()) count += one.properties.length
    expect(count).toBeGreaterThan(0)
    expect(Buffer.compare(buildDtb(tree), bytes)).toBe(0)
  })

  test.each(all)('$name in the canonical form is the same tree, and no larger', ({ bytes }) => {
    const tree = parseDtb(bytes)
    const canonical = buildDtb(tree, { form: 'canonical' })
    const again = parseDtb(canonical)
    expect(firstDifference(again.root, tree.root)).toBeNull()
    expect(again.reservations).toEqual(tree.reservations)
    expect(again.bootCpuid).toBe(tree.bootCpuid)
    expect(again.problems).toEqual([])
    expect(canonical.length).toBeLessThanOrEqual(bytes.length)
  })
})

describe('source text of real trees', () => {
  test.each(all)('$name out and back in is an equal tree', ({ bytes }) => {
    const tree = parseDtb(bytes)
    const again = parseDts(formatDts(tree), { bootCpuid: tree.bootCpuid })
    expect(firstDifference(again.root, tree.root)).toBeNull()
    expect(again.reservations).toEqual(tree.reservations)
    expect(again.bootCpuid).toBe(tree.bootCpuid)
  })
})
