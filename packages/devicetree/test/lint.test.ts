import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { buildDtb, DeviceTree, node, parseDtb, parseDts, property } from '../src/index.ts'
import { DT_LINT_RULES, lintDtb, lintTree, unreadable } from '../src/lint/index.ts'
import { goldenBlobs, realBlobs } from './corpus.ts'
import { LINT_CASES } from './lint-cases.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
/** Rules about the form of a blob, tried below by their bytes. */
const OF_BLOBS = ['DT-0001', 'DT-0002', 'DT-0003']

describe('rules', () => {
  it('have stable IDs, each once, and a tree each that trips them', () => {
    const ids = DT_LINT_RULES.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(new Set([...OF_BLOBS, ...LINT_CASES.map(({ rule }) => rule)])).toEqual(new Set(ids))
  })
})

describe('a tree that trips a rule, and one that does not', () => {
  test.each(LINT_CASES.map((one, index) => [`${one.rule} (${index})`, one] as const))('%s', (_name, one) => {
    const { rule, trips, at, clean, context = {} } = one
    const found = lintTree(parseDts(trips), context).filter((finding) => finding.rule.id === rule)
    expect(found.map((finding) => [finding.node, finding.property, finding.offset])).toEqual([[...at, null]])
    expect(lintTree(parseDts(clean), context).filter((finding) => finding.rule.id === rule)).toEqual([])

    // The same as a blob: with the byte at which it stands.
    const blob = buildDtb(parseDts(trips))
    const [inBlob] = lintDtb(blob, context).filter((finding) => finding.rule.id === rule)
    const value = parseDtb(blob).find(at[0])!.property(at[1])!
    expect(inBlob!.offset).toBeGreaterThanOrEqual(value.start)
    expect(inBlob!.offset! + inBlob!.length).toBeLessThanOrEqual(value.start + value.length)
  })
})

test('DT-0001: of a text, without the place that the error names before', () => {
  let caught: unknown
  try {
    parseDts('/dts-v1/;\n/ { reg = <08>; };', { source: 'a board.dts' })
  } catch (error) {
    caught = error
  }
  expect(unreadable(caught)).toMatchObject({ rule: { id: 'DT-0001' }, offset: null })
  expect(unreadable(caught).message).toBe("'8' is no octal digit; a number that starts with 0 is octal")
  expect(() => unreadable(new TypeError('of the program'))).toThrow(TypeError)
})

describe('blobs', () => {
  const blob = (): Uint8Array => buildDtb(new DeviceTree(node('', { model: 'abc', b: Uint8Array.of(1) })))

  test('DT-0001: one that cannot be read is told of at its byte', () => {
    const bytes = blob()
    bytes[0x43] = 7
    expect(lintDtb(bytes)).toMatchObject([{ rule: { id: 'DT-0001' }, offset: 0x40, message: '0x00000007 is no token' }])
    expect(lintDtb(bytes.subarray(0, 10))).toMatchObject([{ rule: { id: 'DT-0001' }, offset: 0 }])
    expect(lintDtb(blob())).toEqual([])
  })

  test('DT-0002: padding that is not zero', () => {
    const bytes = blob()
    const at = parseDtb(bytes).root.property('b')!.start + 1
    bytes[at] = 1
    expect(lintDtb(bytes)).toMatchObject([{ rule: { id: 'DT-0002' }, offset: at }])
  })

  test('DT-0003: a property behind a subnode', () => {
    const bytes = buildDtb(new DeviceTree(node('', {}, [node('x')])))
    // FDT_BEGIN_NODE '' FDT_BEGIN_NODE 'x' FDT_END_NODE FDT_END_NODE FDT_END: a property of no bytes in place of the end.
    const made = buildDtb(new DeviceTree(node('', { dead: true }, [node('x')])))
    const start = new DataView(made.buffer).getUint32(8)
    const view = new Uint8Array(made)
    const prop = view.slice(start + 8, start + 20)
    const child = view.slice(start + 20, start + 32)
    view.set(child, start + 8)
    view.set(prop, start + 20)
    expect(lintDtb(view)).toMatchObject([{ rule: { id: 'DT-0003' }, offset: start + 20 }])
    expect(lintDtb(bytes)).toEqual([])
  })
})

