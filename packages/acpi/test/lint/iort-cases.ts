import { tableOf } from '../annotated-hex.ts'
import { type LintCase, le, madt, pci, topology, withBytes, withSum } from './lint-case.ts'

const count = (hex: string): number => hex.replace(/\s/g, '').length / 2
/** Nodes from byte 48 on. */
const iort = (nodes: string, number: number, offset = 48): Uint8Array =>
  tableOf('IORT', `${le(number, 4)} ${le(offset, 4)} 00000000 ${nodes}`)
const late = (table: Uint8Array): Uint8Array => withSum(withBytes(table, 8, 5))
/** A mapping of `ids` IDs. */
const map = (input: number, ids: number, output: number, to: number, flags = 0): string =>
  `${le(input, 4)} ${le(ids - 1, 4)} ${le(output, 4)} ${le(to, 4)} ${le(flags, 4)} `
/** A node's head and body, with mappings at its end. */
const node = (type: number, revision: number, id: number, body: string, mappings = ''): string => {
  const before = 16 + count(body)
  const number = count(mappings) / 20
  const place = number === 0 ? 0 : before
  return `${le(type, 1)} ${le(before + count(mappings), 2)} ${le(revision, 1)} ${le(id, 4)} ${le(number, 4)} ${le(place, 4)} ${body} ${mappings} `
}
const its = (ids: readonly number[], mappings = ''): string =>
  node(0, 1, 0, `${le(ids.length, 4)} ${ids.map((id) => le(id, 4)).join(' ')}`, mappings)
const smmuv3 = (
  mappings: string,
  { base = 0x905_0000, flags = 1, model = 0, gsivs = [74, 75, 77, 76], index = 0, revision = 4 } = {},
): string =>
  node(
    4,
    revision,
    1,
    `${le(base, 8)} ${le(flags, 4)} 00000000 ${le(0, 8)} ${le(model, 4)} ${gsivs.map((one) => le(one, 4)).join(' ')} 00000000 ${le(index, 4)}`,
    mappings,
  )
const root = (mappings: string, { segment = 0, cca = 1, access = 3, limit = 64, id = 2, revision = 3 } = {}): string =>
  node(
    2,
    revision,
    id,
    `${le(cca, 4)} 00 0000 ${le(access, 1)} 00000000 ${le(segment, 4)} ${le(limit, 1)} 0000 00`,
    mappings,
  )
const named = (name: string, limit = 32): string => {
  const text = [...name].map((one) => le(one.charCodeAt(0), 1)).join('')
  return node(1, 2, 3, `00000000 01000000 00 0000 03 ${le(limit, 1)} ${text}`, '')
}
const rmr = (ranges: readonly (readonly [number, number])[], mappings: string): string => {
  const list = ranges.map(([base, length]) => `${le(base, 8)} ${le(length, 8)} 00000000`).join(' ')
  return node(6, 1, 4, `00000000 ${le(ranges.length, 4)} ${le(28, 4)} ${list}`, mappings)
}

/** Where the nodes of the clean table stand: ITS group, SMMUv3, root complex. */
const ITS = 48
const SMMU = 72
const ROOT = 160
const SMMU_MAP = SMMU + 68
const ROOT_MAP = ROOT + 36
const BEHIND = 216
const TO_ITS = map(0, 0x1_0000, 0, ITS)
const TO_SMMU = map(0, 0x1_0000, 0, SMMU)
const BASE = its([0]) + smmuv3(TO_ITS)
const CLEAN = iort(BASE + root(TO_SMMU), 3)
const pmcg = (reference: number): string => node(5, 0, 5, `${le(0x1000_0000, 8)} ${le(80, 4)} ${le(reference, 4)}`, '')
const smmu = (model: number): string =>
  node(3, 1, 6, `${le(0x2000_0000, 8)} ${le(0x1_0000, 8)} ${le(model, 4)} ${'00'.repeat(24)}`, '')

const one = (rule: number, trips: Uint8Array, at: number, clean = CLEAN): LintCase => ({
  rule: `IORT-${String(rule).padStart(4, '0')}`,
  trips,
  at,
  clean,
})

