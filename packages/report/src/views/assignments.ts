import type { ReportAssignedDevice, ReportAssignment } from '../assignments.ts'
import { shortId } from '../short-id.ts'

const REACH: Record<ReportAssignedDevice['reach'], string> = {
  contained: 'contained',
  open: 'reaches ALL memory',
  untested: 'reach unknown',
}

/** `01:01.0 and 01:02.0`. */
export const assignedText = ({ devices }: ReportAssignment): string => devices.map(shortId).join(' and ')

/** What became of it, a line each: `refused: VFIO_GROUP_SET_CONTAINER, group 4: EPERM`, or how each device did. */
export function outcomeLines({ refusal, used }: ReportAssignment): string[] {
  if (refusal !== null) return [`refused: ${refusal.request}: ${refusal.answer}`]
  return used.map(({ id, group, io, dma, reach }) => {
    const works = !io.attempted ? 'not tried' : io.ok ? 'works' : 'moves no data'
    const counts = `${dma.translated} translated, ${dma.untranslated} untranslated, ${dma.faulted} refused`
    const which = used.length === 1 ? '' : `${shortId(id)}: `
    return `${which}group ${group}, ${works}, ${REACH[reach]} (${counts})`
  })
}

/** All that was asked for this device and what was said: for its reasons. */
export function assignmentDetails(assignment: ReportAssignment): string[] {
  const lines: string[] = []
  for (const { id, viable, devices, regions } of assignment.groups) {
    const members = devices.map(
      ({ id: member, driver, part }) =>
        `${shortId(member)} ${driver ?? 'no driver'}${part === 'holds' ? ' (holds it)' : ''}`,
    )
    lines.push(`group ${id} is ${viable ? '' : 'not '}viable: ${members.join(', ')}`)
    for (const { start, end, type, because } of regions) {
      lines.push(`group ${id} reserves ${start} to ${end}, ${type}: ${because}`)
    }
  }
  for (const { request, answer, log } of assignment.steps) {
    lines.push(`${request}: ${answer}${log === undefined ? '' : `: "${log}"`}`)
  }
  if (assignment.refusal !== null) lines.push(`because ${assignment.refusal.because}`)
  if (assignment.iovas.length > 0) {
    lines.push(`its user may map ${assignment.iovas.map(({ start, end }) => `${start} to ${end}`).join(', ')}`)
  }
  for (const { id, io, reachDetail } of assignment.used) {
    lines.push(`${shortId(id)} by addresses that were mapped: ${io.detail}`, `${shortId(id)}: ${reachDetail}`)
  }
  for (const { id, driver, io } of assignment.returned) {
    const how = io.attempted ? `${io.ok ? 'works' : 'does not work'}: ${io.detail}` : io.detail
    lines.push(`${shortId(id)} back with ${driver}: ${how}`)
  }
  return lines
}
