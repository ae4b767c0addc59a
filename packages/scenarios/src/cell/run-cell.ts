import type { GuestProfile } from '@dmascope/guest'
import { DmascopeError } from '@dmascope/layout'
import type { Hypervisor } from '@dmascope/machine'
import { bootMachine } from '../boot/boot-machine.ts'
import { type BootedCell, type Cell, type CellResult, cellKey } from './cell.ts'
import { describeCell } from './describe-cell.ts'
import { DEVICE_NUMBER } from './devices.ts'

/** Bytes that a cell's self-test moves each way. */
export const SELF_TEST_BYTES = 4096

/** Whether a device's name is that of the one in question. */
export const askedIn = (id: string): boolean =>
  id === ASKED || id === BEHIND_A_PORT || id === ON_A_MAC || id === ON_BUS_B || id === ON_A_CHANNEL

const ASKED = `0000:00:${DEVICE_NUMBER.toString(16).padStart(2, '0')}.0`
/** Where it is on platforms whose devices stand behind a port; nothing else ever is. */
const BEHIND_A_PORT = '0000:01:00.0'
/** Where it is on a mac99, whose slots begin there; nothing else ever is. */
const ON_A_MAC = '0000:00:0d.0'
/** And where it is on a sun4u. */
const ON_BUS_B = '0000:02:01.0'
/** The only device of platforms with channels. */
const ON_A_CHANNEL = '0.0.0000'

/** Rules in place of those that a cell's names stand for: to see what each of them decides. */
export interface Exchanged {
  readonly guest?: GuestProfile
  readonly hypervisor?: Hypervisor
}

/**
 * Boots a cell: a machine of its own, its firmware, its guest; nothing is kept from one to the next.
 *
 * @returns why there is no such machine, where there is none
 */
export function bootCell(cell: Cell, { guest, hypervisor }: Exchanged = {}): BootedCell | string {
  const described = describeCell(cell)
  if (described.description === null) return described.impossible
  const description = hypervisor === undefined ? described.description : { ...described.description, hypervisor }
  try {
    const { report } = bootMachine({ description, guest: guest ?? cell.guest, selfTestBytes: SELF_TEST_BYTES })
    return { report, device: report.devices.find(({ id }) => askedIn(id)) ?? null }
  } catch (error) {
    // What QEMU would refuse is an answer too.
    if (error instanceof DmascopeError && error.code.startsWith('MACHINE_')) return error.message
    throw error
  }
}

/** Boots a cell, and keeps of it what a matrix shows. */
export function runCell(cell: Cell, exchanged: Exchanged = {}): CellResult {
  const key = cellKey(cell)
  const booted = bootCell(cell, exchanged)
  if (typeof booted === 'string') return { cell: key, ...cell, impossible: booted }
  const { device } = booted
  if (device === null)
    return { cell: key, ...cell, impossible: booted.report.guest.halted ?? 'the guest never found the device' }
  const { translated, untranslated, faulted, stray } = device.dma
  return {
    cell: key,
    guest: cell.guest,
    hypervisor: cell.hypervisor,
    platform: cell.platform,
    iommu: cell.iommu,
    device: cell.device,
    status: device.status,
    passthrough: device.passthrough,
    verdict: device.verdict,
    firmwareTruth: device.firmwareTruth,
    dmaPath: device.guest.dmaPath,
    dma: { translated, untranslated, faulted, stray },
    io: device.io.detail,
    findings: device.findings,
  }
}
