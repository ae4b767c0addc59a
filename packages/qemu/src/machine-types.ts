import type { MachineName, PropertyValue, QemuVersion } from '@dmascope/machine'
import type { Architecture } from './arguments.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

/** A machine type, resolved. `compatible` is the version that a versioned type asks for: it keeps that one's defaults. */
export interface MachineType {
  readonly machine: MachineName
  readonly compatible: readonly [major: number, minor: number]
}

export const VERSION: Readonly<Record<QemuVersion, readonly [number, number]>> = { '7.2': [7, 2], '11.1': [11, 1] }

/** Types that have versions. */
type VersionedMachine = Exclude<MachineName, 'microvm' | 'powernv9' | 'ppce500' | 'mac99' | 'sun4u'>

/** The oldest versioned types that a release still has: newer ones drop types that are six years old. */
const OLDEST: Readonly<Record<QemuVersion, Readonly<Record<VersionedMachine, readonly [number, number]>>>> = {
  '7.2': { q35: [2, 4], pc: [1, 4], virt: [2, 6], pseries: [2, 1], 's390-ccw-virtio': [2, 4] },
  '11.1': { q35: [5, 1], pc: [5, 1], virt: [5, 1], pseries: [5, 1], 's390-ccw-virtio': [5, 1] },
}

/** What an architecture's program has, which one by default, and how versioned types are named. */
const TYPES: Readonly<
  Record<
    Architecture,
    {
      readonly names: readonly MachineName[]
      readonly byDefault: MachineName | 'g3beige' | null
      readonly prefixes: Readonly<Record<string, VersionedMachine>>
    }
  >
> = {
  x86_64: { names: ['pc', 'q35', 'microvm'], byDefault: 'pc', prefixes: { 'pc-q35': 'q35', 'pc-i440fx': 'pc' } },
  aarch64: { names: ['virt'], byDefault: null, prefixes: { virt: 'virt' } },
  // By default it is a g3beige, which is refused by name.
  ppc: { names: ['ppce500'], byDefault: 'g3beige', prefixes: {} },
  ppc64: { names: ['pseries', 'powernv9', 'ppce500', 'mac99'], byDefault: 'pseries', prefixes: { pseries: 'pseries' } },
  sparc64: { names: ['sun4u'], byDefault: 'sun4u', prefixes: {} },
  s390x: {
    names: ['s390-ccw-virtio'],
    byDefault: 's390-ccw-virtio',
    prefixes: { 's390-ccw-virtio': 's390-ccw-virtio' },
  },
}

/** The last minor release of each major one. */
const LAST_MINOR: Readonly<Record<number, number>> = { 1: 7, 2: 12, 3: 1, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2 }

export type Version = readonly [major: number, minor: number]
/** The first pseries type whose host bridges are where they are today. */
const NEWER_PLACEMENT: Version = [2, 8]
export const isBefore = (a: Version, b: Version): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

/** Machine types of other hardware: known, so that the message can say so. */
const OTHERS: Readonly<Record<Architecture, readonly string[]>> = {
  x86_64: ['isapc', 'none', 'x-remote', 'xenfv', 'xenpv', 'nitro-enclave'],
  aarch64: `sbsa-ref raspi0 raspi1ap raspi2b raspi3ap raspi3b raspi4b xlnx-zcu102 xlnx-versal-virt amd-versal-virt
    amd-versal2-virt imx8mp-evk orangepi-pc ast2600-evb ast2700a1-evb npcm845-evb vexpress-a15 x-remote none`.split(
    /\s+/,
  ),
  ppc: ['g3beige', 'mac99', 'mpc8544ds', 'bamboo', 'sam460ex', 'pegasos1', 'pegasos2', '40p', 'amigaone', 'none'],
  ppc64: [
    ...['powernv', 'powernv8', 'powernv10', 'powernv11', 'mpc8544ds', 'g3beige', 'bamboo'],
    ...['sam460ex', 'pegasos1', 'pegasos2', '40p', 'amigaone', 'ref405ep', 'virtex-ml507', 'none'],
  ],
  sparc64: ['sun4v', 'niagara', 'none'],
  s390x: ['none'],
}

