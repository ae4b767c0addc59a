import { DmascopeError, nearestName } from '@dmascope/layout'
import type { PropertyValue, QemuVersion } from '../description.ts'
import type { CapabilityModel, DeviceModel, PciModel } from './model.ts'
import { bridgeModels } from './models/bridges.ts'
import { channelModels } from './models/channel.ts'
import { displayAndSoundModels } from './models/display-and-sound.ts'
import { iommuModels } from './models/iommus.ts'
import { networkModels } from './models/network.ts'
import { notPciModels } from './models/not-pci.ts'
import { powernvModels } from './models/powernv.ts'
import { pseriesModels } from './models/pseries.ts'
import { storageModels } from './models/storage.ts'
import { sun4uModels } from './models/sun4u.ts'
import { testAndOtherModels } from './models/test-and-other.ts'
import { usbModels } from './models/usb.ts'
import { virtioModels } from './models/virtio.ts'
import { moreVirtioModels } from './models/virtio-more.ts'
import { whyNotModelled } from './not-modelled.ts'
import { ShapedModel } from './shaped-model.ts'

/** The families, those that most machines have first. One is made when a name is looked for that no earlier one has. */
const FAMILIES: readonly (() => readonly DeviceModel[])[] = [
  virtioModels,
  iommuModels,
  networkModels,
  bridgeModels,
  storageModels,
  usbModels,
  displayAndSoundModels,
  testAndOtherModels,
  moreVirtioModels,
  notPciModels,
  pseriesModels,
  powernvModels,
  sun4uModels,
  () => channelModels(findModel),
]

const made: DeviceModel[] = []
const byName = new Map<string, DeviceModel>()
let familiesMade = 0

/** Makes the next family. @returns false where there is none */
function makeFamily(): boolean {
  const family = FAMILIES[familiesMade]
  if (family === undefined) return false
  familiesMade++
  for (const plain of family()) {
    const model = new ShapedModel(plain)
    made.push(model)
    for (const name of [model.name, ...model.aliases]) {
      if (byName.has(name)) throw new TypeError(`two device models are called "${name}"`)
      byName.set(name, model)
    }
  }
  return true
}

/** Every device model that is known, in no particular order. Closed: what is not here is refused by name. */
export function deviceModels(): readonly DeviceModel[] {
  while (makeFamily());
  return made
}

/** The model of a name or an alias, as `-device` takes them: case matters. Null where there is none. */
export function findModel(name: string): DeviceModel | null {
  do {
    const model = byName.get(name)
    if (model !== undefined) return model
  } while (makeFamily())
  return null
}

/** The known model name nearest to `name`, or null where none is near. */
export function nearestModel(name: string): string | null {
  deviceModels()
  return nearestName(name, byName.keys())
}

/**
 * The model of a name, in a QEMU release.
 *
 * @param where - for the message: where the name was written
 * @throws DmascopeError MACHINE_UNKNOWN_DEVICE; MACHINE_DEVICE_VERSION where only another release has it;
 *   MACHINE_NOT_MODELLED where QEMU has it and this catalogue has not
 */
export function requireModel(name: string, version: QemuVersion, where = ''): DeviceModel {
  const model = findModel(name)
  const at = where === '' ? '' : `${where}: `
  if (model === null) {
    const gap = whyNotModelled(name)
    if (gap !== null) throw new DmascopeError('MACHINE_NOT_MODELLED', `${at}${gap}`, { where, name })
    const nearest = nearestModel(name)
    throw new DmascopeError(
      'MACHINE_UNKNOWN_DEVICE',
      `${at}'${name}' is not a valid device model name${nearest === null ? '' : `; did you mean '${nearest}'?`}`,
      { where, name, nearest },
    )
  }
  if (!model.versions.includes(version)) {
    // It was the machine's own part before it was a device to plug.
    const words = model.kind === 'arm-smmuv3' ? `Parameter 'driver' expects a pluggable device type: ` : ''
    throw new DmascopeError(
      'MACHINE_DEVICE_VERSION',
      `${at}${words}QEMU ${version} has no device '${model.name}'; QEMU ${model.versions.join(', ')} has`,
      { where, name: model.name, version, versions: model.versions },
    )
  }
  return model
}

/** The capabilities that a function shows on a bus of this nature. */
export function capabilitiesOn(pci: PciModel, bus: 'express' | 'conventional'): readonly CapabilityModel[] {
  return bus === 'express' || pci.nature !== 'either'
    ? pci.capabilities
    : pci.capabilities.filter(({ id, extended }) => !extended && id !== 0x10)
}

/**
 * Bytes of the expansion ROM BAR: the model's, unless `romfile=` is empty or `rombar=0`; `romsize=` overrules it. A
 * `romfile` of the user's has an unknown size: it is taken to be as large as the model's own, or 64 KiB.
 */
export function romSize(model: DeviceModel, properties: Readonly<Record<string, PropertyValue>>): number {
  const own = model.pci?.romSize ?? model.virtio?.romSize ?? 0
  if (properties.rombar === 0 || properties.romfile === '') return 0
  const stated = properties.romsize
  if (typeof stated === 'number' && stated > 0 && stated !== 0xffff_ffff) return stated
  return own === 0 && typeof properties.romfile === 'string' ? 64 * 1024 : own
}
