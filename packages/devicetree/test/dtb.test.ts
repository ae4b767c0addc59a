import { DmascopeError } from '@dmascope/layout'
import { describe, expect, test } from 'vitest'
import { buildDtb, DeviceTree, DtNode, firstDifference, node, parseDtb, pathOf, property } from '../src/index.ts'
import { bytesOfHex } from './hex.ts'

/** A blob with everything that a tree does not say: a gap, FDT_NOPs, odd padding, a late property, a shared name. */
const ODD = `
  d00dfeed 000000e4 00000050 000000c8 00000030 # magic totalsize off_dt_struct off_dt_strings off_mem_rsvmap
  00000011 00000010 00000003 00000010 00000074 # version 17, back to 16, processor 3, 0x10 of strings, 0x74 of structure
  11223344 55667788                            # 0028 a gap
  0000000080000000 0000000000001000            # 0030 4 KiB at 2 GiB are reserved
  0000000000000000 0000000000000000            # 0040
  00000004                                     # 0050 FDT_NOP
  00000001 00000000                            # 0054 FDT_BEGIN_NODE, the root
  00000003 00000004 00000000 00000002          # 005c   #cells... = <2>
  00000004 00000004                            # 006c   FDT_NOP FDT_NOP
  00000003 00000003 00000006 616263ee          # 0074   "s" = [61 62 63], padding 0xee
  00000001 6100cccc                            # 0084   FDT_BEGIN_NODE a, padding 0xcccc
  00000004                                     # 008c     FDT_NOP
  00000002                                     # 0090   FDT_END_NODE
  00000003 00000000 00000006                   # 0094   "s" again, behind a node
  00000001 62000000                            # 00a0   FDT_BEGIN_NODE b
  00000002                                     # 00a8   FDT_END_NODE
  00000004                                     # 00ac   FDT_NOP
  00000002                                     # 00b0 FDT_END_NODE
  00000004                                     # 00b4 FDT_NOP
  00000009                                     # 00b8 FDT_END
  deadbeef deadbeef                            # 00bc bytes behind FDT_END
  00000000                                     # 00c4 a gap
  2363656c 6c730000 73000000 00000000          # 00c8 "#cells" ... "s" is its end, and stands at 8 too
  00000000 00000000 00000000                   # 00d8 a gap
`
const odd = bytesOfHex(ODD)

