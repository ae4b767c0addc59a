import type { PropertyValue, QemuVersion } from '@dmascope/machine'
import { type Place, refusal, unknownName } from './refusal.ts'

/** A machine type, resolved. `compatible` is the version that a versioned type asks for: it keeps that one's defaults. */
export interface MachineType {
  readonly machine: 'q35' | 'pc'
  readonly compatible: readonly [major: number, minor: number]
}

const VERSION: Readonly<Record<QemuVersion, readonly [number, number]>> = { '7.2': [7, 2], '11.1': [11, 1] }

/** The oldest versioned types that a release still has: newer ones drop types that are six years old. */
const OLDEST: Readonly<Record<QemuVersion, Readonly<Record<'q35' | 'pc', readonly [number, number]>>>> = {
  '7.2': { q35: [2, 4], pc: [1, 4] },
  '11.1': { q35: [5, 1], pc: [5, 1] },
}

/** The last minor release of each major one. */
const LAST_MINOR: Readonly<Record<number, number>> = { 1: 7, 2: 12, 3: 1, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2 }

type Version = readonly [number, number]
const isBefore = (a: Version, b: Version): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

/** Machine types of other hardware: known, so that the message can say so. */
const OTHERS = ['microvm', 'isapc', 'none', 'x-remote', 'xenfv', 'xenpv', 'virt', 'pseries', 'nitro-enclave']

/** Proxmox VE appends its own revision of a machine type, which has no bearing on DMA. */
const PROXMOX_REVISION = /\+pve\d+$/

/**
 * Resolves `q35`, `pc`, `pc-q35-7.2`, `pc-i440fx-11.1`, and Proxmox VE's `q35+pve1`.
 *
 * @throws DmascopeError QEMU_MACHINE
 */
export function machineType(written: string, version: QemuVersion, place: Place): MachineType {
  const name = written.replace(PROXMOX_REVISION, '')
  if (name === 'q35' || name === 'pc') return { machine: name, compatible: VERSION[version] }
  const match = /^pc-(q35|i440fx)-(\d{1,2})\.(\d{1,2})$/.exec(name)
  if (match !== null) {
    const machine = match[1] === 'q35' ? 'q35' : 'pc'
    const asked: Version = [Number(match[2]), Number(match[3])]
    if (
      !isBefore(asked, OLDEST[version][machine]) &&
      !isBefore(VERSION[version], asked) &&
      asked[1] <= (LAST_MINOR[asked[0]] ?? 2)
    ) {
      return { machine, compatible: asked }
    }
    throw refusal(
      'QEMU_MACHINE',
      place,
      `unsupported machine type '${name}'; QEMU ${version} has ${OLDEST[version][machine].join('.')} to ${version}`,
      { machine: name },
    )
  }
  if (OTHERS.includes(name)) {
    throw refusal('QEMU_MACHINE', place, `machine '${name}' is not modelled; modelled are q35 and pc`, {
      machine: name,
    })
  }
  throw unknownName('QEMU_MACHINE', place, `unsupported machine type '${name}'`, name, [
    'q35',
    'pc',
    `pc-q35-${version}`,
    `pc-i440fx-${version}`,
  ])
}

/** A default that a versioned machine type keeps: for types up to and including `through`. */
export interface CompatibleDefault {
  /** A model's name, or a type that it derives from. */
  readonly driver: string
  readonly property: string
  readonly value: PropertyValue
}

const KEPT: readonly (CompatibleDefault & { readonly through: Version })[] = [
  { through: [9, 1], driver: 'intel-iommu', property: 'aw-bits', value: 39 },
  { through: [9, 2], driver: 'virtio-balloon-device', property: 'vectors', value: 0 },
  { through: [9, 2], driver: 'virtio-mem-device', property: 'vectors', value: 0 },
  { through: [7, 1], driver: 'virtio-device', property: 'queue_reset', value: false },
  { through: [7, 1], driver: 'virtio-rng-device', property: 'vectors', value: 0 },
  { through: [5, 0], driver: 'virtio-device', property: 'x-disable-legacy-check', value: true },
  { through: [2, 6], driver: 'virtio-pci', property: 'disable-modern', value: true },
  { through: [2, 6], driver: 'virtio-pci', property: 'disable-legacy', value: 'off' },
]

/** The defaults in which a versioned machine type differs from the release's own, where they bear on DMA. */
export const compatibleDefaults = (type: MachineType, version: QemuVersion): readonly CompatibleDefault[] =>
  KEPT.filter(({ through }) => !isBefore(through, type.compatible) && isBefore(through, VERSION[version])).map(
    ({ driver, property, value }) => ({ driver, property, value }),
  )
