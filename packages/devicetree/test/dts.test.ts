import { DmascopeError } from '@dmascope/layout'
import { describe, expect, test } from 'vitest'
import { buildDtb, type DeviceTree, formatDts, parseDts } from '../src/index.ts'
import { dtc, hasDtc } from './dtc.ts'

const bytesOf = (tree: DeviceTree, name: string): string => Buffer.from(tree.root.property(name)!.value).toString('hex')
const rootOf = (body: string): DeviceTree => parseDts(`/dts-v1/;\n/ {\n${body}\n};`)
const value = (text: string): string => bytesOf(rootOf(`p = ${text};`), 'p')

describe('values', () => {
  test.each([
    ['<1 0x2 010 0XfF>', '0000000100000002 00000008 000000ff'],
    ['<10U 10UL 10ull>'.replace('ull', 'ULL'), '0000000a 0000000a 0000000a'],
    ["<'a' '\\n' '\\x7f' '\\''>", '00000061 0000000a 0000007f 00000027'],
    ['<(1 + 2 * 3) (-1) (~0) (!5) (7 % 4)>', '00000007 ffffffff ffffffff 00000000 00000003'],
    ['<(1 << 4 | 3) (0xf0 >> 4) (6 & 3) (6 ^ 3)>', '00000013 0000000f 00000002 00000005'],
    ['<(1 < 2) (2 <= 1) (3 == 3) (3 != 3) (1 && 0) (1 || 0)>', '00000001 00000000 00000001 00000000 00000000 00000001'],
    ['<(1 ? 2 : 3) (0 ? 2 : 1 ? 4 : 5) (2 - 1 - 1)>', '00000002 00000004 00000000'],
    ['/bits/ 8 <1 255 (-1)>', '01 ff ff'],
    ['/bits/ 16 <0x1234 (-2)>', '1234 fffe'],
    ['/bits/ 64 <0xfedcba9876543210 (1 << 40) 9007199254740993>', 'fedcba9876543210 0000010000000000 0020000000000001'],
    ['[0123 4 5 ab CD]'.replace('4 5', '45'), '01 23 45 ab cd'],
    ['"a\\tb\\"\\\\\\0101\\x4g"', '61 09 62 22 5c 08 31 04 67 00'],
    ['"é"', 'c3 a9 00'],
    ['"a", <1>, [ff], "b"', '61 00 00000001 ff 62 00'],
    ['l0: <l1: 1 l2:> l3: , l4: [l5: 01 l6:], l7: "x" l8:', '00000001 01 78 00'],
    ['<>', ''],
    ['[]', ''],
    ['""', '00'],
    ['/* a */ <1 // b\n 2>', '00000001 00000002'],
  ])('%s', (text, hex) => {
    expect(value(text)).toBe(hex.replaceAll(' ', ''))
  })

  test.each([
    ['<08>', 'DTS_NUMBER'],
    ['<0x>', 'DTS_NUMBER'],
    ['<0x10000000000000000>', 'DTS_NUMBER'],
    ['<(1 / 0)>', 'DTS_NUMBER'],
    ['<0x100000000>', 'DTS_RANGE'],
    ['/bits/ 8 <256>', 'DTS_RANGE'],
    ['/bits/ 12 <1>', 'DTS_RANGE'],
    ['/bits/ 64 <&{/}>', 'DTS_REFERENCE'],
    ['<1a>', 'DTS_SYNTAX'],
    ['<-1>', 'DTS_SYNTAX'],
    ['[123]', 'DTS_SYNTAX'],
    ['"abc', 'DTS_STRING'],
    ["<'ab'>", 'DTS_STRING'],
    ['"\\xg"', 'DTS_STRING'],
    ['<&nothing>', 'DTS_REFERENCE'],
    ['&{/nothing}', 'DTS_REFERENCE'],
    [`<${'('.repeat(200)}1${')'.repeat(200)}>`, 'DTS_DEPTH'],
    ['/incbin/("x")', 'DTS_INCLUDE'],
  ])('%s is told as %s', (text, code) => {
    try {
      value(text)
      expect.unreachable()
    } catch (error) {
      expect((error as DmascopeError).code).toBe(code)
      expect((error as DmascopeError).context).toMatchObject({ source: 'DTS', line: 3 })
    }
  })
})

