import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { refuseUnmodelledParameters } from '@dmascope/guest'
import { DmascopeError } from '@dmascope/layout'
import { requireHypervisor } from '@dmascope/machine'
import {
  formatMarkdown,
  formatText,
  formatTraceEvents,
  formatWhy,
  type Report,
  type ReportDevice,
  shortId,
} from '@dmascope/report'
import { runBoot } from '../boot/run-boot.ts'
import { DONE, FAILED_ON } from '../exit.ts'
import { styleFor } from '../output/colours.ts'
import { fileError } from '../output/failure.ts'
import { isTerminal, print } from '../output/standard-output.ts'
import { loadSource, qemuVersionOf } from '../sources/load-source.ts'

export interface BootFlags {
  readonly guest?: string
  readonly append?: string
  readonly qemuVersion?: string
  readonly hypervisor?: string
  readonly format: 'text' | 'json' | 'markdown' | 'sarif'
  readonly why?: string
  readonly trace?: string
  readonly dumpFirmware?: string
  readonly failOn?: 'error' | 'warning'
  readonly verbose?: boolean
}

const DEFAULT_GUEST = 'linux-6.12'

/** `dmascope boot`. Answers the exit status. */
export async function boot(
  source: string | undefined,
  qemuArguments: readonly string[] | null,
  flags: BootFlags,
): Promise<number> {
  for (const [option, path] of [
    ['--trace', flags.trace],
    ['--dump-firmware', flags.dumpFirmware],
  ] as const) {
    if (path !== '-' && path !== '') continue
    throw new DmascopeError('CLI_FILE', `${option} '${path}': standard output is the report's; name a file or folder`, {
      option,
    })
  }
  const version = flags.qemuVersion === undefined ? undefined : qemuVersionOf(flags.qemuVersion)
  const loaded = await loadSource(source, qemuArguments, version)
  const description = {
    ...loaded.description,
    ...(flags.append !== undefined && { append: flags.append }),
    ...(flags.hypervisor !== undefined && { hypervisor: requireHypervisor(flags.hypervisor).name }),
  }
  if (description.machine === 'q35' || description.machine === 'pc') {
    refuseUnmodelledParameters(description.append, flags.append === undefined ? '-append' : '--append')
  }
  const { report, trace, tables } = runBoot({
    description,
    guest: flags.guest ?? loaded.guest ?? DEFAULT_GUEST,
    trace: flags.trace !== undefined,
    tables: flags.dumpFirmware !== undefined,
    ...(loaded.selfTestBytes !== undefined && { selfTestBytes: loaded.selfTestBytes }),
  })
  const asked = flags.why === undefined ? null : deviceOf(report, flags.why, description.devices)
  // Files first: where one cannot be written, nothing stands on standard output.
  if (flags.dumpFirmware !== undefined) dump(flags.dumpFirmware, tables)
  if (flags.trace !== undefined) write(flags.trace, formatTraceEvents(trace.accesses, trace.dropped))
  if (flags.format === 'sarif') print(await sarif(report, asked, qemuArguments === null ? source : undefined))
  else print(await view(report, asked, flags, repeated(source, qemuArguments, flags)))
  return flags.failOn !== undefined && fails(report, flags.failOn) ? FAILED_ON : DONE
}

async function view(report: Report, asked: ReportDevice | null, flags: BootFlags, whyCommand: string): Promise<string> {
  if (flags.format === 'json') return `${JSON.stringify(asked ?? report, null, 2)}\n`
  if (flags.format === 'markdown') {
    return asked === null ? formatMarkdown(report) : `\`\`\`text\n${formatWhy(report, asked).trimEnd()}\n\`\`\`\n`
  }
  const style = await styleFor(isTerminal(), process.env)
  if (asked !== null) return formatWhy(report, asked, { style })
  return formatText(report, { style, whyCommand, verbose: flags.verbose === true })
}

/** The findings, of all devices or of one. Where the machine came from a file, they point at it. */
async function sarif(report: Report, asked: ReportDevice | null, source: string | undefined): Promise<string> {
  const { bootSarif } = await import('@dmascope/report/sarif')
  const file = report.machine.source === 'file' && source !== undefined && source !== '-' ? source : null
  const findings = report.findings.filter(({ device }) => asked === null || device === asked.id)
  return `${JSON.stringify(bootSarif({ ...report, findings }, file), null, 2)}\n`
}

/** The command to repeat for the reasons; a long QEMU command line is left to the reader. */
function repeated(source: string | undefined, qemuArguments: readonly string[] | null, flags: BootFlags): string {
  const guest = flags.guest === undefined ? '' : ` --guest ${flags.guest}`
  const append = flags.append === undefined ? '' : ` --append ${JSON.stringify(flags.append)}`
  const of = qemuArguments !== null ? ' ...' : source === undefined ? '' : ` ${source}`
  const hypervisor = flags.hypervisor === undefined ? '' : ` --hypervisor ${flags.hypervisor}`
  return `dmascope boot${of}${guest}${hypervisor}${append} --why`
}

/** A device by address, with or without segment, or by the id that its description gives it. */
function deviceOf(report: Report, asked: string, described: readonly { readonly id?: string }[]): ReportDevice {
  const address = /^([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(asked)
  const id = asked.length === 7 ? `0000:${asked.toLowerCase()}` : asked.toLowerCase()
  const found = report.devices.find((device) =>
    address ? device.id === id : device.name === asked || device.id === asked || shortId(device.id) === asked,
  )
  if (found !== undefined) return found
  const known = report.devices.map((device) => shortId(device.id))
  const ids = described.flatMap((device) => device.id ?? [])
  throw new DmascopeError(
    'CLI_NO_DEVICE',
    `--why ${asked}: the guest found no such device; it found ${known.join(', ')}${ids.length > 0 ? `, and the ids are ${ids.join(', ')}` : ''}`,
    { asked, known, ids },
  )
}

function fails(report: Report, level: 'error' | 'warning'): boolean {
  return report.findings.some(
    (finding) => finding.level === 'error' || (level === 'warning' && finding.level === 'warning'),
  )
}

function dump(folder: string, tables: ReadonlyMap<string, Uint8Array>): void {
  try {
    makeFolder(folder)
  } catch (error) {
    throw fileError(error, folder, 'make the folder')
  }
  for (const [name, bytes] of tables) write(join(folder, name.includes('.') ? name : `${name}.dat`), bytes)
}

/** Node's own recursive mkdir never ends below a folder that takes none, such as /proc. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const above = dirname(folder)
    if (code === 'ENOENT' && above !== folder && !isFolder(above)) {
      makeFolder(above)
      mkdirSync(folder)
    } else if (!isFolder(folder)) throw error
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

function write(path: string, data: string | Uint8Array): void {
  try {
    writeFileSync(path, data)
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}
