import type { Finding, FindingLevel, Report } from '../report.ts'
import { shortId } from '../short-id.ts'

/** What the views say of one finding, or of several that say the same of several devices. */
export interface Note {
  /** From 1 on, in the order of the report. */
  readonly number: number
  readonly id: string
  readonly level: FindingLevel
  /** IDs of the devices concerned; empty where it is about the whole machine. */
  readonly devices: readonly string[]
  readonly message: string
  /** What to write instead, for all devices where `devices` is empty. Each fix once. */
  readonly fixes: readonly { readonly devices: readonly string[]; readonly fix: string }[]
}

/** What a finding says apart from the device that it says it of; null where its message does not begin with that. */
function predicateOf({ device, message }: Finding): string | null {
  if (device === null) return null
  const subject = `${shortId(device)} `
  return message.startsWith(subject) ? message.slice(subject.length) : null
}

/**
 * The report's findings for a reader: those that differ in nothing but the device become one note that names all.
 * Messages begin with the device's address and go on in the singular, so that `each` can stand in.
 */
export function notesOf(report: Report): Note[] {
  const groups = new Map<string, Finding[]>()
  for (const finding of report.findings) {
    const key = JSON.stringify([finding.id, finding.level, predicateOf(finding) ?? finding.message])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [finding])
    else group.push(finding)
  }
  return [...groups.values()].map((group, index) => noteOf(group, index + 1))
}

function noteOf(group: readonly Finding[], number: number): Note {
  const [first] = group as readonly [Finding, ...Finding[]]
  const devices = group.flatMap(({ device }) => device ?? [])
  const predicate = predicateOf(first)
  const message =
    devices.length < 2 || predicate === null ? first.message : `${devices.map(shortId).join(', ')}: each ${predicate}`
  return { number, id: first.id, level: first.level, devices, message, fixes: fixesOf(group) }
}

function fixesOf(group: readonly Finding[]): Note['fixes'] {
  const byText = new Map<string, string[]>()
  for (const { fix, device } of group) {
    if (fix === null) continue
    byText.set(fix, [...(byText.get(fix) ?? []), ...(device === null ? [] : [device])])
  }
  const all = byText.size === 1 && [...byText.values()][0]?.length === group.length
  return [...byText].map(([fix, devices]) => ({ devices: all ? [] : devices, fix }))
}

/** `Fix:`, or `Fix for 00:03.0:` where devices have different ones. */
export const fixLabel = ({ devices }: Note['fixes'][number]): string =>
  devices.length === 0 ? 'Fix:' : `Fix for ${devices.map(shortId).join(', ')}:`
