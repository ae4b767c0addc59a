import type { RecordedCase } from './claim.ts'
import { RECORDED_BOOTS } from './recorded-boots.ts'

/** Every device of these boots; of all boots where none is named. @throws RangeError for a boot that is not there */
function recordedDevices(...names: readonly string[]): RecordedCase[] {
  const boots = names.length === 0 ? RECORDED_BOOTS : names.map(requireBoot)
  return boots.flatMap((boot) => boot.devices.map((device) => ({ boot, device })))
}

function requireBoot(name: string): (typeof RECORDED_BOOTS)[number] {
  const found = RECORDED_BOOTS.find((boot) => boot.name === name)
  if (found === undefined) throw new RangeError(`no recorded boot ${name}`)
  return found
}

/** Each device for itself. */
export const eachRecorded = (...names: readonly string[]): RecordedCase[][] =>
  recordedDevices(...names).map((one) => [one])

/** Every two devices of one machine, each way round. */
export const pairsRecorded = (): RecordedCase[][] =>
  recordedDevices().flatMap((one) =>
    recordedDevices(one.boot.name)
      .filter(({ device }) => device.id !== one.device.id)
      .map((other) => [one, other]),
  )
