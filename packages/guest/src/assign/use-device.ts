import type { DeviceRecord } from '../device-record.ts'
import type { IoOutcome } from '../drivers/driver.ts'
import type { Kernel } from '../kernel.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import type { AssignedDevice, ReturnedDevice } from './assignment-result.ts'
import { asIntruder, asUser, drive, letGo, maskBitsOf } from './user-driver.ts'

/** The device got to memory, be it that nobody was told. */
const reached = ({ ok, wrongData, finished }: IoOutcome): boolean => ok || wrongData || finished === true

/**
 * What a program does with a device that it has: moves data through it by addresses that it mapped, and then tries to
 * have it reach memory that it never mapped. Whether that worked is seen by the device being through with it.
 */
export function useDevice(kernel: Kernel, { fn, driver }: DeviceRecord, group: number): AssignedDevice {
  kernel.witness.phase(fn.id, 'assigned')
  const maskBits = maskBitsOf(kernel, fn, driver)
  const proper = drive(asUser(kernel), fn, maskBits)
  letGo(kernel, fn, proper.virtio)
  const io = proper.outcome
  const { attempted, ok, hung, detail } = io
  const use = { id: fn.id, group, io: { attempted, ok, hung, detail }, interrupt: proper.record.interrupt.mode }
  if (!attempted) return { ...use, reach: 'untested', reachDetail: detail }
  const intrusion = drive(asIntruder(kernel), fn, maskBits)
  letGo(kernel, fn, intrusion.virtio)
  if (reached(intrusion.outcome)) {
    const reachDetail = 'given physical addresses of memory that the program never mapped, it used that memory'
    return { ...use, reach: 'open', reachDetail }
  }
  return reached(io)
    ? { ...use, reach: 'contained', reachDetail: `memory that was never mapped: ${intrusion.outcome.detail}` }
    : { ...use, reach: 'untested', reachDetail: 'it moves no data, by whatever addresses' }
}

/** The device's own driver takes it again, and tests it. */
export function takeBack(
  kernel: Kernel,
  { fn, driver, pciDriver }: DeviceRecord,
): { readonly returned: ReturnedDevice; readonly virtio: VirtioDevice | null } {
  kernel.witness.phase(fn.id, 'probe')
  const { outcome, virtio } = drive(kernel, fn, maskBitsOf(kernel, fn, driver))
  const { attempted, ok, hung, detail } = outcome
  const returned = { id: fn.id, driver: pciDriver ?? driver ?? 'none', io: { attempted, ok, hung, detail } }
  return { returned, virtio }
}
