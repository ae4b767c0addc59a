import {
  type BackendModel,
  checkProperties,
  type DeviceBackend,
  type DeviceDescription,
  type DeviceModel,
  findModel,
  hasVirtioBuses,
  type MachineName,
  missingProperty,
  noVirtioBus,
  ownBackend,
  type PropertyValue,
  parsePciAddress,
  type QemuVersion,
  requireModel,
} from '@dmascope/machine'
import type { Architecture } from './arguments.ts'
import { modelNameOn } from './channel-names.ts'
import type { Collected, Entry } from './collected.ts'
import type { Drive } from './drives.ts'
import { globalProperties } from './globals.ts'
import type { CompatibleDefault } from './kept-defaults.ts'
import { textOf } from './key-value.ts'
import type { Network } from './networks.ts'
import type { ResolvedObject } from './objects.ts'
import { type Place, refusal, unknownName } from './refusal.ts'
import { SecondaryBuses } from './secondary-buses.ts'

/** Everything that a device may refer to. */
export interface Backends {
  readonly drives: ReadonlyMap<string, Drive>
  readonly networks: ReadonlyMap<string, Network>
  readonly objects: ReadonlyMap<string, ResolvedObject>
  readonly chardevs: ReadonlySet<string>
  readonly fsdevs: ReadonlySet<string>
}

/** Whose machines take a device that stands on no bus, where they are no PCs. */
const PLATFORM_HOMES: Readonly<Partial<Record<DeviceModel['kind'], Architecture>>> = {
  'pci-host': 'ppc64',
  'arm-smmuv3': 'aarch64',
}

/** Models of PCI functions that the programs of other processors do not have. */
const OF_SPARC64 = ['sunhme', 'cmd646-ide']

/** Turns `-device` entries into descriptions, in the order in which QEMU creates them. */
export class DeviceReader {
  /** Backends that a device has taken, and which device. */
  readonly #taken = new Map<string, Place>()
  readonly #shared = new Map<string, boolean>()
  /** Chassis and slot numbers of PCI Express slots: QEMU refuses a pair that stands twice. */
  readonly #slots = new Map<string, Place>()
  readonly #buses: SecondaryBuses
  readonly #machine: MachineName
  readonly #version: QemuVersion
  readonly #collected: Collected
  readonly #backends: Backends
  readonly #kept: readonly CompatibleDefault[]

  constructor(
    machine: MachineName,
    version: QemuVersion,
    collected: Collected,
    backends: Backends,
    kept: readonly CompatibleDefault[],
    usb: boolean,
  ) {
    this.#machine = machine
    this.#version = version
    this.#collected = collected
    this.#backends = backends
    this.#kept = kept
    this.#buses = new SecondaryBuses(usb)
  }

