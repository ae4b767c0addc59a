export type { ReportAssignedDevice, ReportAssignment } from './assignments.ts'
export { diffReports } from './diff.ts'
export type { AssignmentRule } from './findings/assignment-rules.ts'
export { ASSIGNMENT_RULES } from './findings/assignment-rules.ts'
export { DEVICE_RULES } from './findings/device-rules.ts'
export { MACHINE_RULES } from './findings/machine-rules.ts'
export type { DeviceCase, DeviceRule, FirmwareAccount, MachineRule } from './findings/rules.ts'
export type { BootAccounts } from './join.ts'
export { joinReport } from './join.ts'
export type {
  Finding,
  FindingLevel,
  FirmwareTruth,
  PassthroughReason,
  Reason,
  Report,
  ReportDevice,
  ReportFault,
  ReportIommu,
  ReportMachine,
  ReportStaleRead,
  ReportStray,
  Status,
  Verdict,
} from './report.ts'
export { shortId } from './short-id.ts'
export { wrap } from './views/columns.ts'
export { formatMarkdown } from './views/markdown.ts'
export type { Style } from './views/style.ts'
export { PLAIN } from './views/style.ts'
export type { TextOptions } from './views/text.ts'
export { formatText } from './views/text.ts'
export type { TracedDma } from './views/trace-events.ts'
export { formatTraceEvents } from './views/trace-events.ts'
export { formatWhy } from './views/why.ts'
