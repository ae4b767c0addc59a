import { describe, expect, it } from 'vitest'
import { joinReport } from '../src/index.ts'
import { type LintedTable, lintReport, reportFinding } from '../src/lint/index.ts'
import { bootSarif, lintSarif, type SarifLog } from '../src/sarif/index.ts'
import { accounts, guestDevice, guestResult, observation, vtd } from './accounts.ts'

/** What SARIF 2.1.0's schema and its text (OASIS, 2.1.0 errata 01) require of what is written here. */
function expectValid(log: SarifLog): void {
  expect(JSON.parse(JSON.stringify(log))).toEqual(log)
  // §3.13: version and runs; no property that the schema does not have.
  expect(Object.keys(log).sort()).toEqual(['$schema', 'runs', 'version'])
  expect(log.version).toBe('2.1.0')
  expect(log.$schema).toMatch(/^https:\/\/docs\.oasis-open\.org\/sarif\/sarif\/v2\.1\.0\/.*sarif-schema-2\.1\.0\.json$/)
  for (const run of log.runs) {
    expect(Object.keys(run).sort()).toEqual(['artifacts', 'results', 'tool'])
    const { driver } = run.tool
    // §3.19: a name; rules with IDs, each once.
    expect(driver.name).toBe('dmascope')
    const ids = driver.rules.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const rule of driver.rules) {
      expect(rule.shortDescription.text).not.toBe('')
      expect(() => new URL(rule.helpUri)).not.toThrow()
      expect(['none', 'note', 'warning', 'error']).toContain(rule.defaultConfiguration.level)
    }
    for (const { location } of run.artifacts) expectUri(location.uri)
    for (const result of run.results) {
      // §3.27: a message; ruleIndex and ruleId name the same rule.
      expect(result.message.text).not.toBe('')
      expect(ids[result.ruleIndex]).toBe(result.ruleId)
      expect(['none', 'note', 'warning', 'error']).toContain(result.level)
      for (const { physicalLocation, logicalLocations } of result.locations) {
        for (const { fullyQualifiedName, kind } of logicalLocations ?? []) {
          expect(fullyQualifiedName).not.toBe('')
          expect(kind).not.toBe('')
        }
        if (physicalLocation === undefined) continue
        const { artifactLocation, region } = physicalLocation
        expectUri(artifactLocation.uri)
        // §3.4.5: the index is that of the artifact with the URI.
        expect(run.artifacts[artifactLocation.index]?.location.uri).toBe(artifactLocation.uri)
        // §3.30: a region says where it starts, in whole numbers.
        if (region === undefined) continue
        const numbers = Object.values(region) as number[]
        expect(numbers.every((one) => Number.isInteger(one) && one >= 0)).toBe(true)
        if ('startLine' in region) expect(region.startLine).toBeGreaterThanOrEqual(1)
        else expect(Object.keys(region).sort()).toEqual(['byteLength', 'byteOffset'])
      }
    }
  }
}

