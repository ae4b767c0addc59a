import expected from '@dmascope/scenarios/claims.expected.json' with { type: 'json' }
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CellBooter,
  CLAIMS,
  type Claim,
  claimsDocument,
  compareExpectation,
  expectationOf,
  formatClaim,
  formatClaims,
  formatClaimsMarkdown,
  judgeClaim,
  readExpectation,
} from '../src/claims/index.ts'
import { parseCell } from '../src/index.ts'

const booter = new CellBooter()
const judged = CLAIMS.map((claim) => judgeClaim(claim, booter))

describe('the claims', () => {
  it('come out as recorded; the record changes on purpose only', () => {
    expect(expectationOf(judged)).toEqual(expected)
  })

  it.each(judged.map((one) => [one.id, one] as const))('%s has boots for each of its parts', (_, { parts }) => {
    expect(parts.length).toBeGreaterThan(0)
    for (const { says, cases } of parts) expect(cases.length, says).toBeGreaterThan(0)
  })

  it('have numbers of their own', () => {
    const numbers = CLAIMS.map(({ number }) => number)
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
  })

  it('are told in lines that fit, whole, and as data', () => {
    for (const line of formatClaims(judged).split('\n')) expect(line.length).toBeLessThanOrEqual(100)
    expect(formatClaims(judged)).toContain(`${CLAIMS.length} claims: `)
    expect(formatClaimsMarkdown(judged).split('\n')).toHaveLength(CLAIMS.length + 3)
    const { claims } = JSON.parse(JSON.stringify(claimsDocument(judged))) as ReturnType<typeof claimsDocument>
    for (const { id, scenarios } of claims) {
      expect(scenarios.length, id).toBeGreaterThan(0)
      for (const key of scenarios.filter((one) => !/^(\*|recorded\/)/.test(one)))
        expect(parseCell(key), id).toBeDefined()
    }
    expect(formatClaim(judged[0]!)).toContain('dmascope boot')
  })
})

