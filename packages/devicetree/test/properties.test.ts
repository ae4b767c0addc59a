import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  buildDtb,
  DeviceTree,
  type DtNode,
  DtProperty,
  findCoherency,
  findDmaWindows,
  findIbmDmaWindow,
  findIommu,
  findMsi,
  firstDifference,
  formatDts,
  node,
  parseDtb,
  parseDts,
  parseInterruptMap,
  parseReg,
  reservedRegions,
  resolveInterrupt,
  translateAddress,
} from '../src/index.ts'
import { goldenBlobs } from './corpus.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const runs = { numRuns }

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789,._+*#?@-'
const name = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 9 })
const text = fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 6 }).map((bytes) => [...bytes, 0])
const value = fc.oneof(
  fc.uint8Array({ maxLength: 13 }),
  fc.array(text, { minLength: 1, maxLength: 3 }).map((texts) => Uint8Array.from(texts.flat())),
)
const properties = fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 4 })
const madeOf = (
  nodeName: string,
  all: readonly (readonly [string, Uint8Array])[],
  children: readonly DtNode[] = [],
) => {
  const made = node(nodeName, {}, children)
  for (const [key, bytes] of all) made.put(new DtProperty(key, bytes))
  return made
}
const distinct = (children: fc.Arbitrary<DtNode>) =>
  fc.uniqueArray(children, { selector: (one) => one.name, maxLength: 3 })
const leaf = fc.tuple(name, properties).map(([key, all]) => madeOf(key, all))
const branch = fc.tuple(name, properties, distinct(leaf)).map(([key, all, below]) => madeOf(key, all, below))
const word64 = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }).map((big) => `0x${big.toString(16).padStart(16, '0')}` as const),
)
const trees = fc
  .record({
    all: properties,
    below: distinct(fc.oneof(leaf, branch)),
    reservations: fc.array(fc.record({ address: word64, size: fc.integer({ min: 1, max: 2 ** 40 }) }), {
      maxLength: 2,
    }),
    bootCpuid: fc.nat(),
  })
  .map(({ all, below, ...rest }) => new DeviceTree(madeOf('', all, below), rest))

const expectSame = (a: DeviceTree, b: DeviceTree): void => {
  expect(firstDifference(a.root, b.root)).toBeNull()
  expect(a.reservations).toEqual(b.reservations)
  expect(a.bootCpuid).toBe(b.bootCpuid)
}

/** Anything but a DmascopeError of that kind is a defect; answers null for one. */
function orError<T>(kind: string, run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (error instanceof DmascopeError && error.code.startsWith(kind)) return null
    throw error
  }
}

describe('trees', () => {
  test('come back from blobs', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const blob = buildDtb(tree)
        const again = parseDtb(blob)
        expect(again.problems).toEqual([])
        expectSame(again, tree)
        expect(Buffer.compare(buildDtb(again), blob)).toBe(0)
        expect(Buffer.compare(buildDtb(parseDtb(blob), { form: 'canonical' }), blob)).toBe(0)
      }),
      runs,
    )
  })

  test('come back from texts', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        expectSame(parseDts(formatDts(tree), { bootCpuid: tree.bootCpuid }), tree)
      }),
      runs,
    )
  })

  test('keep what was edited, whatever the blob was', () => {
    fc.assert(
      fc.property(trees, name, value, fc.nat(), (tree, key, bytes, which) => {
        const edited = parseDtb(buildDtb(tree))
        const all = [...edited.nodes()]
        const target = all[which % all.length]!
        target.put(new DtProperty(key, bytes))
        const again = parseDtb(buildDtb(edited))
        expectSame(again, edited)
      }),
      runs,
    )
  })
})

/** Everything that a guest may ask of a tree. */
function askEverything(tree: DeviceTree): void {
  let left = 40
  for (const one of tree.nodes()) {
    if (--left === 0) break
    findIommu(tree, one)
    findIommu(tree, one, 8)
    findMsi(tree, one, 8)
    findCoherency(one)
    findDmaWindows(one)
    findIbmDmaWindow(one)
    parseReg(one)
    translateAddress(one, 0x1000, 'ranges')
    parseInterruptMap(tree, one)
    resolveInterrupt(tree, one, [0, 0, 0], [1])
  }
  reservedRegions(tree)
}