/** RFC 3986: the characters of a reference, and no segment with a colon at the start of a relative one. */
function expectUri(uri: string): void {
  expect(uri).toMatch(/^(?:[A-Za-z0-9\-._~!$&'()*+,;=@/]|%[0-9A-F]{2})+$/)
  expect(new URL(uri, 'file:///base/').protocol).toBe('file:')
}

const RULE = {
  id: 'DMAR-0009',
  level: 'error',
  title: 'At zero',
  why: 'Why.',
  kernel: 'Linux stops.',
  fix: 'mend it',
} as const
const NOTE = { ...RULE, id: 'DT-0101', level: 'note' } as const
const table = (more: Partial<LintedTable>): LintedTable => ({
  source: 'a b/DMAR#1.dat',
  name: 'DMAR',
  form: 'raw',
  line: null,
  length: 80,
  findings: [
    reportFinding({ rule: RULE, offset: 56, length: 8, message: 'at 0x0' }, new Uint8Array(80)),
    reportFinding(
      { rule: NOTE, offset: null, length: 0, message: 'no', node: '/pcie@1', property: 'iommu-map' },
      new Uint8Array(0),
    ),
  ],
  ...more,
})

describe('lintSarif', () => {
  const locationOf = (one: LintedTable, index = 0) =>
    lintSarif(lintReport([one], null, '1.0.0'), [RULE, NOTE]).runs[0]!.results[index]!.locations[0]

  it('is valid; rules once, with what is wrong, why, and what to do', () => {
    const log = lintSarif(
      lintReport([table({}), table({ source: 'other' }), table({ source: 'standard input' })], null, '1.0.0'),
      [RULE, NOTE],
    )
    expectValid(log)
    const [run] = log.runs
    expect(run!.tool.driver.version).toBe('1.0.0')
    expect(run!.tool.driver.rules).toEqual([
      {
        id: 'DMAR-0009',
        shortDescription: { text: 'At zero' },
        fullDescription: { text: 'Why.' },
        help: { text: 'Linux 6.12 stops.\nFix: mend it' },
        helpUri: 'https://github.com/dmascope/dmascope/blob/main/docs/findings/DMAR-0009.md',
        defaultConfiguration: { level: 'error' },
      },
      expect.objectContaining({ id: 'DT-0101' }),
    ])
    expect(run!.results.length).toBe(6)
    expect(run!.artifacts).toEqual([{ location: { uri: 'a%20b/DMAR%231.dat' } }, { location: { uri: 'other' } }])
  })

  it('points at bytes of raw tables and blobs', () => {
    expect(locationOf(table({}))).toEqual({
      physicalLocation: {
        artifactLocation: { uri: 'a%20b/DMAR%231.dat', index: 0 },
        region: { byteOffset: 56, byteLength: 8 },
      },
      logicalLocations: [{ fullyQualifiedName: 'DMAR+0x38', kind: 'object' }],
    })
  })

  it('points at the line where a table starts in a text, and at a node’s property', () => {
    expect(locationOf(table({ form: 'acpidump', line: 5 }))?.physicalLocation?.region).toEqual({ startLine: 5 })
    expect(locationOf(table({ form: 'dts' }), 1)).toEqual({
      physicalLocation: { artifactLocation: { uri: 'a%20b/DMAR%231.dat', index: 0 } },
      logicalLocations: [{ fullyQualifiedName: '/pcie@1:iommu-map', kind: 'property' }],
    })
  })

  it('has no file for standard input', () => {
    expect(locationOf(table({ source: 'standard input' }))?.physicalLocation).toBeUndefined()
  })

  it.each(['/etc/x', 'C:\\tables\\DMAR', '//host/x', 'ünï', 'a:b', '100%'])(
    'writes %s as a URI reference',
    (source) => {
      expectValid(lintSarif(lintReport([table({ source })], null, '1.0.0'), []))
    },
  )

  it('is valid where nothing was found', () => {
    const log = lintSarif(lintReport([table({ findings: [] })], null, '1.0.0'), [RULE])
    expectValid(log)
    expect(log.runs[0]).toMatchObject({ results: [], artifacts: [{}], tool: { driver: { rules: [] } } })
  })
})

describe('bootSarif', () => {
  const report = joinReport(
    accounts(guestResult({ iommus: [vtd({ enabled: false })], devices: [guestDevice()] }), [observation()]),
  )

  it('is valid; findings of the machine and of devices are results', () => {
    for (const file of ['machine.yaml', null]) {
      const log = bootSarif(report, file)
      expectValid(log)
      const [run] = log.runs
      expect(run!.results.map(({ ruleId }) => ruleId)).toEqual(report.findings.map(({ id }) => id))
      expect(run!.results.length).toBeGreaterThan(0)
      for (const [index, { locations, level, message }] of run!.results.entries()) {
        const finding = report.findings[index]!
        const name = finding.device === null ? report.machine.name : `${report.machine.name}/${finding.device}`
        expect(locations[0]?.logicalLocations).toEqual([{ fullyQualifiedName: name, kind: 'resource' }])
        expect(locations[0]?.physicalLocation === undefined).toBe(file === null)
        expect(level).toBe(finding.level)
        expect(message.text.startsWith(finding.message)).toBe(true)
      }
    }
  })
})
