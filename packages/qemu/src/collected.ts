import type { PropertyValue } from '@dmascope/machine'
import type { Architecture } from './arguments.ts'
import { type KeyValueSyntax, textOf } from './key-value.ts'
import { type Place, refusal } from './refusal.ts'
import { Settings } from './settings.ts'

/** An option with an id of its own group: a device, a drive, a network backend. */
export interface Entry {
  readonly id: string | null
  readonly pairs: Map<string, PropertyValue>
  readonly place: Place
  readonly json: boolean
}

/** `-global driver.property=value`. */
export interface Global {
  readonly driver: string
  readonly property: string
  readonly value: string
  readonly place: Place
}

/** A network card that is not a `-device`: `-nic`, `-net nic`. */
export interface Nic {
  readonly option: 'nic' | 'net'
  readonly entry: Entry
}

/** `-numa node`. */
export interface NumaNode {
  readonly node: number
  /** `memdev=`, the id of a memory back end. */
  readonly backend: string | null
  /** `mem=`, as written. */
  readonly memory: string | null
  readonly place: Place
}

/** The options that collect entries under ids, and how their arguments are written. */
export const GROUPS = {
  device: { implied: 'driver', style: 'opts', json: true },
  drive: { style: 'opts' },
  blockdev: { implied: 'driver', style: 'keyval', json: true },
  netdev: { implied: 'type', style: 'opts', json: true },
  object: { implied: 'qom-type', style: 'keyval', json: true },
  chardev: { implied: 'backend', style: 'opts' },
  fsdev: { implied: 'fsdriver', style: 'opts' },
} as const satisfies Readonly<Record<string, KeyValueSyntax>>

export type Group = keyof typeof GROUPS

export const isGroup = (name: string): name is Group => Object.hasOwn(GROUPS, name)

/** Everything that a command line says, before any of it is held against what QEMU knows. */
export interface Collected {
  readonly architecture: Architecture
  readonly entries: Readonly<Record<Group, Entry[]>>
  readonly nics: Nic[]
  readonly globals: Global[]
  /** Options without bearing on DMA, as written. */
  readonly ignored: string[]
  readonly machine: Settings
  readonly accel: Settings
  readonly memory: Settings
  readonly smp: Settings
  /** The nodes of `-numa`. */
  readonly numaNodes: NumaNode[]
  append: string
  /** `-cpu`, as written. */
  cpu: string | null
  /** `-bios`. */
  bios: { readonly file: string; readonly place: Place } | null
  vga: { readonly type: string; readonly place: Place } | null
  nodefaults: boolean
  usb: boolean
  /** `-net none`, `-nic none`, or any network option at all: no default card. */
  noDefaultNic: boolean
}

const WELL_FORMED_ID = /^[A-Za-z][A-Za-z0-9._-]*$/

/** What an empty command line says. */
export const emptyCollected = (architecture: Architecture): Collected => ({
  architecture,
  entries: { device: [], drive: [], blockdev: [], netdev: [], object: [], chardev: [], fsdev: [] },
  nics: [],
  globals: [],
  ignored: [],
  machine: new Settings(),
  accel: new Settings(),
  memory: new Settings(),
  smp: new Settings(),
  numaNodes: [],
  append: '',
  cpu: null,
  bios: null,
  vga: null,
  nodefaults: false,
  usb: false,
  noDefaultNic: false,
})

/** Adds an entry to its group. @throws DmascopeError QEMU_ID or QEMU_DUPLICATE_ID */
export function addEntry(
  collected: Collected,
  group: Group,
  pairs: Map<string, PropertyValue>,
  place: Place,
  json = false,
): Entry {
  // Nodes of -blockdev are named otherwise, but live among the drives: QEMU refuses one name for both.
  const id = textOf(pairs, group === 'blockdev' ? 'node-name' : 'id')
  if (id !== null) {
    checkId(id, place)
    const rivals = group === 'drive' || group === 'blockdev' ? (['drive', 'blockdev'] as const) : ([group] as const)
    const rival = rivals.flatMap((name) => collected.entries[name]).find((entry) => entry.id === id)
    if (rival !== undefined) {
      throw refusal(
        'QEMU_DUPLICATE_ID',
        place,
        `Duplicate ID '${id}' for ${group}; it stands first at ${rival.place.text}`,
        {
          id,
          group,
        },
      )
    }
  }
  const entry = { id, pairs, place, json }
  collected.entries[group].push(entry)
  return entry
}

export function checkId(id: string, place: Place): void {
  if (WELL_FORMED_ID.test(id)) return
  throw refusal(
    'QEMU_ID',
    place,
    `Parameter 'id' expects an identifier, got '${id}': letters, digits, '-', '.', '_', starting with a letter`,
    { id },
  )
}