/** Proxmox VE appends its own revision of a machine type, which has no bearing on DMA. */
const PROXMOX_REVISION = /\+pve\d+$/

/**
 * Resolves `q35`, `pc`, `pc-q35-7.2`, `pc-i440fx-11.1`, `virt-7.2`, `pseries-7.2`, and Proxmox VE's `q35+pve1`.
 *
 * @param written - null where none is named: then the program's default holds
 * @throws DmascopeError QEMU_MACHINE
 */
export function machineType(
  written: string | null,
  architecture: Architecture,
  version: QemuVersion,
  place: Place,
): MachineType {
  const { names, byDefault, prefixes } = TYPES[architecture]
  const name = written === null ? byDefault : written.replace(PROXMOX_REVISION, '')
  if (name === null) {
    throw refusal('QEMU_MACHINE', place, `No machine specified, and there is no default; write -machine ${names[0]}`)
  }
  const plain = names.find((one) => one === name)
  if (plain !== undefined) return { machine: plain, compatible: VERSION[version] }
  const match = /^(.+)-(\d{1,2})\.(\d{1,2})$/.exec(name)
  const machine = match === null || !Object.hasOwn(prefixes, match[1]!) ? undefined : prefixes[match[1]!]
  if (match !== null && machine !== undefined) {
    const asked: Version = [Number(match[2]), Number(match[3])]
    const oldest = OLDEST[version][machine]
    const isThere = !isBefore(asked, oldest) && !isBefore(VERSION[version], asked)
    if (isThere && asked[1] <= (LAST_MINOR[asked[0]] ?? 2)) {
      if (machine !== 'pseries' || !isBefore(asked, NEWER_PLACEMENT)) return { machine, compatible: asked }
      throw refusal(
        'QEMU_MACHINE',
        place,
        `machine '${name}' is not modelled: before ${NEWER_PLACEMENT.join('.')}, host bridges were in other places`,
        { machine: name },
      )
    }
    throw refusal(
      'QEMU_MACHINE',
      place,
      `unsupported machine type '${name}'; QEMU ${version} has ${oldest.join('.')} to ${version}`,
      { machine: name },
    )
  }
  if (OTHERS[architecture].includes(name)) {
    throw refusal('QEMU_MACHINE', place, `machine '${name}' is not modelled; modelled are ${list(names)}`, {
      machine: name,
    })
  }
  throw unknownName('QEMU_MACHINE', place, `unsupported machine type '${name}'`, name, [
    ...names,
    ...Object.keys(prefixes).map((prefix) => `${prefix}-${version}`),
  ])
}

/** `q35, pc and microvm`. */
const list = (names: readonly string[]): string =>
  [...names]
    .sort()
    .reverse()
    .join(', ')
    .replace(/, ([^,]*)$/, ' and $1')

/** What a versioned type of PC keeps of the chipset: bridges that firmware's hot-plug methods do not reach. */
export function compatibleChipset({ machine, compatible }: MachineType): Readonly<Record<string, PropertyValue>> {
  const through: Version | null = machine === 'q35' ? [6, 0] : machine === 'pc' ? [1, 7] : null
  return through !== null && !isBefore(through, compatible) ? { acpiHotplug: false } : {}
}

/** What a versioned type of pseries keeps of the machine itself: its interrupt controller and processor. */
export function compatiblePseries({ machine, compatible }: MachineType): {
  readonly properties: Readonly<Record<string, PropertyValue>>
  readonly cpu: string | null
} {
  if (machine !== 'pseries') return { properties: {}, cpu: null }
  const through = (major: number, minor: number): boolean => !isBefore([major, minor], compatible)
  return {
    properties: through(4, 0) ? { 'ic-mode': 'xics' } : {},
    cpu: through(3, 1) ? 'power8' : through(8, 2) ? 'power9' : null,
  }
}
