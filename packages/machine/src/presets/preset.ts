import type { QemuVersion } from '../description.ts'
import type { MachineFileContent } from '../file/schema.ts'

/** A machine that needs no file. `content` is what a machine file would say. */
export interface Preset {
  readonly name: string
  /** One line, for lists. */
  readonly summary: string
  readonly content: MachineFileContent
  /** What it comes to on a QEMU release that would refuse that. */
  readonly otherwise?: Partial<Record<QemuVersion, MachineFileContent>>
}