const small = goldenBlobs.find((one) => one.name.includes('uefi'))!.bytes
const withMaps = buildDtb(
  parseDts(`/dts-v1/; /memreserve/ 1 2; / { #address-cells = <2>; interrupt-parent = <&pic>; pic: pic { interrupt-controller;
    #interrupt-cells = <1>; #address-cells = <0>; }; mmu: mmu { #iommu-cells = <1>; }; pcie { #address-cells = <3>; ranges;
    dma-ranges = <0 0 0 0 0 9>; iommu-map = <0 &mmu 0 9>; msi-map = <0 &mmu 0 9>; #interrupt-cells = <1>; ibm,dma-window = <1 0 0 0 9>;
    interrupt-map = <0 0 0 1 &pic 4>; dev { iommus = <&mmu 1>; memory-region = <&pool>; reg = <1 2 3 4>; }; };
    reserved-memory { pool: pool { compatible = "restricted-dma-pool"; size = <9>; }; }; };`),
)

describe('hostile blobs', () => {
  const check = (bytes: Uint8Array): void => {
    const tree = orError('DTB_', () => parseDtb(bytes))
    if (tree === null) return
    expect(Buffer.compare(buildDtb(tree), bytes)).toBe(0)
    askEverything(tree)
    for (const one of tree.nodes()) expect(one.properties.length).toBeGreaterThanOrEqual(0)
    expect(Buffer.compare(buildDtb(tree), bytes)).toBe(0)
    const again = parseDtb(buildDtb(tree, { form: 'canonical' }))
    expect(firstDifference(again.root, tree.root)).toBeNull()
    const text_ = orError('DTS_UNSAYABLE', () => formatDts(tree))
    if (text_ !== null) expect(firstDifference(parseDts(text_).root, tree.root)).toBeNull()
  }

  test.each([
    ['a tree of UEFI', small],
    ['a tree with maps', withMaps],
  ])('%s with words changed, and cut off: told, or read and rebuilt to the same bytes', (_, bytes) => {
    const words = fc.oneof(
      fc.constantFrom(0, 1, 2, 3, 4, 9, 0xd00d_feed, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc),
      fc.nat({ max: 0x200 }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    )
    const changes = fc.array(fc.tuple(fc.nat({ max: Math.floor(bytes.length / 4) - 1 }), words), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(changes, fc.nat({ max: 20 }), (all, cut) => {
        const mutated = bytes.slice(0, cut < 3 ? bytes.length - cut * 4 : bytes.length)
        const view = new DataView(mutated.buffer)
        for (const [at, word] of all) if (at * 4 + 4 <= mutated.length) view.setUint32(at * 4, word)
        check(mutated)
      }),
      runs,
    )
  })

  test('single bytes changed', () => {
    fc.assert(
      fc.property(fc.nat({ max: withMaps.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
        const mutated = withMaps.slice()
        mutated[at] = byte
        check(mutated)
      }),
      runs,
    )
  })

  test('every truncation is told', () => {
    for (let length = 0; length < withMaps.length; length++) {
      expect(() => parseDtb(withMaps.subarray(0, length)), String(length)).toThrow(DmascopeError)
    }
  })

  test('random bytes behind a good header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 60, maxLength: 200 }), (bytes) => {
        const view = new DataView(bytes.buffer)
        const header = [0xd00dfeed, bytes.length, 0x38, bytes.length - 4, 0x28, 17, 16, 0, 4, bytes.length - 0x3c]
        header.forEach((word, index) => {
          view.setUint32(index * 4, word)
        })
        bytes.fill(0, 0x28, 0x38)
        check(bytes)
      }),
      runs,
    )
  })

  test('a very deep blob is read, written and compared without recursion', () => {
    const depth = 100_000
    const words = new Uint32Array(10 + 4 + depth * 3 + 1)
    words.set([0xd00dfeed, words.length * 4, 0x38, words.length * 4, 0x28, 17, 16, 0, 0, (depth * 3 + 1) * 4])
    for (let index = 0; index < depth; index++) words.set([1, index === 0 ? 0 : 0x61000000], 14 + index * 2)
    words.fill(2, 14 + depth * 2, 14 + depth * 3)
    words[words.length - 1] = 9
    const bytes = new Uint8Array(words.length * 4)
    words.forEach((word, index) => {
      new DataView(bytes.buffer).setUint32(index * 4, word)
    })
    const tree = parseDtb(bytes)
    expect(Buffer.compare(buildDtb(tree), bytes)).toBe(0)
    expect(firstDifference(parseDtb(bytes).root, tree.root)).toBeNull()
    expect(formatDts(tree).length).toBeLessThan(depth * 100)
    expect(orError('DTS_DEPTH', () => parseDts(formatDts(tree)))).toBeNull()
  })
})

