import { plural } from '../plural.ts'
import type { ReportDevice, ReportStray } from '../report.ts'

/** A write that landed in RAM. */
export const isOverwrite = (stray: ReportStray): boolean => stray.kind === 'write' && stray.landed === 'ram'

/** The first read of memory that was not the device’s. */
export const nosyRead = ({ strays }: ReportDevice): ReportStray | undefined =>
  strays.find(({ kind, landed }) => kind === 'read' && landed === 'ram')

/** It wrote over memory that had been its own. */
export const isLate = ({ strays }: ReportDevice): boolean => strays.find(isOverwrite)?.takenBack === true

/** `a read of 2 bytes at 0xfffff002 in ROM`, and what a write changed. */
export function strayText({ kind, length, busAddress, physical, landed, owner, before, after }: ReportStray): string {
  if (physical === null)
    return `a ${kind} of ${plural(length, 'byte')} at bus address ${busAddress}, which leads nowhere`
  const place = landed === 'ram' || landed === 'rom' ? landed.toUpperCase() : landed === 'mmio' ? 'MMIO' : 'a hole'
  const change = before !== undefined && after !== undefined ? ` (${before} became ${after})` : ''
  return `a ${kind} of ${plural(length, 'byte')} at ${physical} in ${place}${owner === undefined ? '' : ` of ${owner}`}${change}`
}

/** The first stray access of those wanted, in words. */
export function firstStray({ strays }: ReportDevice, wanted: (stray: ReportStray) => boolean = () => true): string {
  const stray = strays.find(wanted)
  return stray === undefined ? 'not kept' : strayText(stray)
}