describe('references', () => {
  test('become phandles, given from 1 in the order of the tree, past those that are taken', () => {
    const tree = parseDts(`/dts-v1/;
      / { first = <&b &a>; again = <&{/a} &{b/c}>; a: a { }; b: b { phandle = <2>; x = <&c>; c: c { }; }; };`)
    expect(tree.root.cells('first')).toEqual([2, 1])
    expect(tree.root.cells('again')).toEqual([1, 3])
    expect(tree.find('/a')!.cell('phandle')).toBe(1)
    expect(tree.find('/b/c')!.cell('phandle')).toBe(3)
    expect(tree.byPhandle(3)).toBe(tree.find('/b/c'))
  })

  test('outside of cells become paths', () => {
    const tree = parseDts('/dts-v1/; / { p = &u, "x", &{/soc}, <1>; soc { u: uart@10 { }; }; };')
    expect(bytesOf(tree, 'p')).toBe(Buffer.from('/soc/uart@10\0x\0/soc\0\0\0\0\x01').toString('hex'))
    expect(tree.find('/soc/uart@10')!.has('phandle')).toBe(false)
  })

  test('to a node whose phandle another has too are told', () => {
    expect(() => parseDts('/dts-v1/; / { p = <&b>; a { phandle = <1>; }; b: b { phandle = <1>; }; };')).toThrow(
      /^DTS:1:\d+: \/a has the phandle 0x1 of \/b too$/,
    )
  })
})

describe('a node without properties or children', () => {
  test('shares nothing with others like it', () => {
    const tree = parseDts('/dts-v1/; / { a { }; b { }; c: c { }; u { x = <&c>; }; };')
    const [a, b] = [tree.find('/a')!, tree.find('/b')!]
    a.set('x', 1)
    a.append(parseDts('/dts-v1/; / { };').root)
    expect([a.properties.length, a.children.length]).toEqual([1, 1])
    expect([b.properties.length, b.children.length]).toEqual([0, 0])
    expect(tree.find('/c')!.properties.map(({ name }) => name)).toEqual(['phandle'])
    expect(parseDts('/dts-v1/; / { };').root.properties).toEqual([])
  })
})

describe('merging', () => {
  test('later braces override in place, and add behind', () => {
    const tree = parseDts(`/dts-v1/; / { a = <1>; b = <2>; n: n { x; }; };
      / { b = <3>; c; m { }; }; &n { x = <4>; y; }; &{/m} { z; };`)
    expect(tree.root.properties.map(({ name, length }) => [name, length])).toEqual([
      ['a', 4],
      ['b', 4],
      ['c', 0],
    ])
    expect(tree.root.cell('b')).toBe(3)
    expect(tree.find('/n')!.properties.map(({ name }) => name)).toEqual(['x', 'y'])
    expect(tree.find('/m')!.has('z')).toBe(true)
  })

  test('/delete-node/ and /delete-property/, within braces and outside', () => {
    const tree = parseDts(`/dts-v1/; / { a; b; l: one { }; two { deep: three { }; }; four { }; };
      / { /delete-property/ a; /delete-node/ one; }; /delete-node/ &deep; /delete-node/ &{/four};
      / { l: five { }; four { new; }; };`)
    expect(tree.root.properties.map(({ name }) => name)).toEqual(['b'])
    expect(tree.root.children.map(({ name }) => name)).toEqual(['two', 'four', 'five'])
    expect(tree.find('/two')!.children).toEqual([])
    expect(tree.find('/four')!.properties.map(({ name }) => name)).toEqual(['new'])
  })

  test('/omit-if-no-ref/ keeps what is referenced', () => {
    const tree =
      parseDts(`/dts-v1/; / { p = <&used>; /omit-if-no-ref/ used: used { }; /omit-if-no-ref/ unused: unused { };
      late: late { }; }; /omit-if-no-ref/ &late;`)
    expect(tree.root.children.map(({ name }) => name)).toEqual(['used'])
  })

  test.each([
    ['/ { a; a; };', 'DTS_DUPLICATE', 1, 18],
    ['/ { n { }; n { }; };', 'DTS_DUPLICATE', 1, 22],
    ['/ { l: n { }; l: m { }; };', 'DTS_LABEL', 1, 30],
    ['&gone { };', 'DTS_REFERENCE', 1, 11],
    ['/ { n { }; p; };', 'DTS_SYNTAX', 1, 22],
    ['/ { } ', 'DTS_SYNTAX', 1, 17],
    ['/ { };\n  x', 'DTS_SYNTAX', 2, 3],
  ])('%s is %s', (text, code, line, column) => {
    try {
      parseDts(`/dts-v1/; ${text}`)
      expect.unreachable()
    } catch (error) {
      expect((error as DmascopeError).code).toBe(code)
      expect((error as DmascopeError).context).toEqual({ source: 'DTS', line, column })
    }
  })

  test('a text without its version, an overlay, and a tree too deep are told', () => {
    expect(() => parseDts('/ { };')).toThrow(/starts with '\/dts-v1\/;'/)
    expect(() => parseDts('/dts-v1/; /plugin/; / { };')).toThrow(/overlays/)
    expect(() => parseDts(`/dts-v1/; / { ${'n { '.repeat(300)}`)).toThrow(/more than 256 nodes/)
  })
})

