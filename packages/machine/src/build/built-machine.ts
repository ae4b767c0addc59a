import type { XenDescription } from '../description.ts'
import type { FirmwareFiles } from '../firmware/firmware-file.ts'
import type { Machine } from '../machine.ts'

/** What `createMachine` made beside the machine, for those who dump firmware. */
export interface BuiltMachine {
  readonly machine: Machine
  /** The files that fw_cfg offers. */
  readonly files: FirmwareFiles
  /** Where the device tree stands that the processor is told of when it comes out of reset; null without one. */
  readonly deviceTree: number | null
  /** What runs before the kernel; null where the machine starts the kernel itself. */
  readonly firmware: 'SeaBIOS' | 'qboot' | 'UEFI' | 'SLOF' | 'skiboot' | 'OpenBIOS' | null
  /** What comes between firmware and kernel, where anything does: a measured launch. */
  readonly launch?: 'tboot'
  /** What the guest is a domain of; left out where it has the machine to itself. */
  readonly xen?: XenDescription
}
