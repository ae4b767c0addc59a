import type { DeviceBackend } from '../description.ts'
import type { Properties } from './check-properties.ts'
import type { DeviceModel } from './model.ts'

/** A disk of unknown size is this large: 16384 sectors. */
export const DEFAULT_DISK_SIZE = 8 * 1024 * 1024

/**
 * The first property that QEMU requires of the model and that is not given: its name (or names, of which one is
 * needed), and QEMU's words. Null where all are. Backends stand apart: see `DeviceModel.backends`.
 */
export function missingProperty(model: DeviceModel, properties: Properties): { names: string[]; words: string } | null {
  for (const [either, words] of Object.entries(model.required)) {
    const names = either.split('|')
    const isGiven = (name: string): boolean => {
      const value = properties[name]
      return value !== undefined && value !== '' && value !== 0
    }
    if (!names.some(isGiven)) return { names, words }
  }
  return null
}

/** What stands behind a device that names no backend, because QEMU needs none or brings its own; else null. */
export function ownBackend(model: DeviceModel): DeviceBackend | null {
  if (model.kind === 'vfio') return { kind: 'vfio', where: model.where ?? 'vhost' }
  // QEMU gives an entropy device its built-in generator.
  if (model.kind === 'virtio-rng') return { kind: 'random', where: model.where ?? 'qemu' }
  if (model.where === null) return null
  return { kind: model.kind === 'virtio-scsi' ? 'disk' : 'character', where: model.where }
}

/** What stands behind a device where nobody says: an empty disk, a network that answers, a source of entropy. */
export function plainBackend(model: DeviceModel): DeviceBackend | null {
  const kind = model.backends.find((backend) => backend.kind !== null)?.kind ?? null
  if (kind === null) return ownBackend(model)
  const where = model.where ?? 'qemu'
  return kind === 'disk' ? { kind, where, size: DEFAULT_DISK_SIZE, readOnly: false } : { kind, where }
}