describe('what stands around', () => {
  test('/memreserve/, labels, and line markers of the preprocessor', () => {
    const tree = parseDts(
      `# 1 "x.dts"\n/dts-v1/;\nl: /memreserve/ 0x10000000000 4096;\n#line 4 "y"\nr: / { p0: p; k: n { }; };`,
    )
    expect(tree.reservations).toEqual([{ address: 2 ** 40, size: 4096, labels: ['l'] }])
    expect([tree.root.labels, tree.root.property('p')!.labels, tree.find('/n')!.labels]).toEqual([['r'], ['p0'], ['k']])
    expect(formatDts(tree)).toBe(
      '/dts-v1/;\n\nl: /memreserve/ 0x10000000000 0x1000;\n\nr: / {\n\tp0: p;\n\n\tk: n {\n\t};\n};\n',
    )
  })

  test('/include/ anywhere, with errors in the file that they are in', () => {
    const files: Record<string, string> = {
      'a.dtsi': 'x = <1>;\n/include/ "b.dtsi"',
      'b.dtsi': 'y; ',
      'bad.dtsi': '\n  %',
    }
    const include = (name: string) => files[name] ?? null
    const tree = parseDts('/dts-v1/; / { /include/ "a.dtsi" z; };', { include })
    expect(tree.root.properties.map(({ name }) => name)).toEqual(['x', 'y', 'z'])
    expect(() => parseDts('/dts-v1/; / { /include/ "bad.dtsi" };', { include })).toThrow(/^bad\.dtsi:2:3: /)
    expect(() => parseDts('/dts-v1/; /include/ "none"', { include })).toThrow(/there is no "none"/)
    expect(() => parseDts('/dts-v1/; /include/ "a.dtsi"')).toThrow(/no reader/)
    const self = () => '/include/ "x" /include/ "x"'
    expect(() => parseDts('/dts-v1/; /include/ "x"', { include: self })).toThrow(DmascopeError)
  })

  test('/incbin/ takes bytes of a file', () => {
    const incbin = (name: string) => (name === 'f' ? new Uint8Array([1, 2, 3, 4]) : null)
    const tree = parseDts('/dts-v1/; / { a = /incbin/("f"); b = /incbin/ ("f", 1, 2), <5>; };', { incbin })
    expect([bytesOf(tree, 'a'), bytesOf(tree, 'b')]).toEqual(['01020304', '020300000005'])
    expect(() => parseDts('/dts-v1/; / { a = /incbin/("f", 3, 2); };', { incbin })).toThrow(/has 4 bytes, not 5/)
  })

  test('what no text can say is told', () => {
    const tree = rootOf('n { };')
    tree.root.child('n')!.name = 'a b'
    expect(() => formatDts(tree)).toThrow(/"a b" as the name of a node; no source text says that/)
  })
})

describe.skipIf(!hasDtc)('the same text through dtc (skipped where it is not installed)', () => {
  const texts: readonly [string, string][] = [
    [
      'references and phandles',
      '/ { i = <&b &a &c>; a: a { }; b: b { phandle = <1>; q = <&c>; c: c { q = <&d>; }; }; d: d { s = &c, "t"; }; };',
    ],
    [
      'merging and deletion',
      '/ { a = <1>; b; n: n { x; y; }; m { }; }; &n { y = "z"; /delete-property/ x; o { }; }; / { a = <2>; /delete-property/ b; /delete-node/ m; }; / { b; m { k; }; };',
    ],
    ['omission', '/ { p = <&u>; /omit-if-no-ref/ u: u { }; /omit-if-no-ref/ v: v { w: w { }; }; };'],
    [
      'expressions',
      '/ { p = <(1 + 2 * 3 - 4 / 2 % 5) (1 ? 2 : 3) (~1 & 0xff) (1 << 31) (5 > 3 && 2 >= 2) (!0 || 0) (-1)>; };',
    ],
    [
      'widths and texts',
      '/ { p = /bits/ 8 <1 2 0xff>, /bits/ 16 <3>, /bits/ 64 <0x1122334455667788>, "a\\x41\\101\\n\\"\\\\", [0a Bc], \'\'; };'.replace(
        ", ''",
        '',
      ),
    ],
    ['sharing of names', '/ { clock-names; names; n { mes; clock; }; }; / { z-names; };'],
    ['reservations', '/memreserve/ 0xffffffff00000000 0x10; /memreserve/ 1 2; / { };'],
    ['digits and odd names', '/ { 1234; #a-cells = <1>; a,b+c.d_e?f; n@0,1 { 0x12; }; };'],
  ]
  test.each(texts)('%s: the same bytes', (_, text) => {
    const source = `/dts-v1/; ${text}`
    const theirs = dtc('dts', 'dtb', source)
    expect(theirs.status).toBe(0)
    expect(Buffer.from(buildDtb(parseDts(source))).toString('hex')).toBe(theirs.output.toString('hex'))
  })
})
