import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildDtb, DeviceTree, node, parseDtb, parseDts } from '../src/index.ts'
import { buildPlainTree, type PlainTree, plainTree } from '../src/plain/index.ts'
import { goldenBlobs, realBlobs } from './corpus.ts'

const runs = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const throughJson = (tree: PlainTree): PlainTree => JSON.parse(JSON.stringify(tree))

/** A blob of version 17 with its blocks where `offsets` says. */
function blobOf(structure: readonly number[], strings: string, edit: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(0x38 + structure.length * 4 + strings.length)
  const view = new DataView(bytes.buffer)
  const header = [0xd00dfeed, bytes.length, 0x38, 0x38 + structure.length * 4, 0x28, 17, 16, 0, strings.length]
  for (const [index, word] of [...header, structure.length * 4].entries()) view.setUint32(index * 4, word)
  for (const [index, word] of structure.entries()) view.setUint32(0x38 + index * 4, word)
  for (let index = 0; index < strings.length; index++)
    bytes[bytes.length - strings.length + index] = strings.charCodeAt(index)
  edit(view)
  return bytes
}

describe('trees in plain data', () => {
  test.each([...goldenBlobs, ...realBlobs])('$name goes through JSON and back to the same bytes', ({ bytes }) => {
    const plain = throughJson(plainTree(parseDtb(bytes)))
    expect(Buffer.compare(buildPlainTree(plain), bytes)).toBe(0)
  })

  test('what dtc writes needs no layout, and values are what they look like', () => {
    const tree = parseDts('/dts-v1/; /memreserve/ 0x1000 0x20; / { a = "x", "y"; n { reg = <1 2>; b; c = [01]; }; };', {
      bootCpuid: 3,
    })
    const bytes = buildDtb(tree)
    expect(plainTree(parseDtb(bytes))).toEqual({
      bootCpuid: 3,
      reservations: [{ address: 0x1000, size: 0x20 }],
      root: {
        name: '',
        properties: [{ name: 'a', strings: ['x', 'y'] }],
        children: [
          { name: 'n', properties: [{ name: 'reg', cells: [1, 2] }, { name: 'b' }, { name: 'c', bytes: '01' }] },
        ],
      },
    })
    expect(plainTree(tree)).toEqual(plainTree(parseDtb(bytes)))
  })

  test('what a tree does not say stands beside it: FDT_NOPs, padding, late properties, names that share no bytes', () => {
    const BEGIN = 1
    const END = 2
    const PROP = 3
    const NOP = 4
    const structure = [
      NOP,
      BEGIN,
      0,
      PROP,
      1,
      2,
      0x41aabbcc,
      BEGIN,
      0x63006600,
      END,
      NOP,
      NOP,
      PROP,
      0,
      2,
      END,
      NOP,
      9,
      7,
    ]
    const bytes = blobOf(structure, 'a\0a\0rest')
    const plain = throughJson(plainTree(parseDtb(bytes)))
    expect(plain).toEqual({
      root: {
        name: '',
        nops: 1,
        properties: [
          { name: 'a', bytes: '41', padding: 'aabbcc', nameOffset: 2 },
          { name: 'a', nops: 2, nameOffset: 2, behind: 1 },
        ],
        children: [{ name: 'c', padding: '6600' }],
      },
      layout: { strings: ['a', 'a'], stringsTail: '72657374', nopsBeforeEnd: 1, structTail: '00000007' },
    })
    expect(buildPlainTree(plain)).toEqual(bytes)
  })

  test('the layout of a blob: room behind it, gaps, the order of blocks', () => {
    const bytes = buildDtb(new DeviceTree(node('', { a: 1 })), { padding: 100 })
    bytes[bytes.length - 2] = 9
    const longer = Uint8Array.from([...bytes, 1, 2])
    const plain = plainTree(parseDtb(longer))
    expect(plain.layout).toEqual({
      totalsize: bytes.length,
      gaps: [{ offset: bytes.length - 2, data: '09' }],
      beyond: '0102',
    })
    expect(buildPlainTree(plain)).toEqual(longer)
  })

  test('a blob of version 16 has no size of its structure block', () => {
    const bytes = blobOf([1, 0, 2, 9, 0], '', (view) => {
      view.setUint32(0x14, 16)
      view.setUint32(0x24, 0xdddd_dddd)
    })
    const plain = plainTree(parseDtb(bytes))
    expect(plain.layout).toEqual({
      version: 16,
      off_dt_strings: bytes.length,
      gaps: [{ offset: 0x24, data: 'dddddddd' }],
    })
    expect(buildPlainTree(plain)).toEqual(bytes)
  })

  test.each<[string, object, RegExp]>([
    [
      'a layout that no longer fits',
      { root: { name: '' }, layout: { off_dt_struct: 8 } },
      /^layout\.off_dt_struct: 8 lies/,
    ],
    ['a size that is too small', { root: { name: '' }, layout: { totalsize: 50 } }, /^layout\.totalsize: 50/],
    ['a size that asks for all memory', { root: { name: '' }, layout: { totalsize: 2 ** 40 } }, /^layout\.totalsize/],
    [
      'a name with a NUL',
      { root: { name: '', children: [{ name: 'a' }, { name: 'b\0' }] } },
      /^root\.children\[1\]\.name: /,
    ],
    [
      'a name that stands elsewhere',
      { root: { name: '', properties: [{ name: 'a', nameOffset: 0 }] }, layout: { strings: ['b'] } },
      /^root\.properties\[0\]\.nameOffset: "b" stands there/,
    ],
    [
      'two values',
      { root: { name: '', properties: [{ name: 'a', cells: [], bytes: '' }] } },
      /^root\.properties\[0\]: a has/,
    ],
    [
      'half a byte',
      { root: { name: '', properties: [{ name: 'a', bytes: '1' }] } },
      /^root\.properties\[0\]\.bytes: "1"/,
    ],
    ['wrong padding', { root: { name: '', padding: '00' } }, /^root\.padding: 1 bytes, where 3 stand/],
    [
      'a property behind too many',
      { root: { name: '', properties: [{ name: 'a', behind: 1 }] } },
      /behind: there are 0/,
    ],
    ['too many FDT_NOPs', { root: { name: '', nops: 2 ** 30 } }, /nops/],
    ['a reservation of nothing', { root: { name: '' }, reservations: [{ address: 0, size: 0 }] }, /^reservations\[0\]/],
  ])('%s is told with its path', (_, plain, message) => {
    expect(() => buildPlainTree(plain as PlainTree)).toThrow(message)
    expect(() => buildPlainTree(plain as PlainTree)).toThrow(RangeError)
  })

  test('nodes that are nested too deep have no plain form', () => {
    const root = node('')
    let at = root
    for (let depth = 0; depth < 300; depth++) {
      const next = node('n')
      at.append(next)
      at = next
    }
    expect(() => plainTree(new DeviceTree(root))).toThrow(DmascopeError)
  })

  test.each(goldenBlobs.filter(({ bytes }) => bytes.length < 4096))(
    '$name, damaged: same bytes wherever it still reads',
    ({ bytes }) => {
      const word = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 9, 16, 17, 0xffff_ffff), fc.nat({ max: 0x400 }))
      const changes = fc.array(fc.tuple(fc.nat({ max: Math.floor(bytes.length / 4) - 1 }), word), { maxLength: 4 })
      fc.assert(
        fc.property(changes, fc.nat({ max: 8 }), (all, more) => {
          const mutated = new Uint8Array(bytes.length + more)
          mutated.set(bytes)
          mutated.fill(more, bytes.length)
          const view = new DataView(mutated.buffer)
          for (const [at, value] of all) view.setUint32(at * 4, value)
          let tree: DeviceTree
          try {
            tree = parseDtb(mutated)
          } catch {
            return true
          }
          return Buffer.compare(buildPlainTree(plainTree(tree)), mutated) === 0
        }),
        runs,
      )
    },
  )
})
