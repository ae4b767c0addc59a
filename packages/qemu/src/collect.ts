import type { PropertyValue } from '@dmascope/machine'
import { type Argument, readArguments } from './arguments.ts'
import { addEntry, type Collected, checkId, emptyCollected, type Global, GROUPS, isGroup } from './collected.ts'
import { readConfigFile } from './config-file.ts'
import { type KeyValueSyntax, type Pairs, parseKeyValue, splitAtCommas, textOf } from './key-value.ts'
import { numa } from './numa-nodes.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

/** Reads files that a command line names: configuration files. Throws where there is none. */
export type ReadFile = (path: string) => string

/** Splits a command line and sorts its options. @throws DmascopeError for what QEMU's own parser refuses */
export function collect(args: readonly string[], readFile: ReadFile | undefined): Collected {
  const { architecture, options } = readArguments(args)
  const collected = emptyCollected(architecture)
  for (const option of options) apply(collected, option, readFile)
  return collected
}

type Handler = (collected: Collected, value: string, place: Place, readFile: ReadFile | undefined) => void

/** An option whose occurrences add up, the later ones standing above the earlier. */
const merging =
  (into: 'machine' | 'accel' | 'memory' | 'smp', syntax: KeyValueSyntax): Handler =>
  (collected, value, place) => {
    collected[into].merge(parseKeyValue(value, syntax, place), place)
  }

const disks =
  (index: number, media: 'disk' | 'cdrom'): Handler =>
  (collected, value, place) =>
    disk(collected, value, index, media, place)

const NETWORK: KeyValueSyntax = { implied: 'type', style: 'opts' }

/** `-machine smp.cpus=4,memory.size=2G` say what `-smp` and `-m` do. */
const machine: Handler = (collected, value, place) => {
  const own = new Map<string, PropertyValue>()
  for (const [key, given] of parseKeyValue(value, { implied: 'type', style: 'keyval' }, place)) {
    if (key.startsWith('smp.')) collected.smp.merge(new Map([[key.slice(4), given]]), place)
    else if (key === 'memory.size') collected.memory.merge(new Map([['size', bytes(given)]]), place)
    else if (key === 'memory.max-size') collected.memory.merge(new Map([['maxmem', bytes(given)]]), place)
    else own.set(key, given)
  }
  collected.machine.merge(own, place)
}

/** A size that counts bytes where it has no suffix, for one that would count MiB. */
const bytes = (value: PropertyValue): PropertyValue => (/^\d+$/.test(String(value)) ? `${value}B` : value)

const HANDLERS: Readonly<Record<string, Handler>> = {
  machine,
  M: machine,
  accel: merging('accel', { implied: 'accel', style: 'opts' }),
  m: merging('memory', { implied: 'size', style: 'opts' }),
  smp: merging('smp', { implied: 'cpus', style: 'opts' }),
  hda: disks(0, 'disk'),
  hdb: disks(1, 'disk'),
  hdc: disks(2, 'disk'),
  hdd: disks(3, 'disk'),
  cdrom: disks(2, 'cdrom'),
  nic: (collected, value, place) => network(collected, 'nic', parseKeyValue(value, NETWORK, place), place),
  net: (collected, value, place) => network(collected, 'net', parseKeyValue(value, NETWORK, place), place),
  virtfs,
  set,
  readconfig: config,
  'enable-kvm': (collected, _value, place) => {
    collected.accel.merge(new Map([['accel', 'kvm']]), place)
  },
  cpu: (collected, value, place) => {
    collected.cpu = value
    // On a PC it changes no DMA.
    if (collected.architecture === 'x86_64') collected.ignored.push(place.written)
  },
  // On a PC and on pseries there is firmware in any case; here it decides what the kernel is told.
  bios: (collected, file, place) => {
    if (collected.architecture === 'aarch64') collected.bios = { file, place }
    else collected.ignored.push(place.written)
  },
  pflash: (collected, file, place) => {
    if (collected.architecture !== 'aarch64') {
      collected.ignored.push(place.written)
    } else {
      const pairs = new Map<string, PropertyValue>([
        ['if', 'pflash'],
        ['file', file],
      ])
      addEntry(collected, 'drive', pairs, place)
    }
  },
  append: (collected, value) => {
    collected.append = value
  },
  nodefaults: (collected) => {
    collected.nodefaults = true
  },
  usb: (collected) => {
    collected.usb = true
  },
  usbdevice: (collected, _value, place) => {
    collected.usb = true
    collected.ignored.push(place.written)
  },
  'no-acpi': (collected, _value, place) => {
    collected.machine.merge(new Map([['acpi', 'off']]), place)
  },
  'no-hpet': (collected, _value, place) => {
    collected.machine.merge(new Map([['hpet', 'off']]), place)
  },
  vga: (collected, type, place) => {
    collected.vga = { type, place }
  },
  numa: (collected, value, place) =>
    numa(collected, parseKeyValue(value, { implied: 'type', style: 'opts' }, place), place),
  global: (collected, value, place) => {
    collected.globals.push(globalOf(value, place))
  },
}

