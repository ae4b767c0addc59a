import { findHostBridges, parseMadt, type Resources } from '@dmascope/acpi'
import type { PinRoutes } from '../interrupts/legacy-interrupts.ts'
import type { HostBridgeWindows } from '../pci/assign-resources.ts'
import type { EcamWindow } from '../pci/config-access.ts'
import { busKey, type RootBus } from '../pci/enumerate.ts'
import { readAcpiDevices } from '../platform/acpi-devices.ts'
import type { PlatformDevice } from '../platform/platform-device.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'
import { type AcpiTables, tryParse } from './acpi-tables.ts'
import type { MemoryMapEntry } from './boot-params.ts'
import { byBus, readEcam } from './ecam-windows.ts'
import type { AddressRange } from './memory-map.ts'

/** What the tables say about the machine, apart from IOMMUs. */
export interface Platform {
  /** Guest-physical address of the local APIC's registers. */
  readonly localApic: number
  readonly ioApics: readonly { readonly id: number; readonly address: number; readonly gsiBase: number }[]
  readonly ecam: readonly EcamWindow[]
  /** Where interrupt pins on root buses lead. */
  readonly pinRoutes: readonly PinRoutes[]
  /** Buses to start enumeration at, in the order of the namespace; bus 0 of segment 0 first. */
  readonly rootBuses: readonly RootBus[]
  /** Memory windows of the host bridges, [start, end). */
  readonly bridgeWindows: readonly AddressRange[]
  /** What each host bridge passes on, by `busKey` of its root bus. */
  readonly windows: ReadonlyMap<number, HostBridgeWindows>
  /** Ports for devices from outside, as Linux names them. */
  readonly externalPorts: ReadonlySet<string>
  /** Devices on no bus, in the order of the namespace. */
  readonly devices: readonly PlatformDevice[]
}

const DEFAULT_LOCAL_APIC = 0xfee0_0000
/** Video memory and option ROMs of old end here. */
const LEGACY_MEMORY_END = 0x10_0000
/** What tables can name. */
const LAST_SEGMENT = 0xffff
/** Linux's MAX_IO_APICS on x86-64. */
const MAX_IO_APICS = 128

type Interrupts = Pick<Platform, 'localApic' | 'ioApics'>

function readInterruptControllers(tables: AcpiTables, log: (line: string) => void): Interrupts {
  const found = tables.find('APIC')
  const madt = found && tryParse(() => parseMadt(found.bytes, { address: found.address }), log)
  if (!madt) {
    log('ACPI: no MADT: no I/O APIC is known, interrupt pins lead nowhere')
    return { localApic: DEFAULT_LOCAL_APIC, ioApics: [] }
  }
  let localApic = madt.localInterruptControllerAddress
  const ioApics: Interrupts['ioApics'][number][] = []
  for (const record of madt.records) {
    if (record.kind === 'local-apic-address-override') {
      const address = Number(record.localApicAddress)
      if (Number.isSafeInteger(address)) localApic = address
    }
    if (record.kind !== 'io-apic' || ioApics.length >= MAX_IO_APICS) continue
    const { ioApicId: id, ioApicAddress: address, globalSystemInterruptBase: gsiBase } = record
    ioApics.push({ id, address, gsiBase })
    log(`IOAPIC: apic_id ${id}, address 0x${address.toString(16)}, GSI ${gsiBase} and up`)
  }
  return { localApic: localApic === 0 ? DEFAULT_LOCAL_APIC : localApic, ioApics }
}

type Bridges = Pick<Platform, 'ecam' | 'pinRoutes' | 'rootBuses' | 'bridgeWindows' | 'windows' | 'externalPorts'>

/**
 * Reads the host bridges of the namespace. One may say itself where its configuration space is (_CBA): that holds for
 * buses that MCFG does not name.
 */