describe('judging', () => {
  const works = parseCell('linux-6.12/qemu/x86/none/virtio-blk')
  const refused = parseCell('linux-4.4/qemu/x86/none/virtio-blk+platform')
  const claimOf = (cells: readonly (typeof works)[], holds: (verdict: string) => boolean): Claim => ({
    number: 99,
    said: { who: 'Nobody', when: '2026', in: 'a test' },
    claim: 'It works.',
    parts: [
      {
        kind: 'observed',
        says: 'it works',
        cases: cells.map((cell) => [cell]),
        holds: (seen) => seen !== undefined && holds(seen.verdict),
        otherwise: 'it does not',
      },
    ],
  })

  it.each([
    ['upheld', [works], 'works'],
    ['qualified', [works, refused], 'works'],
    ['refuted', [refused], 'works'],
    ['upheld', [refused], 'refused'],
  ] as const)('%s', (outcome, cells, verdict) => {
    const one = judgeClaim(
      claimOf(cells, (seen) => seen === verdict),
      booter,
    )
    expect(one).toMatchObject({ id: 'C99', outcome })
    expect(one.why.includes('it does not')).toBe(outcome !== 'upheld')
  })

  it('a predicate sees what was observed, and nothing of names, wiring or tables', () => {
    const seen: string[][] = []
    const part = claimOf([works], () => true).parts[0]!
    if (part.kind !== 'observed') throw new Error('not observed')
    const holds = (...all: readonly object[]): boolean => {
      seen.push(...all.map(Object.keys))
      return true
    }
    judgeClaim({ ...claimOf([works], () => true), parts: [{ ...part, holds }] }, booter)
    expect(seen).toEqual([['status', 'verdict', 'dma', 'io', 'faults', 'strays', 'assigned']])
  })

  it('of real machines, those count of which it is said, and predicates see nothing of names', () => {
    const device = { id: '0000:00:02.0', driver: 'virtio_blk', accessPlatform: true, domain: 'dma', works: true }
    const boot = { name: 'one', qemu: '11.1.3', kernel: '6.12', machine: '-machine q35', append: 'quiet' }
    const caseOf = (dma: 'translated' | 'direct', accessPlatform = true) => {
      const one = { ...device, dma, accessPlatform }
      return [{ boot: { ...boot, devices: [one] }, device: one }]
    }
    const seen: string[] = []
    const judgedOf = (...cases: ReturnType<typeof caseOf>[]) =>
      judgeClaim({
        ...claimOf([], () => true),
        parts: [
          {
            kind: 'recorded',
            says: 'it is translated',
            cases,
            where: (one) => one?.accessPlatform === true,
            holds: (one) => {
              seen.push(...Object.keys(one ?? {}))
              return one?.dma === 'translated'
            },
            otherwise: 'it is not',
          },
        ],
      })
    expect(judgedOf(caseOf('translated'), caseOf('direct', false)).outcome).toBe('upheld')
    expect(judgedOf(caseOf('translated'), caseOf('direct')).outcome).toBe('qualified')
    expect(judgedOf(caseOf('direct')).outcome).toBe('refuted')
    expect(judgedOf(caseOf('direct', false)).outcome).toBe('refuted')
    expect(new Set(seen)).toEqual(new Set(['accessPlatform', 'domain', 'dma', 'works']))
    const text = formatClaim(judgedOf(caseOf('direct')))
    expect(text).toContain('recorded/one/00:02.0: bit 33, domain dma, direct, works')
    expect(text).toContain('one: Linux 6.12 on QEMU 11.1.3 -machine q35 -append "quiet"')
    expect(text).not.toContain('dmascope boot')
  })

  it('a part that no machine can be made for upholds nothing', () => {
    const impossible = parseCell('linux-6.12/qemu/pseries/off/virtio-blk')
    expect(
      judgeClaim(
        claimOf([impossible], () => true),
        booter,
      ).outcome,
    ).not.toBe('upheld')
  })

  it('inseparable machines: a kernel that could tell them apart is found', () => {
    const machine = { platform: 'pseries', iommu: 'on', device: 'virtio-blk' } as const
    const separation = (other: 'physical-no-flag' | 'physical-prog-if'): Claim => ({
      ...claimOf([], () => true),
      parts: [
        {
          kind: 'separation',
          says: 'nobody can tell',
          machines: [
            { ...machine, hypervisor: 'qemu' },
            { ...machine, hypervisor: other },
          ],
          guests: ['bypass-prog-if', 'linux-4.4'],
          claims: 'inseparable',
          otherwise: 'somebody can',
        },
      ],
    })
    expect(judgeClaim(separation('physical-no-flag'), booter).outcome).toBe('upheld')
    expect(judgeClaim(separation('physical-prog-if'), booter).outcome).toBe('refuted')
  })
})

describe('an expectation', () => {
  it('differs where an outcome does, or nothing was recorded', () => {
    const [first] = judged
    expect(compareExpectation(judged, expectationOf(judged))).toEqual([])
    expect(compareExpectation([first!], {})).toEqual([expect.stringContaining('nothing is recorded')])
    const other = first!.outcome === 'refuted' ? 'upheld' : 'refuted'
    expect(compareExpectation([first!], { [first!.id]: other })).toEqual([
      expect.stringContaining(`expected was ${other}`),
    ])
  })

  it.each(['', '[]', '{"x": "upheld"}', '{"C01": "maybe"}', '{'])('%s is refused', (text) => {
    expect(() => readExpectation(text, 'file.json')).toThrow(/file\.json: /)
  })

  it('any text is taken or refused with a reason', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          readExpectation(text, 'f')
        } catch (error) {
          expect((error as { code?: string }).code).toBe('CLAIMS_EXPECTATION')
        }
      }),
      { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) },
    )
  })
})