export const IORT_CASES: readonly LintCase[] = [
  one(1, tableOf('IORT', '03000000'), 4),
  one(2, iort(BASE + root(TO_SMMU), 3, 40), 48),
  one(3, iort(`${BASE + root(TO_SMMU)} 02 0000 00 ${'00'.repeat(12)}`, 4), BEHIND),
  one(4, iort(`${BASE + root(TO_SMMU)} 02 4000 00 ${'00'.repeat(12)}`, 4), BEHIND),
  one(4, iort(BASE + root(TO_SMMU), 4), 48),
  one(5, iort(`${BASE + root(TO_SMMU)} 05 1000 00 ${'00'.repeat(12)}`, 4), BEHIND),
  one(6, iort(`${BASE + root(TO_SMMU)} 2a 1000 00 ${'00'.repeat(12)}`, 4), BEHIND),
  one(7, iort(BASE + root(TO_SMMU, { revision: 9 }), 3), ROOT + 3),
  one(8, iort(BASE + root(TO_SMMU), 2), ROOT),
  one(9, iort(its([0]) + smmuv3(TO_ITS, { flags: 0x101 }) + root(TO_SMMU), 3), SMMU),
  one(9, iort(BASE + root(map(0, 0x1_0000, 0, SMMU, 2)), 3), ROOT),
  one(10, iort(its([0], map(0, 1, 0, 100)), 1), ITS + 8),
  one(11, iort(its([]), 1), ITS + 16),
  one(12, withSum(withBytes(CLEAN, ROOT + 12, 0x40)), ROOT + 12),
  one(13, iort(BASE + root(map(0, 0x1_0000, 0, 0)), 3), ROOT_MAP + 12),
  one(14, iort(BASE + root(map(0, 0x1_0000, 0, 0x50)), 3), ROOT_MAP + 12),
  one(14, iort(its([0]) + smmuv3(map(0, 1, 0, ROOT)) + root(TO_ITS), 3), SMMU_MAP + 12),
  one(15, iort(BASE + root(map(0, 0x1_0000, 0, ROOT)), 3), ROOT),
  one(15, iort(its([0]) + smmuv3(map(0, 0x1_0000, 0, ROOT)) + root(TO_SMMU), 3), SMMU),
  // One ID too many, as in tables that take the number of IDs for how many there are.
  one(
    16,
    iort(BASE + root(map(0, 0x101, 0, SMMU) + map(0x100, 0x100, 0x100, ITS)), 3),
    ROOT_MAP + 20,
    iort(BASE + root(map(0, 0x100, 0, SMMU) + map(0x100, 0x100, 0x100, ITS)), 3),
  ),
  one(
    17,
    iort(BASE + root(map(0x8000_0000, 0x8000_0001, 0, SMMU)), 3),
    ROOT_MAP,
    iort(BASE + root(map(0x8000_0000, 0x8000_0000, 0, SMMU)), 3),
  ),
  one(18, iort(its([0]) + smmuv3(map(0, 1, 0, ITS, 1)) + root(TO_SMMU), 3), SMMU_MAP + 16),
  one(
    19,
    iort(its([0]) + smmuv3(map(0, 1, 0, ITS, 1), { gsivs: [0, 0, 0, 0], index: 1 }) + root(TO_SMMU), 3),
    SMMU + 64,
    iort(its([0]) + smmuv3(map(0, 1, 0, ITS, 1), { gsivs: [0, 0, 0, 0] }) + root(TO_SMMU), 3),
  ),
  one(
    20,
    iort(its([0]) + smmuv3(TO_ITS, { flags: 0x11, revision: 5 }) + root(TO_SMMU), 3),
    SMMU_MAP + 16,
    iort(its([0]) + smmuv3(map(0, 1, 0, ITS, 1), { flags: 0x11, revision: 5 }) + root(TO_SMMU), 3),
  ),
  one(
    21,
    iort(BASE + root(TO_SMMU, { limit: 0 }), 3),
    ROOT + 32,
    iort(BASE + root(TO_SMMU, { limit: 0, revision: 0 }), 3),
  ),
  one(
    21,
    iort(BASE + root(TO_SMMU) + named('\\_SB\0', 0), 4),
    BEHIND + 28,
    iort(BASE + root(TO_SMMU) + named('\\_SB\0'), 4),
  ),
  one(22, iort(BASE + root(TO_SMMU, { access: 0 }), 3), ROOT + 16),
  one(22, iort(BASE + root(TO_SMMU, { cca: 0 }), 3), ROOT + 16, iort(BASE + root(TO_SMMU, { cca: 0, access: 1 }), 3)),
  one(22, iort(BASE + root(TO_SMMU, { cca: 2 }), 3), ROOT + 16),
  one(23, iort(BASE + root(TO_SMMU) + smmu(6), 4), BEHIND + 32, iort(BASE + root(TO_SMMU) + smmu(5), 4)),
  one(
    24,
    iort(its([0]) + smmuv3(TO_ITS, { model: 3 }) + root(TO_SMMU), 3),
    SMMU + 40,
    iort(its([0]) + smmuv3(TO_ITS, { model: 2 }) + root(TO_SMMU), 3),
  ),
  one(25, iort(its([0]) + smmuv3(TO_ITS, { base: 0x905_0800 }) + root(TO_SMMU), 3), SMMU + 16),
  one(
    25,
    iort(BASE + root(TO_SMMU) + smmuv3(TO_ITS, { base: 0x906_0000 }), 4),
    BEHIND + 16,
    iort(BASE + root(TO_SMMU) + smmuv3(TO_ITS, { base: 0x907_0000 }), 4),
  ),
  one(
    26,
    late(iort(BASE + root(TO_SMMU) + rmr([[0x8000_1000, 0x1_0000]], TO_SMMU), 4)),
    BEHIND + 28,
    late(iort(BASE + root(TO_SMMU) + rmr([[0x8000_0000, 0x1_0000]], TO_SMMU), 4)),
  ),
  one(
    27,
    late(
      iort(
        BASE +
          root(TO_SMMU) +
          rmr(
            [
              [0x8000_0000, 0x2_0000],
              [0x8001_0000, 0x1_0000],
            ],
            TO_SMMU,
          ),
        4,
      ),
    ),
    BEHIND + 48,
    late(
      iort(
        BASE +
          root(TO_SMMU) +
          rmr(
            [
              [0x8000_0000, 0x1_0000],
              [0x8001_0000, 0x1_0000],
            ],
            TO_SMMU,
          ),
        4,
      ),
    ),
  ),
  one(28, late(iort(BASE + root(TO_SMMU) + rmr([[0x8000_0000, 0x1_0000]], ''), 4)), BEHIND + 8),
  one(
    29,
    iort(BASE + root(TO_SMMU) + rmr([[0x8000_0000, 0x1_0000]], TO_SMMU), 4),
    8,
    late(iort(BASE + root(TO_SMMU) + rmr([[0x8000_0000, 0x1_0000]], TO_SMMU), 4)),
  ),
  one(30, iort(BASE + root(TO_SMMU) + pmcg(50), 4), BEHIND + 28, iort(BASE + root(TO_SMMU) + pmcg(SMMU), 4)),
  one(
    31,
    iort(BASE + root(TO_SMMU) + root(TO_SMMU, { id: 9 }), 4),
    BEHIND + 28,
    iort(BASE + root(TO_SMMU) + root(TO_SMMU, { id: 9, segment: 1 }), 4),
  ),
  one(
    32,
    iort(BASE + root(TO_SMMU) + named('\\_SB'), 4),
    BEHIND + 29,
    iort(BASE + root(TO_SMMU) + named('\\_SB\0'), 4),
  ),
  one(33, iort(BASE + root(TO_SMMU, { id: 1 }), 3), ROOT + 4),
  { ...one(34, iort(its([0, 7]), 1), ITS + 24, iort(its([0]), 1)), context: { madt: madt([], [0]) } },
  { ...one(101, iort(BASE + root(map(0, 0x10, 0, SMMU)), 3), 48), context: topology(pci('00:01.0'), pci('00:02.0')) },
]