function readHostBridges(tables: AcpiTables, mcfg: readonly EcamWindow[], log: (line: string) => void): Bridges {
  const found = tables.find('DSDT')
  const bridges = (found && tryParse(() => findHostBridges(found.bytes), log)) || []
  const first: RootBus = { segment: 0, bus: 0 }
  const buses = new Map([[busKey(first), first]])
  const pinRoutes: PinRoutes[] = []
  const bridgeWindows: AddressRange[] = []
  const windows = new Map<number, HostBridgeWindows>()
  const ecam = [...mcfg]
  const externalPorts = new Set<string>()
  for (const bridge of bridges) {
    const { path, segment, bus, configBase, routing, resources, notes } = bridge
    const domain = segment.toString(16).padStart(4, '0')
    if (segment > LAST_SEGMENT || bus > 0xff) {
      log(`ACPI: ${path} is for segment ${segment}, bus ${bus}: not used`)
      continue
    }
    const endBus = Math.min(0xff, resources?.buses[0]?.last ?? 0xff)
    const isKnown = ecam.some((one) => one.segment === segment && one.startBus <= bus && bus <= one.endBus)
    if (configBase !== null && configBase !== 0 && configBase < 2 ** 52 && endBus >= bus && !isKnown) {
      ecam.push({ base: configBase, segment, startBus: bus, endBus })
      log(`PCI: ECAM of ${path}, by its _CBA, at 0x${configBase.toString(16)} [bus ${bus}-${endBus}]`)
    } else if (segment !== 0 && !isKnown) {
      // Ports lead to segment 0 alone.
      log(`ACPI: PCI Root Bridge ${path} (domain ${domain}): can't access configuration space under this host bridge`)
      continue
    }
    const root = { segment, bus }
    if (windows.has(busKey(root))) {
      log(`ACPI: ${path} leads to bus ${domain}:${bus.toString(16).padStart(2, '0')}, which another does: not used`)
      continue
    }
    buses.set(busKey(root), root)
    log(`ACPI: PCI Root Bridge ${path} (domain ${domain} [bus ${bus.toString(16).padStart(2, '0')} and up])`)
    if (routing !== null) pinRoutes.push({ segment, bus, routes: routing })
    for (const { device, function: fn } of bridge.externalPorts) {
      const at = [bus, device].map((value) => value.toString(16).padStart(2, '0'))
      externalPorts.add(`${domain}:${at.join(':')}.${fn}`)
    }
    for (const { first, last } of resources?.memory ?? []) bridgeWindows.push({ start: first, end: last + 1 })
    windows.set(busKey(root), windowsOf(resources))
    for (const note of notes.slice(0, 4)) log(`ACPI: ${note}`)
  }
  return { ecam: ecam.sort(byBus), pinRoutes, bridgeWindows, windows, rootBuses: [...buses.values()], externalPorts }
}

/** What Linux would place BARs in: of memory, the first window below 4 GiB and the first above. */
function windowsOf(resources: Resources | null): HostBridgeWindows {
  const memory = (resources?.memory ?? [])
    .filter(({ first }) => first >= LEGACY_MEMORY_END)
    .map(({ first, last }) => ({ base: first, size: last - first + 1 }))
  const ports = resources?.ports ?? []
  return {
    ports: Math.max(0, ...ports.map(({ last }) => last + 1)),
    firstPort: Math.min(0x1_0000, ...ports.map(({ first }) => first)),
    memory: memory.find(({ base }) => base < 2 ** 32) ?? null,
    memory64: memory.find(({ base }) => base >= 2 ** 32) ?? null,
  }
}

/**
 * Reads MADT, MCFG and DSDT. Whatever is missing or makes no sense is told, and gone without.
 *
 * @param options - what the command line says of the ECAM
 */
export function readPlatform(
  tables: AcpiTables,
  map: readonly MemoryMapEntry[],
  log: (line: string) => void,
  options: Pick<KernelCommandLine, 'noEcam'> = { noEcam: false },
): Platform {
  const devices = readAcpiDevices(tables, log)
  const { localApic, ioApics } = readInterruptControllers(tables, log)
  const bridges = readHostBridges(tables, options.noEcam ? [] : readEcam(tables, map, log), log)
  return { devices, localApic, ioApics, ...bridges }
}
