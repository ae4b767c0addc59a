import type { PciTopology } from '@dmascope/acpi/lint'
import { DmascopeError } from '@dmascope/layout'
import { readLspci } from '@dmascope/pci/lspci'
import type { Report } from '@dmascope/report'
import { reportTopology } from '@dmascope/report/lint'
import { nameOf, readBytes } from './read-files.ts'

/**
 * The PCI functions of a machine: from the text of lspci, or from a boot report in JSON.
 *
 * @throws DmascopeError CLI_FILE, TOPOLOGY_JSON, TOPOLOGY_LSPCI
 */
export async function readTopology(path: string): Promise<PciTopology> {
  const text = new TextDecoder().decode(await readBytes(path))
  const source = nameOf(path)
  if (!/^\s*\{/.test(text)) return { functions: readLspci(text, source) }
  const report = parseReport(text)
  if (report !== null) return { functions: reportTopology(report) }
  const message = `${source}: it is JSON, and no report of a boot; make one with: dmascope boot --format json`
  throw new DmascopeError('TOPOLOGY_JSON', message, { source })
}

function parseReport(text: string): Report | null {
  try {
    const report = JSON.parse(text) as Partial<Report>
    const isReport = report.schemaVersion === 1 && Array.isArray(report.devices)
    return isReport && report.devices!.every((one) => typeof one?.id === 'string') ? (report as Report) : null
  } catch {
    return null
  }
}