test.each(goldenBlobs)('$name: what QEMU writes is right', ({ bytes }) => {
  expect(lintDtb(bytes).filter(({ rule }) => rule.level !== 'note')).toEqual([])
})

test.skipIf(realBlobs.length === 0)('real boards (skipped where DMASCOPE_CORPUS names no folder): no error', () => {
  const found = new Map<string, number>()
  for (const { bytes } of realBlobs) {
    for (const { rule } of lintDtb(bytes)) found.set(rule.id, (found.get(rule.id) ?? 0) + 1)
  }
  // One tree has padding that is not zero; two bridges go to an IOMMU of two cells, four devices to a disabled one.
  expect(Object.fromEntries(found)).toEqual({ 'DT-0002': 1, 'DT-0013': 2, 'DT-0015': 4 })
})

test('what an overlay refers to is elsewhere', () => {
  const overlay = (fixups: string) =>
    parseDts(`/dts-v1/; / { f { __overlay__ { iommus = <0xffffffff 1>; }; }; ${fixups} };`)
  expect(lintTree(overlay('')).map(({ rule }) => rule.id)).toEqual(['DT-0006'])
  expect(lintTree(overlay('__fixups__ { smmu = "/f/__overlay__:iommus:0"; };'))).toEqual([])
})

test('a tree of many nodes costs no more than their number', () => {
  const devices = Array.from({ length: 20_000 }, (_, index) =>
    node(`d@${index}`, { iommus: [1, index], phandle: index + 2 }),
  )
  const smmu = node('smmu', { '#iommu-cells': 1, phandle: 1, compatible: 'arm,smmu-v3' })
  const blob = buildDtb(new DeviceTree(node('', {}, [smmu, node('soc', {}, devices)])))
  const start = performance.now()
  expect(lintDtb(blob)).toEqual([])
  expect(performance.now() - start).toBeLessThan(5_000)
})

describe('hostile input', () => {
  test('random values of every property that is looked at never throw', () => {
    const names = [
      'phandle',
      'iommus',
      'iommu-map',
      'iommu-map-mask',
      'msi-map',
      'msi-parent',
      'dma-ranges',
      'iommu-addresses',
    ]
    const more = ['#address-cells', '#size-cells', '#iommu-cells', 'ibm,dma-window', 'ibm,#dma-address-cells', 'status']
    const made = fc.array(fc.tuple(fc.constantFrom(...names, ...more), fc.uint8Array({ maxLength: 40 })), {
      maxLength: 8,
    })
    const functions = [{ segment: 0, bus: 0, device: 1, function: 0 }]
    fc.assert(
      fc.property(made, made, (one, other) => {
        const properties = (list: typeof one) => list.map(([name, value]) => property(name, value))
        const child = node('pcie@1', { device_type: 'pci' })
        const root = node('', {}, [child])
        for (const value of properties(one)) child.put(value)
        for (const value of properties(other)) root.put(value)
        for (const { message } of lintTree(new DeviceTree(root), { topology: { functions } }))
          expect(message).not.toBe('')
      }),
      { numRuns: RUNS },
    )
  })

  test('a blob with any bytes changed, or cut anywhere, never throws', () => {
    const blobs = LINT_CASES.map(({ trips }) => buildDtb(parseDts(trips)))
    const damage = fc.array(fc.tuple(fc.nat(1000), fc.nat(255)), { maxLength: 4 })
    fc.assert(
      fc.property(fc.nat(blobs.length - 1), damage, fc.nat(2000), (index, changes, cut) => {
        const bytes = blobs[index]!.slice(0, cut < 400 ? cut : undefined)
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        for (const { offset, length } of lintDtb(bytes)) {
          if (offset !== null && length > 4) expect(offset + length).toBeLessThanOrEqual(bytes.length)
        }
      }),
      { numRuns: RUNS },
    )
  })
})

test('rules say what is wrong in sentences that end', () => {
  for (const { id, why, kernel, title, fix } of DT_LINT_RULES) {
    expect(`${id} ${why}`).toMatch(/[.”]$/)
    expect(`${id} ${kernel}`).toMatch(/[.”]$/)
    expect(`${id} ${title}`).not.toMatch(/\.$/)
    expect(`${id} ${fix}`).not.toMatch(/\.$/)
  }
})