  /** What `-global` gives to a device that the machine makes itself. */
  globalsOf(name: string): Readonly<Record<string, PropertyValue>> {
    const model = findModel(name)
    return model === null ? {} : globalProperties(model, this.#collected.globals, this.#kept, this.#version)
  }

  /**
   * One device. Null for one that is not on PCI and has no bearing on DMA.
   *
   * @param given - a backend that the option itself brings (`-nic`)
   * @throws DmascopeError in QEMU's words or like them
   */
  read(entry: Entry, given: DeviceBackend | null = null): DeviceDescription | null {
    const { id, pairs, place } = entry
    const driver = textOf(pairs, 'driver')
    if (driver === null) {
      throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'driver' is missing", { property: 'driver' })
    }
    const { architecture } = this.#collected
    const model = requireModel(modelNameOn(architecture, driver), this.#version, place.text)
    if (model.plug === 'channel' && architecture !== 's390x') {
      throw refusal(
        'QEMU_BUS',
        place,
        `'${model.name}' is not a valid device model name of qemu-system-${architecture}; it is for channels, which s390x has`,
        { device: model.name },
      )
    }
    const isForeign = OF_SPARC64.includes(model.name) && architecture !== 'sparc64'
    if (isForeign || (model.plug === 'platform' && architecture !== (PLATFORM_HOMES[model.kind] ?? 'x86_64'))) {
      throw refusal(
        'QEMU_BUS',
        place,
        `'${model.name}' is not a valid device model name of qemu-system-${architecture}`,
        { device: model.name },
      )
    }
    if (model.plug === 'platform' && (this.#machine === 'pc' || this.#machine === 'microvm')) {
      throw refusal(
        'QEMU_BUS',
        place,
        `Parameter 'driver' expects a dynamic sysbus device type for the machine: '${model.name}' needs -machine q35`,
        { device: model.name },
      )
    }
    if (model.plug === 'built-in') {
      throw refusal(
        'QEMU_BUS',
        place,
        `Parameter 'driver' expects a pluggable device type: the machine brings each '${model.name}' itself; write -global ${model.name}.property=value`,
        { device: model.name },
      )
    }
    if (model.plug === 'virtio-bus' && !hasVirtioBuses(this.#machine)) {
      throw refusal('QEMU_BUS', place, noVirtioBus(model), { device: model.name })
    }
    const bus = textOf(pairs, 'bus')
    const onPci = model.pci !== null || model.virtio !== null
    const apart = onPci ? ['driver', 'id', 'bus', 'addr'] : ['driver', 'id', 'bus']
    const own = Object.fromEntries([...pairs].filter(([key]) => !apart.includes(key)))
    const typed = checkProperties(model, own, this.#version, place.text)
    const properties = {
      ...globalProperties(model, this.#collected.globals, this.#kept, this.#version, place),
      ...typed,
    }
    if (model.plug === 'platform' && bus !== null) {
      throw refusal('QEMU_BUS', place, `Device '${model.name}' can't go on a PCI bus; leave out bus=${bus}`, { bus })
    }
    const backend = this.#backend(model, properties, entry) ?? given
    const missing = missingProperty(model, properties)
    if (missing !== null) {
      throw refusal('QEMU_MISSING_PROPERTY', place, `${missing.words}; write ${missing.names.join('= or ')}=...`, {
        device: model.name,
        property: missing.names[0],
      })
    }
    if (model.kind === 'root-port' || model.kind === 'downstream-port') this.#takeSlot(properties, place)
    if (model.plug === 'not-pci') this.#buses.check(model, bus, place)
    this.#buses.add(model, id)
    if (model.kind === 'none') return null
    const address = onPci ? readAddress(model, pairs.get('addr'), place) : null
    return {
      model: model.name,
      ...(id === null ? {} : { id }),
      ...(bus === null ? {} : { bus }),
      ...(address === null ? {} : { addr: address }),
      properties,
      ...(backend === null ? {} : { backend }),
      location: { text: place.text },
    }
  }

  #backend(
    model: DeviceModel,
    properties: Readonly<Record<string, PropertyValue>>,
    { place }: Entry,
  ): DeviceBackend | null {
    let found: DeviceBackend | null = null
    for (const wanted of model.backends) {
      const name = properties[wanted.property]
      if (name === undefined || name === '') {
        if (wanted.missing !== null) {
          throw refusal('QEMU_MISSING_PROPERTY', place, wanted.missing, { property: wanted.property })
        }
        continue
      }
      const backend = this.#find(model, wanted, String(name), place)
      this.#take(model, wanted, String(name), properties['share-rw'] === true, place)
      if (backend !== null) found = backend
    }
    if (found !== null) return model.where === null ? found : { ...found, where: model.where }
    return ownBackend(model)
  }

  #find(
    model: DeviceModel,
    { option, kind, property }: BackendModel,
    name: string,
    place: Place,
  ): DeviceBackend | null {
    const { drives, networks, objects, chardevs, fsdevs } = this.#backends
    const plain: DeviceBackend | null = kind === null ? null : { kind, where: 'qemu' }
    switch (option) {
      case 'drive':
        return found(drives.get(name), drives.keys())?.backend ?? plain
      case 'netdev': {
        const { backend } = found(networks.get(name), networks.keys())
        // Only virtio's rings can be worked outside of the VMM.
        return (model.virtio ?? model.virtioBus) === null ? { ...backend, where: 'qemu' } : backend
      }
      case 'object': {
        const object = found(objects.get(name), objects.keys())
        if (property === 'rng' && !object.type.startsWith('rng-')) {
          throw refusal('QEMU_BACKEND', place, `Invalid parameter type for '${property}', expected: rng-backend`, {
            name,
          })
        }
        if (property === 'memdev' && object.size === null) {
          throw refusal('QEMU_BACKEND', place, `Invalid parameter type for '${property}', expected: memory-backend`, {
            name,
          })
        }
        return plain
      }
      case 'chardev':
        found(chardevs.has(name) || undefined, chardevs)
        return plain
      case 'fsdev':
        found(fsdevs.has(name) || undefined, fsdevs)
        return plain
      case 'audiodev':
        return plain
    }
    function found<Value>(value: Value | undefined, known: Iterable<string>): Value {
      if (value !== undefined) return value
      const message =
        option === 'object'
          ? `Device '${name}' not found`
          : `Property '${model.name}.${property}' can't find value '${name}'`
      throw unknownName('QEMU_BACKEND', place, message, name, [...known])
    }
  }

  #take(model: DeviceModel, { option, property }: BackendModel, name: string, share: boolean, place: Place): void {
    if (option === 'audiodev' || option === 'fsdev' || (option === 'object' && property !== 'memdev')) return
    if (option === 'chardev' && this.#isMultiplexed(name)) return
    const key = `${option} ${name}`
    const first = this.#taken.get(key)
    const node = option === 'drive' && this.#backends.drives.get(name)?.node === true
    if (first !== undefined && !(node && share && this.#shared.get(key) === true)) {
      const message =
        option === 'drive'
          ? node
            ? `Conflicts with use by another device of node '${name}'; write share-rw=on at both`
            : `Drive '${name}' is already in use by another device`
          : `Property '${model.name}.${property}' can't take value '${name}', it's in use`
      throw refusal('QEMU_BACKEND_IN_USE', place, `${message} (${first.text})`, { name, first: first.text })
    }
    if (first === undefined) {
      const drive = option === 'drive' ? this.#backends.drives.get(name) : undefined
      if (drive?.interface === 'builtin') {
        throw refusal(
          'QEMU_BACKEND_IN_USE',
          place,
          `Drive '${name}' is already in use because it has been automatically connected to another device; write if=none at ${drive.place.text}`,
          { name },
        )
      }
      this.#taken.set(key, place)
      this.#shared.set(key, share)
    }
  }

  #takeSlot(properties: Readonly<Record<string, PropertyValue>>, place: Place): void {
    const slot = `chassis=${properties.chassis ?? 0},slot=${properties.slot ?? 0}`
    const first = this.#slots.get(slot)
    if (first !== undefined) {
      throw refusal(
        'QEMU_SLOT',
        place,
        `Can't add chassis slot, error -16: ${slot} is taken by ${first.text}; give each port a chassis= of its own`,
        { slot },
      )
    }
    this.#slots.set(slot, place)
  }

  #isMultiplexed(chardev: string): boolean {
    const entry = this.#collected.entries.chardev.find(({ id }) => id === chardev)
    return entry !== undefined && ['on', 'true', 'yes'].includes(textOf(entry.pairs, 'mux') ?? '')
  }

  /** Whether some device took this drive. */
  isTaken(drive: string): boolean {
    return this.#taken.has(`drive ${drive}`)
  }
}

function readAddress(
  model: DeviceModel,
  value: PropertyValue | undefined,
  place: Place,
): { device: number; function: number } | null {
  if (value === undefined) return null
  // A number in JSON counts functions, eight to a slot; -1 is "any".
  if (value === -1 || value === '-1') return null
  const read =
    typeof value === 'number'
      ? Number.isInteger(value) && value >= 0 && value <= 255
        ? { device: value >> 3, function: value & 7 }
        : null
      : parsePciAddress(String(value))
  if (read === null) {
    throw refusal(
      'QEMU_VALUE',
      place,
      `Property '${model.name}.addr' doesn't take value '${value}'; write slot.function in hexadecimal, up to 1f.7`,
      { property: 'addr', value },
    )
  }
  return read
}
