import type { GuestResult } from '@dmascope/guest'
import type { ReportAssignment } from '../assignments.ts'
import type { Finding, FindingLevel } from '../report.ts'
import { findInAssignments } from './assignment-rules.ts'
import { DEVICE_RULES } from './device-rules.ts'
import { MACHINE_RULES } from './machine-rules.ts'
import type { DeviceCase, FirmwareAccount } from './rules.ts'

const RANK: Record<FindingLevel, number> = { error: 0, warning: 1, note: 2 }

/** All findings, the gravest first, then by device. */
export function findAll(
  guest: GuestResult,
  cases: readonly DeviceCase[],
  firmware: FirmwareAccount,
  assignments: readonly ReportAssignment[] = [],
): Finding[] {
  const devices = cases.map(({ device }) => device)
  const found: Finding[] = MACHINE_RULES.filter((rule) => rule.applies(guest, devices, firmware)).map((rule) => ({
    id: rule.id,
    level: rule.level,
    device: null,
    message: rule.message(guest, devices, firmware),
    fix: rule.fix(guest, devices, firmware),
  }))
  for (const one of cases) {
    for (const rule of DEVICE_RULES) {
      if (!rule.applies(one)) continue
      found.push({
        id: rule.id,
        level: rule.level,
        device: one.device.id,
        message: rule.message(one),
        fix: rule.fix(one),
      })
    }
  }
  found.push(...findInAssignments(assignments, devices))
  return found.sort((a, b) => RANK[a.level] - RANK[b.level])
}
