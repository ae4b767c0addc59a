import type { Report, ReportDevice } from '@dmascope/report'

/** The device of a report that has this ID. */
export function deviceAt({ devices }: Report, id: string): ReportDevice {
  const found = devices.find((device) => device.id === id)
  if (found === undefined) throw new Error(`no ${id} in the report`)
  return found
}
