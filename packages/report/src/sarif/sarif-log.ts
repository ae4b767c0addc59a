import { pageOf } from '../findings/page-of.ts'
import type { FindingLevel } from '../report.ts'

/** As much of SARIF 2.1.0 as is written here. */
export interface SarifLog {
  readonly $schema: string
  readonly version: '2.1.0'
  readonly runs: readonly SarifRun[]
}

interface SarifText {
  readonly text: string
}

interface SarifRun {
  readonly tool: {
    readonly driver: {
      readonly name: string
      readonly version: string
      readonly informationUri: string
      readonly rules: readonly SarifRule[]
    }
  }
  readonly artifacts: readonly { readonly location: { readonly uri: string } }[]
  readonly results: readonly SarifResult[]
}

interface SarifRule {
  readonly id: string
  readonly shortDescription: SarifText
  readonly fullDescription?: SarifText
  readonly help?: SarifText
  readonly helpUri: string
  readonly defaultConfiguration: { readonly level: FindingLevel }
}

interface SarifResult {
  readonly ruleId: string
  readonly ruleIndex: number
  readonly level: FindingLevel
  readonly message: SarifText
  readonly locations: readonly SarifLocation[]
}

interface SarifLocation {
  readonly physicalLocation?: {
    readonly artifactLocation: { readonly uri: string; readonly index: number }
    readonly region?: SarifRegion
  }
  readonly logicalLocations?: readonly { readonly fullyQualifiedName: string; readonly kind: string }[]
}

export type SarifRegion = { readonly byteOffset: number; readonly byteLength: number } | { readonly startLine: number }

/** A rule, as SARIF tells of it. */
interface RuleText {
  readonly id: string
  readonly level: FindingLevel
  readonly title: string
  readonly why?: string
  readonly help?: string
}

/** A result, before rules and files are numbered. */
export interface ResultText {
  readonly rule: RuleText
  readonly level: FindingLevel
  readonly message: string
  /** The file; null where there is none. */
  readonly file: string | null
  readonly region?: SarifRegion
  /** What else names the place: a device, a node and property, a table and offset. */
  readonly logical?: { readonly name: string; readonly kind: string }
}

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json'
const HOME = 'https://github.com/dmascope/dmascope'

/** A path as a URI reference: what no URI may have is escaped, and what starts a scheme is not taken for one. */
function uriOf(path: string): string {
  const parts = path.replaceAll('\\', '/').split('/').map(encodeURIComponent)
  const joined = parts.join('/')
  return joined.startsWith('//') ? `.${joined}` : joined
}

/** One run, with the rules and files that its results name. `files`: what was looked at, besides. */
export function sarifLog(results: readonly ResultText[], files: readonly string[], version: string): SarifLog {
  const rules: SarifRule[] = []
  const ruleIndexes = new Map<string, number>()
  const uris: string[] = []
  const fileIndexes = new Map<string, number>()
  const indexOf = (file: string): number => {
    const known = fileIndexes.get(file)
    if (known !== undefined) return known
    fileIndexes.set(file, uris.length)
    return uris.push(uriOf(file)) - 1
  }
  for (const file of files) indexOf(file)
  const made = results.map(({ rule, level, message, file, region, logical }): SarifResult => {
    let ruleIndex = ruleIndexes.get(rule.id)
    if (ruleIndex === undefined) {
      ruleIndex = rules.push(ruleOf(rule)) - 1
      ruleIndexes.set(rule.id, ruleIndex)
    }
    const location: SarifLocation = {
      ...(file !== null && {
        physicalLocation: {
          artifactLocation: { uri: uriOf(file), index: indexOf(file) },
          ...(region !== undefined && { region }),
        },
      }),
      ...(logical !== undefined && { logicalLocations: [{ fullyQualifiedName: logical.name, kind: logical.kind }] }),
    }
    const locations = Object.keys(location).length === 0 ? [] : [location]
    return { ruleId: rule.id, ruleIndex, level, message: { text: message }, locations }
  })
  const driver = { name: 'dmascope', version, informationUri: HOME, rules }
  const artifacts = uris.map((uri) => ({ location: { uri } }))
  return { $schema: SCHEMA, version: '2.1.0', runs: [{ tool: { driver }, artifacts, results: made }] }
}

const ruleOf = ({ id, level, title, why, help }: RuleText): SarifRule => ({
  id,
  shortDescription: { text: title },
  ...(why !== undefined && { fullDescription: { text: why } }),
  ...(help !== undefined && { help: { text: help } }),
  helpUri: pageOf(id),
  defaultConfiguration: { level },
})
