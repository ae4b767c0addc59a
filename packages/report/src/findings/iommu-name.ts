import type { GuestIommu, GuestResult } from '@dmascope/guest'
import type { ReportDevice } from '../report.ts'
import { shortId } from '../short-id.ts'

/** The unit that the firmware puts the device behind, told by where its registers are or by name; else the machine's first. */
export function iommuOf(guest: GuestResult, device?: ReportDevice): GuestIommu | undefined {
  const named = device?.firmware.by?.split(/[ ,]/) ?? []
  const own = guest.iommus.find(({ id, base }) => named.includes(base === null ? id : `0x${base.toString(16)}`))
  return own ?? guest.iommus[0]
}

/** That unit as the report names it. */
export const iommuName = (guest: GuestResult, device?: ReportDevice): string =>
  shortId(iommuOf(guest, device)?.id ?? 'the IOMMU')