describe('hostile texts', () => {
  const good = `/dts-v1/; /memreserve/ 0x1 (2); / { l: a = "x\\n\\x41\\"", <1 (2 + 3 << 1) &n 'c'>, [01 ff]; b = &n; /bits/ 8;
    n: node@1 { c; /delete-property/ c; }; /delete-node/ gone; }; &n { d = <&{/node@1} 0xffffffff>; }; /* end */ // more`
  const pieces = fc.constantFrom(
    '/dts-v1/;',
    '/',
    '{',
    '}',
    ';',
    '<',
    '>',
    '[',
    ']',
    '"',
    "'",
    '&',
    '&{',
    '(',
    ')',
    '=',
    ',',
    'a',
    'l:',
    '0x',
    '08',
    '1',
    '0xffffffffffffffff',
    '99999999999999999999',
    '/bits/ 64',
    '/bits/',
    '/delete-node/',
    '/delete-property/',
    '/omit-if-no-ref/',
    '/memreserve/',
    '/include/ "f"',
    '/incbin/("f")',
    '/*',
    '*/',
    '//',
    '\n',
    '\\',
    '# 1 "x"',
    '#address-cells',
    '?',
    ':',
    '/0',
    '%0',
    '-',
    '~',
    '!',
    '<<',
    '||',
    'é',
    '\ud800',
    '\0',
    'phandle',
  )
  const check = (source: string): void => {
    const tree = orError('DTS_', () =>
      parseDts(source, { include: (file) => (file === 'f' ? 'a = <1>;' : null), incbin: () => new Uint8Array(5) }),
    )
    if (tree === null) return
    expect(firstDifference(parseDts(formatDts(tree)).root, tree.root)).toBeNull()
    expect(firstDifference(parseDtb(buildDtb(tree)).root, tree.root)).toBeNull()
    askEverything(tree)
  }

  test('a good text with pieces put in, taken out and changed', () => {
    const edit = fc.tuple(fc.nat({ max: good.length }), fc.nat({ max: 9 }), fc.array(pieces, { maxLength: 3 }))
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        let source = good
        for (const [at, gone, put] of edits) source = source.slice(0, at) + put.join(' ') + source.slice(at + gone)
        check(source)
      }),
      runs,
    )
  })

  test('pieces in any order', () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (all) => check(`/dts-v1/; / { ${all.join(' ')}`)),
      runs,
    )
  })

  test('errors have a line and a column', () => {
    for (let length = 1; length < good.length - 12; length++) {
      try {
        parseDts(good.slice(0, length), { source: 'x.dts' })
      } catch (error) {
        expect(error).toBeInstanceOf(DmascopeError)
        const { source, line, column } = (error as DmascopeError).context as Record<string, unknown>
        expect([source, typeof line, typeof column]).toEqual(['x.dts', 'number', 'number'])
        expect((error as DmascopeError).message.startsWith(`x.dts:${line}:${column}: `)).toBe(true)
      }
    }
  })
})
