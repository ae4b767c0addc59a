import { findModel } from '@dmascope/machine'
import type { Architecture } from './arguments.ts'

/** QEMU's aliases without a transport, which on s390x are devices on channels (its table of aliases, `qdev_alias_table`). */
const ALIASED = new Set(
  `virtio-9p virtio-balloon virtio-blk virtio-crypto virtio-gpu virtio-input-host virtio-keyboard virtio-mouse
   virtio-net virtio-rng virtio-scsi virtio-serial virtio-tablet`.split(/\s+/),
)

/** What `-device` calls a device of this name on machines of the architecture. */
export function modelNameOn(architecture: Architecture, driver: string): string {
  if (architecture !== 's390x' || !ALIASED.has(driver)) return driver
  const name = `${driver}-ccw`
  return findModel(name) === null ? driver : name
}