function apply(collected: Collected, { name, value, place }: Argument, readFile: ReadFile | undefined): void {
  if (isGroup(name)) {
    const pairs = new Map(parseKeyValue(value, GROUPS[name], place))
    addEntry(collected, name, pairs, place, value.trimStart().startsWith('{'))
    if (name === 'netdev') collected.noDefaultNic = true
    return
  }
  const handler = Object.hasOwn(HANDLERS, name) ? HANDLERS[name] : undefined
  // What the kernel is, and what shows the machine to the host, changes no DMA.
  if (handler === undefined) collected.ignored.push(place.written)
  else handler(collected, value, place, readFile)
}

function disk(collected: Collected, file: string, index: number, media: string, place: Place): void {
  addEntry(
    collected,
    'drive',
    new Map<string, PropertyValue>([
      ['file', file],
      ['index', index],
      ['media', media],
    ]),
    place,
  )
}

function network(collected: Collected, option: 'nic' | 'net', pairs: Pairs, place: Place): void {
  collected.noDefaultNic = true
  const type = textOf(pairs, 'type')
  if (type === null) throw refusal('QEMU_MISSING_PROPERTY', place, "Parameter 'type' is missing", { property: 'type' })
  if (type === 'none') {
    collected.ignored.push(place.written)
  } else if (option === 'net' && type !== 'nic') {
    // A backend on the old hub: it moves no guest memory but through its card.
    collected.ignored.push(place.written)
  } else {
    const id = textOf(pairs, 'id')
    if (id !== null) checkId(id, place)
    collected.nics.push({ option, entry: { id, pairs: new Map(pairs), place, json: false } })
  }
}

/** `-virtfs` is an `-fsdev` and a `virtio-9p-pci` at this place of the command line. */
function virtfs(collected: Collected, value: string, place: Place): void {
  const pairs = new Map(parseKeyValue(value, GROUPS.fsdev, place))
  const tag = textOf(pairs, 'mount_tag')
  if (tag === null || !pairs.has('fsdriver')) {
    throw refusal('QEMU_MISSING_PROPERTY', place, 'Usage: -virtfs fsdriver,mount_tag=tag[,id=id],path=...', {
      property: 'mount_tag',
    })
  }
  pairs.delete('mount_tag')
  const id = textOf(pairs, 'id') ?? tag
  pairs.set('id', id)
  addEntry(collected, 'fsdev', pairs, place)
  addEntry(
    collected,
    'device',
    new Map([
      ['driver', 'virtio-9p-pci'],
      ['fsdev', id],
      ['mount_tag', tag],
    ]),
    place,
  )
}

function globalOf(value: string, place: Place): Global {
  const short = /^([A-Za-z0-9_-]+(?:\.[0-9]+[A-Za-z0-9_-]*)?)\.([^=.][^=]*)=(.*)$/s.exec(value)
  if (short !== null && !value.startsWith('driver=')) {
    return { driver: short[1]!, property: short[2]!, value: short[3]!, place }
  }
  return globalFrom(parseKeyValue(value, { style: 'opts' }, place), place)
}

function globalFrom(pairs: Pairs, place: Place): Global {
  const driver = textOf(pairs, 'driver')
  const property = textOf(pairs, 'property')
  const given = textOf(pairs, 'value')
  if (driver === null || property === null || given === null) {
    throw refusal('QEMU_SYNTAX', place, 'write driver.property=value, or driver=...,property=...,value=...')
  }
  return { driver, property, value: given, place }
}

function set(collected: Collected, value: string, place: Place): void {
  const match = /^([^.]+)\.([^.=]+)\.([^=]+)=(.*)$/s.exec(value)
  if (match === null) throw refusal('QEMU_SYNTAX', place, `can't parse: "${value}"; write group.id.property=value`)
  const [, group, id, key, given] = match as unknown as readonly [string, string, string, string, string]
  if (!isGroup(group)) {
    throw unknownName('QEMU_SYNTAX', place, `there is no option group '${group}'`, group, Object.keys(GROUPS))
  }
  const entry = collected.entries[group].find((one) => one.id === id)
  if (entry === undefined) {
    const ids = collected.entries[group].flatMap((one) => (one.id === null ? [] : [one.id]))
    throw unknownName('QEMU_SYNTAX', place, `there is no ${group} "${id}" defined before`, id, ids)
  }
  entry.pairs.set(key, given)
}

/** The groups of a configuration file, as QEMU's -readconfig takes them, become the options that they stand for. */
function config(collected: Collected, argument: string, place: Place, readFile: ReadFile | undefined): void {
  const path = splitAtCommas(argument)[0]!
  for (const section of readConfigFile(path, place, readFile)) {
    const { group, pairs, place: at } = section
    if (isGroup(group)) {
      if (section.id !== null) pairs.set(group === 'blockdev' ? 'node-name' : 'id', section.id)
      addEntry(collected, group, pairs, at)
      if (group === 'netdev') collected.noDefaultNic = true
      continue
    }
    switch (group) {
      case 'machine':
      case 'accel':
      case 'memory':
        collected[group].merge(pairs, at)
        break
      case 'smp-opts':
        collected.smp.merge(pairs, at)
        break
      case 'numa':
        numa(collected, pairs, at)
        break
      case 'net':
      case 'nic':
        network(collected, group, pairs, at)
        break
      case 'global':
        collected.globals.push(globalFrom(pairs, at))
        break
      default:
        collected.ignored.push(at.written)
    }
  }
}
