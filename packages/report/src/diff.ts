import type { Report, ReportDevice } from './report.ts'

/** What is compared of a device, with its name in the output. Counts are not: they differ without meaning anything. */
const FACTS: readonly { readonly name: string; readonly of: (device: ReportDevice) => unknown }[] = [
  { name: 'vendor:device', of: ({ vendor, device }) => `${vendor}:${device}` },
  { name: 'driver', of: ({ driver }) => driver },
  { name: 'firmware.covered', of: ({ firmware }) => firmware.covered },
  { name: 'guest.iommuGroup', of: ({ guest }) => guest.iommuGroup },
  { name: 'guest.domain', of: ({ guest }) => guest.domain },
  { name: 'guest.dmaPath', of: ({ guest }) => guest.dmaPath },
  { name: 'virtio.negotiated', of: ({ virtio }) => virtio?.negotiated.join(' ') ?? null },
  { name: 'wiring.behindIommu', of: ({ wiring }) => wiring.behindIommu },
  { name: 'interrupt.mode', of: ({ interrupt }) => interrupt.mode },
  { name: 'interrupt.remapped', of: ({ interrupt }) => interrupt.remapped },
  { name: 'io.ok', of: ({ io }) => io.ok },
  { name: 'status', of: ({ status }) => status },
  { name: 'passthrough', of: ({ passthrough }) => passthrough },
  { name: 'verdict', of: ({ verdict }) => verdict },
  { name: 'firmwareTruth', of: ({ firmwareTruth }) => firmwareTruth },
  { name: 'findings', of: ({ findings }) => findings.join(' ') },
]

const machineText = ({ machine }: Report): string => `${machine.type} (QEMU ${machine.qemuVersion})`

/** Where two reports differ, a line each: devices that only one has, then what the others decided or did otherwise. */
export function diffReports(a: Report, b: Report): string[] {
  const lines: string[] = []
  const compare = (what: string, before: unknown, after: unknown): void => {
    if (before !== after) lines.push(`${what}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`)
  }
  compare('machine', machineText(a), machineText(b))
  compare('guest', a.guest.profile, b.guest.profile)
  compare('booted', a.guest.booted, b.guest.booted)
  compare('command line', a.machine.commandLine, b.machine.commandLine)
  const enabled = (report: Report): string =>
    report.iommus.map(({ id, enabled: on }) => `${id} ${on ? 'on' : 'off'}`).join(', ')
  compare('iommus', enabled(a), enabled(b))
  const later = new Map(b.devices.map((device) => [device.id, device]))
  for (const before of a.devices) {
    const after = later.get(before.id)
    later.delete(before.id)
    if (after === undefined) {
      lines.push(`${before.id}: only in the first (${before.kind})`)
      continue
    }
    for (const { name, of } of FACTS) compare(`${before.id} ${name}`, of(before), of(after))
  }
  for (const { id, kind } of later.values()) lines.push(`${id}: only in the second (${kind})`)
  const outcomes = (report: Report): string =>
    (report.assignments ?? [])
      .map(
        ({ devices, outcome, used }) =>
          `${devices.join('+')} ${[outcome, ...used.map(({ reach }) => reach)].join(' ')}`,
      )
      .join(', ')
  compare('assignments', outcomes(a), outcomes(b))
  return lines
}
