import { findHostBridges, type HostBridge, type Madt, parseMadt, parseMcfg } from '@dmascope/acpi'
import { type AcpiTables, tryParse } from '../early/acpi-tables.ts'
import { readIommuTables } from '../iommu/iommu-tables.ts'
import type { EcamWindow } from '../pci/config-access.ts'
import type { EcamHostBridge } from '../pci/ecam-host-bridge.ts'
import { readAcpiDevices } from '../platform/acpi-devices.ts'
import type { ArmPlatform, GicPlace, MessageControllerPlace } from './arm-platform.ts'
import { readIort } from './iort-map.ts'

/** A frame's own registers do not say which interrupts are its. */
const SPI_FROM_TABLE = 1
/** How far it is from one redistributor to the next, where each processor's record names its own. */
const REDISTRIBUTOR_BYTES = 0x2_0000

/** Reads an Arm machine's ACPI tables. A text is why the kernel cannot go on. */
export function readAcpiPlatform(tables: AcpiTables, log: (line: string) => void): ArmPlatform | string {
  const found = tables.find('APIC')
  const madt = found && tryParse(() => parseMadt(found.bytes, { address: found.address }), log)
  const gic = madt ? gicPlace(madt) : null
  if (!madt || gic === null) return 'no GIC in the MADT'
  const controllers = messageControllers(madt, gic)
  const bridges = hostBridges(tables, log)
  const iort = readIort(tables, log)
  const { viot } = readIommuTables(tables, log)
  const routeOf = new Map(
    bridges.flatMap(({ found: { bus, path, routing } }) =>
      (routing ?? []).map(({ device, pin, gsi }) => [`${bus} ${device} ${pin + 1}`, { gsi, path }] as const),
    ),
  )
  const frame = controllers.find(({ place }) => place.kind === 'gicv2m')
  return {
    gic,
    messageControllers: controllers.map(({ place }) => place),
    hostBridges: bridges.map(({ bridge }) => bridge),
    iommu: { smmu: iort?.smmu ?? null, viot: viot ?? null },
    faultInterrupts: iort?.faultInterrupts ?? [],
    devices: readAcpiDevices(tables, log),
    routePin(at, pin) {
      const name = `INT${'ABCD'[pin - 1] ?? '?'} of ${at.id}`
      const route = routeOf.get(`${at.bus} ${at.device} ${pin}`)
      if (route === undefined || route.gsi === null) return `${name}: no _PRT of the DSDT leads it anywhere`
      return { intid: route.gsi, by: `_PRT of ${route.path}: ${name} is GSI ${route.gsi}` }
    },
    routeMessages(segment, requester) {
      const place = iort?.itsOf(segment, requester) ?? null
      const its = place === null ? undefined : controllers.find(({ its: id }) => id === place.its)
      if (place !== null && its !== undefined) return { controller: its.place, deviceId: place.deviceId, by: place.by }
      // Without an ITS in the IORT, Linux takes the first frame for all of PCI.
      return frame === undefined ? null : { controller: frame.place, deviceId: requester, by: 'the MADT’s MSI frame' }
    },
  }
}

function gicPlace({ records }: Madt): GicPlace | null {
  const distributor = records.find((one) => one.kind === 'gicd')
  const [first] = records.filter((one) => one.kind === 'gicc')
  if (distributor === undefined || first === undefined) return null
  if (distributor.gicVersion < 3) {
    return {
      version: 2,
      distributor: Number(distributor.physicalBaseAddress),
      cpuInterface: Number(first.physicalBaseAddress),
    }
  }
  const regions = records
    .filter((one) => one.kind === 'gicr')
    .map(({ discoveryRangeBaseAddress: base, discoveryRangeLength: size }) => ({ base: Number(base), size }))
  const own = Number(first.gicrBaseAddress ?? 0)
  const redistributors = regions.length > 0 ? regions : [{ base: own, size: REDISTRIBUTOR_BYTES }]
  return { version: 3, distributor: Number(distributor.physicalBaseAddress), redistributors }
}

interface Controller {
  readonly place: MessageControllerPlace
  /** Its number in the IORT; null for a frame. */
  readonly its: number | null
}

function messageControllers({ records }: Madt, gic: GicPlace): Controller[] {
  return records.flatMap((one): Controller[] => {
    if (one.kind === 'gic-its' && gic.version === 3) {
      return [{ place: { kind: 'its', base: Number(one.physicalBaseAddress) }, its: one.gicItsId }]
    }
    if (one.kind !== 'gic-msi-frame') return []
    const spis = (one.flags & SPI_FROM_TABLE) !== 0 ? { spis: { first: one.spiBase, count: one.spiCount } } : {}
    return [{ place: { kind: 'gicv2m', base: Number(one.physicalBaseAddress), ...spis }, its: null }]
  })
}

function ecamWindows(tables: AcpiTables, log: (line: string) => void): EcamWindow[] {
  const found = tables.find('MCFG')
  const mcfg = found && tryParse(() => parseMcfg(found.bytes, { address: found.address }), log)
  return (mcfg?.allocations ?? []).flatMap((one) => {
    const base = Number(one.baseAddress)
    if (!Number.isSafeInteger(base) || base === 0 || one.endBusNumber < one.startBusNumber) return []
    return [{ base, segment: one.pciSegmentGroupNumber, startBus: one.startBusNumber, endBus: one.endBusNumber }]
  })
}

/** In the order of the namespace. A bridge whose buses no configuration space holds is left out. */
function hostBridges(
  tables: AcpiTables,
  log: (line: string) => void,
): { readonly found: HostBridge; readonly bridge: EcamHostBridge }[] {
  const dsdt = tables.find('DSDT')
  const windows = ecamWindows(tables, log)
  const found = (dsdt && tryParse(() => findHostBridges(dsdt.bytes), log)) || []
  return found.flatMap((one) => {
    const { path, segment, bus, resources, notes } = one
    for (const note of notes.slice(0, 4)) log(`ACPI: ${note}`)
    const holds = windows.find((window) => window.segment === segment && window.startBus <= bus && bus <= window.endBus)
    if (holds === undefined) {
      log(`ACPI: ${path} [bus ${bus.toString(16)}]: no configuration space`)
      return []
    }
    const last = Math.min(holds.endBus, resources?.buses[0]?.last ?? holds.endBus)
    const [ports] = resources?.ports ?? []
    const memory = (resources?.memory ?? []).map(({ first, last: end }) => ({ base: first, size: end - first + 1 }))
    const bridge: EcamHostBridge = {
      name: path,
      // The table's base is that of bus 0, whatever bus it begins with.
      ecam: { base: holds.base, segment, startBus: bus, endBus: Math.max(bus, last) },
      rootBus: bus,
      windows: {
        ports: ports === undefined ? 0 : ports.last + 1,
        memory: memory.find(({ base }) => base < 2 ** 32) ?? null,
        memory64: memory.find(({ base }) => base >= 2 ** 32) ?? null,
      },
      portBase: ports?.translation ?? null,
      renumber: false,
    }
    return [{ found: one, bridge }]
  })
}