describe('what only the bytes say is kept', () => {
  test('§5.4 FDT_NOPs, gaps, padding, a late property and bytes behind FDT_END', () => {
    const tree = parseDtb(odd)
    expect(tree.problems.map(({ code, offset }) => [code, offset])).toEqual([
      ['DTB_PADDING', 0x83],
      ['DTB_PADDING', 0x8a],
      ['DTB_LATE_PROPERTY', 0x94],
      ['DTB_STRUCT_TAIL', 0xbc],
    ])
    expect(tree.bootCpuid).toBe(3)
    expect(tree.reservations).toEqual([{ address: 0x8000_0000, size: 0x1000 }])
    expect(tree.root.properties.map(({ name, length }) => [name, length])).toEqual([
      ['#cells', 4],
      ['', 3],
      ['', 0],
    ])
    expect(tree.root.children.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(Buffer.compare(buildDtb(tree), odd)).toBe(0)
  })

  test('and is left out of the canonical form', () => {
    const tree = parseDtb(odd)
    const again = parseDtb(buildDtb(tree, { form: 'canonical' }))
    expect(again.problems).toEqual([])
    expect(firstDifference(again.root, tree.root)).toBeNull()
    expect(again.blob?.nops.size).toBe(0)
  })

  test('an edit keeps what it did not touch, and adds names behind those that are there', () => {
    const tree = parseDtb(odd)
    tree.root.child('b')!.set('new', 'x')
    const built = buildDtb(tree)
    const again = parseDtb(built)
    expect(firstDifference(again.root, tree.root)).toBeNull()
    expect(again.problems.map(({ code }) => code)).toEqual([
      'DTB_PADDING',
      'DTB_PADDING',
      'DTB_LATE_PROPERTY',
      'DTB_STRUCT_TAIL',
    ])
    expect(Buffer.from(built).includes('#cells\0\0s\0\0\0\0\0\0\0new\0')).toBe(true)
  })

  test('a value of the same size is edited in place', () => {
    const tree = parseDtb(odd)
    tree.root.set('#cells', 1)
    const expected = odd.slice()
    expected[0x6b] = 1
    expect(Buffer.compare(buildDtb(tree), expected)).toBe(0)
  })

  test('bytes behind totalsize are told and kept', () => {
    const longer = new Uint8Array([...odd, 1, 2, 3])
    const tree = parseDtb(longer)
    expect(tree.problems[0]).toMatchObject({ code: 'DTB_TRAILING', offset: 0xe4 })
    expect(Buffer.compare(buildDtb(tree), longer)).toBe(0)
  })

  test('a blob of version 16 whose structure block starts at its end, as Linux leaves it on POWER', () => {
    const bytes = new Uint8Array(0x48)
    const view = new DataView(bytes.buffer)
    for (const [index, word] of [0xd00dfeed, 0x48, 0x48, 0x44, 0x28, 16, 16, 0, 4].entries())
      view.setUint32(index * 4, word)
    expect(() => parseDtb(bytes)).toThrow(/at byte 0x48: the structure block ends without FDT_END/)
  })

  test('version 16 has no size of the structure block', () => {
    const old = bytesOfHex(`
      d00dfeed 00000060 00000038 0000005c 00000028 00000010 00000010 00000000 00000002 # header of 36 bytes
      ffffffff                                     # 0024 a gap
      0000000000000000 0000000000000000            # 0028
      00000001 00000000 00000003 00000004 00000000 2a2a2a2a 00000002 00000009 aaaaaaaa # 0038, and a gap
      70000000                                     # 005c
    `)
    const tree = parseDtb(old)
    expect(tree.root.cell('p')).toBe(0x2a2a_2a2a)
    expect(tree.problems).toEqual([])
    expect(Buffer.compare(buildDtb(tree), old)).toBe(0)
    tree.root.set('q', 1)
    expect(parseDtb(buildDtb(tree)).root.cells('q')).toEqual([1])
  })
})

describe('the canonical form', () => {
  test('§5.2 the smallest tree, byte for byte', () => {
    const built = buildDtb(new DeviceTree(node('', { p: 1 })))
    expect(Buffer.from(built).toString('hex')).toBe(
      [
        'd00dfeed', // 00 magic
        '0000005a', // 04 totalsize
        '00000038', // 08 off_dt_struct
        '00000058', // 0c off_dt_strings
        '00000028', // 10 off_mem_rsvmap
        '00000011', // 14 version
        '00000010', // 18 last_comp_version
        '00000000', // 1c boot_cpuid_phys
        '00000002', // 20 size_dt_strings
        '00000020', // 24 size_dt_struct
        '00000000000000000000000000000000', // 28 the last fdt_reserve_entry
        '0000000100000000', // 38 FDT_BEGIN_NODE
        '00000003000000040000000000000001', // 40 FDT_PROP, 4 bytes, name at 0
        '00000002', // 50 FDT_END_NODE
        '00000009', // 54 FDT_END
        '7000', // 58 "p"
      ].join(''),
    )
  })

  test('a name that is the end of another shares its bytes', () => {
    const built = parseDtb(buildDtb(new DeviceTree(node('', { 'clock-names': 'a', names: 'b', clock: 'c' }))))
    expect(built.blob?.strings.size).toBe('clock-names\0clock\0'.length)
    expect(built.root.properties.map(({ name, nameOffset }) => [name, nameOffset])).toEqual([
      ['clock-names', 0],
      ['names', 6],
      ['clock', 12],
    ])
  })

  test('padding is room within totalsize', () => {
    const tree = new DeviceTree(node(''))
    const roomy = buildDtb(tree, { padding: 100 })
    expect(roomy.length).toBe(buildDtb(tree).length + 100)
    expect(parseDtb(roomy).problems).toEqual([])
    expect(() => buildDtb(tree, { padding: -1 })).toThrow(RangeError)
  })
})

describe('what cannot be read is told with its place', () => {
  const patched = (offset: number, word: number): Uint8Array => {
    const bytes = odd.slice()
    new DataView(bytes.buffer).setUint32(offset, word)
    return bytes
  }
  test.each([
    ['the magic', patched(0, 0xd00dfeee), 'DTB_MAGIC', 0],
    ['a version from before 16', patched(0x14, 3), 'DTB_VERSION', 0x14],
    ['one that needs a newer reader', patched(0x18, 18), 'DTB_VERSION', 0x14],
    ['a totalsize above what there is', patched(4, 0xe5), 'DTB_TRUNCATED', 4],
    ['a totalsize of a gigabyte', patched(4, 0x4000_0000), 'DTB_TRUNCATED', 4],
    ['a structure block outside', patched(8, 0xe0), 'DTB_TRUNCATED', 0xe0],
    ['a structure block of 4 GiB', patched(0x24, 0xffff_fffc), 'DTB_TRUNCATED', 0x50],
    ['strings within the structure', patched(0x0c, 0x60), 'DTB_STRUCTURE', 0x60],
    ['a property of 4 GiB', patched(0x60, 0xffff_ffff), 'DTB_TRUNCATED', 0x5c],
    ['a name past the strings', patched(0x64, 0x10), 'DTB_STRING', 0x64],
    ['a token that is none', patched(0x6c, 5), 'DTB_TOKEN', 0x6c],
    ['FDT_END within a node', patched(0x90, 9), 'DTB_STRUCTURE', 0x90],
    ['an end too many', patched(0xb8, 2), 'DTB_STRUCTURE', 0xb8],
    ['a property outside the root', patched(0x50, 3), 'DTB_STRUCTURE', 0x50],
    ['no end', patched(0xb8, 4), 'DTB_TOKEN', 0xbc],
    ['reservations without end', patched(0x10, 0xd0), 'DTB_TRUNCATED', 0xe0],
  ])('%s', (_, bytes, code, offset) => {
    try {
      parseDtb(bytes, { source: 'x.dtb' })
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(DmascopeError)
      expect((error as DmascopeError).code).toBe(code)
      expect((error as DmascopeError).context).toEqual({ offset, source: 'x.dtb' })
      expect((error as DmascopeError).message).toContain(`x.dtb at byte 0x${offset.toString(16)}`)
    }
  })

  test('fewer bytes than a header', () => {
    expect(() => parseDtb(odd.subarray(0, 35))).toThrow(/35 bytes are less than a header/)
  })
})

describe('the tree', () => {
  test('finds nodes by path, by alias, and without unit addresses', () => {
    const tree = new DeviceTree(
      node('', {}, [
        node('aliases', { serial0: '/soc/uart@10', bad: 'relative' }),
        node('soc', {}, [node('uart@10'), node('uart@20')]),
      ]),
    )
    const paths = ['/', '/soc/uart@20', '/soc/uart', 'serial0', 'bad', '/soc/nothing', 'nothing', '/soc/uart@1'].map(
      (path) => tree.find(path),
    )
    expect(paths.map((one) => one && pathOf(one))).toEqual([
      '/',
      '/soc/uart@20',
      '/soc/uart@10',
      '/soc/uart@10',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('aliases that name each other end', () => {
    const tree = new DeviceTree(node('', {}, [node('aliases', { a: 'b/x', b: 'a/x' })]))
    expect(tree.find('a')).toBeUndefined()
  })

  test('the index of phandles follows edits', () => {
    const a = node('a', { phandle: 1 })
    const b = node('b', { 'linux,phandle': 2 })
    const tree = new DeviceTree(node('', {}, [a, b]))
    expect([tree.byPhandle(1), tree.byPhandle(2), tree.byPhandle(3)]).toEqual([a, b, undefined])
    b.set('phandle', 3)
    a.detach()
    expect([tree.byPhandle(1), tree.byPhandle(3)]).toEqual([undefined, b])
    tree.root.append(a)
    expect(tree.byPhandle(1)).toBe(a)
    b.set('phandle', 0)
    expect(tree.byPhandle(0)).toBeUndefined()
  })

  test('values read as what the binding says', () => {
    const made = node('n', { t: ['a', 'bé'], w: [1, 0xffff_ffff], e: true, o: new Uint8Array([1, 2, 3]), s: 'x' })
    expect(made.strings('t')).toEqual(['a', 'bé'])
    expect(made.string('t')).toBe('a')
    expect(made.property('w')!.u64()).toBe(0x1_ffff_ffff)
    expect(made.property('w')!.u64(1)).toBeUndefined()
    expect(made.cells('w')).toEqual([1, 0xffff_ffff])
    expect([made.has('e'), made.string('e'), made.cell('o'), made.cell('none')]).toEqual([
      true,
      undefined,
      undefined,
      undefined,
    ])
    expect([...made.property('o')!.value]).toEqual([1, 2, 3])
  })

  test("a caller's mistakes are told at once", () => {
    expect(() => node('a\0b')).toThrow(RangeError)
    expect(() => property('é—', 1)).toThrow(/character 1 is no byte/)
    expect(() => property('x', 'a\0b')).toThrow(/contains NUL/)
    expect(() => property('x', [1.5])).toThrow(/cell 0 is 1.5/)
    expect(() => property('x', 2 ** 32)).toThrow(RangeError)
    const top = node('top', {}, [node('low')])
    expect(() => top.children[0]!.append(top)).toThrow(/its own subtree/)
    expect(() => top.append(top)).toThrow(/its own subtree/)
    expect(() => buildDtb(new DeviceTree(node(''), { reservations: [{ address: -1, size: 0 }] }))).toThrow(RangeError)
  })

  test('a node moves between trees, and its blob may be another', () => {
    const from = parseDtb(odd)
    const to = parseDtb(odd)
    to.root.append(from.root.child('a')!)
    const other = parseDtb(buildDtb(new DeviceTree(node('', { zzz: 1 }, [node('x', { yyy: 2 })]))))
    to.root.append(other.root.child('x')!)
    expect(from.root.children.map(({ name }) => name)).toEqual(['b'])
    const again = parseDtb(buildDtb(to))
    expect(firstDifference(again.root, to.root)).toBeNull()
    expect(again.root.children.map(({ name }) => name)).toEqual(['a', 'b', 'a', 'x'])
    expect(again.root.children[3]!.cell('yyy')).toBe(2)
  })

  test('a renamed node is written under its new name', () => {
    const tree = parseDtb(buildDtb(new DeviceTree(node('', {}, [node('old', { p: 1 })]))))
    tree.root.children[0]!.name = 'new@1'
    expect(parseDtb(buildDtb(tree)).root.children[0]!.name).toBe('new@1')
    expect(firstDifference(tree.root, new DtNode(''))).toBe('/ has 1 children in one and 0 in the other')
  })
})
