import { diffReports, type Report } from '@dmascope/report'
import { reportSchema } from '@dmascope/report/schema'

// A report from elsewhere, such as the output of `dmascope boot --format json`.
const text = JSON.stringify({
  schemaVersion: 1,
  tool: { name: 'dmascope', version: '1.0.0' },
  machine: {
    name: 'q35',
    type: 'q35',
    arch: 'x86_64',
    qemuVersion: '11.1',
    source: 'qemu',
    commandLine: 'intel_iommu=on',
    ignored: [],
  },
  guest: { profile: 'linux-6.12', booted: true },
  iommus: [],
  devices: [],
  unseen: [],
  findings: [],
  timeline: [],
})
const before: Report = reportSchema.parse(JSON.parse(text))
const after: Report = { ...before, machine: { ...before.machine, commandLine: 'intel_iommu=off' } }
console.log(diffReports(before, after).join('\n'))

// One that does not keep to the schema is told so, with the place.
const { error } = reportSchema.safeParse({ ...before, verdict: 'works' })
console.log(error?.issues.map(({ path, message }) => `/${path.join('/')}: ${message}`).join('\n'))
