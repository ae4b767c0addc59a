import { DEVICE_RULES } from '../findings/device-rules.ts'
import { MACHINE_RULES } from '../findings/machine-rules.ts'
import type { Finding, Report } from '../report.ts'
import { type ResultText, type SarifLog, sarifLog } from './sarif-log.ts'

/**
 * The findings of a boot as SARIF 2.1.0. A device is a logical location; the physical one is the file that the machine
 * came from.
 *
 * @param file - the machine file; null where there is none
 */
export function bootSarif(report: Report, file: string | null): SarifLog {
  const results = report.findings.map((finding) => resultOf(finding, report, file))
  return sarifLog(results, file === null ? [] : [file], report.tool.version)
}

function resultOf({ id, level, device, message, fix }: Finding, { machine }: Report, file: string | null): ResultText {
  const known = [...DEVICE_RULES, ...MACHINE_RULES].find((rule) => rule.id === id)
  const rule = { id, level: known?.level ?? level, title: known?.title ?? id }
  const advice = fix === null ? '' : ` Fix: ${fix}`
  const name = device === null ? machine.name : `${machine.name}/${device}`
  return { rule, level, message: message + advice, file, logical: { name, kind: 'resource' } }
}
