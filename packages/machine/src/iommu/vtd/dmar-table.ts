import { buildDmar, type DeviceScope, DRHD_FLAGS, type Rmrr } from '@dmascope/acpi'
import { DmascopeError } from '@dmascope/layout'
import { isBridge } from '@dmascope/pci'
import { qemuHeader } from '../../firmware/qemu-header.ts'
import type { FirmwareRegion } from '../../firmware-regions/firmware-region.ts'
import { scopePath } from '../../firmware-regions/scope-path.ts'
import { IOAPIC_ID } from '../../interrupts/ioapic.ts'
import type { RootBusFacts } from '../iommu-plan.ts'
import { tableSlots } from '../table-slots.ts'

/** Where QEMU puts the registers of its remapping unit. */
export const VTD_BASE = 0xfed9_0000
/** What they take up. Those of further segments' units follow. */
export const VTD_SIZE = 0x1000

/** The I/O APIC's requester ID: bus 0xff, device 0, which no PCI function has (QEMU's Q35_PSEUDO_BUS_PLATFORM). */
export const VTD_IOAPIC_REQUESTER = 0xff00

/** A DRHD of a 16-bit length holds 16 bytes of its own, and 8 for each scope, the I/O APIC's among them. */
const MOST_FUNCTIONS = Math.floor((0xffff - 16) / 8) - 1

/** A unit: the segment that it serves, and where its registers are. */
export interface VtdPlace {
  readonly segment: number
  readonly base: number
}

/** What the table says of the units themselves. */
interface DmarFeatures {
  readonly addressWidth: number
  readonly interruptRemapping: boolean
  readonly deviceIotlb: boolean
}

/**
 * QEMU's `build_dmar_q35` since `bypass_iommu` exists: for each segment that has one, a unit with an explicit scope for every function on a root bus that does not bypass; bridges stand for what is below them.
 *
 * DEVIATION: QEMU walks several expanders' buses in the order of a hash table; here they stand as they were created.
 *
 * @throws DmascopeError MACHINE_NOT_MODELLED for more functions than fit in a unit's record
 */
export function dmarTable(
  roots: readonly RootBusFacts[],
  features: DmarFeatures,
  /** `include-all`: one unit for every device of the segment, as QEMU wrote it before `bypass_iommu`. */
  scopes: 'explicit' | 'include-all',
  units: readonly VtdPlace[],
  regions: readonly FirmwareRegion[] = [],
): Uint8Array {
  const ioApic: DeviceScope = {
    kind: 'ioapic',
    flags: 0,
    enumerationId: IOAPIC_ID,
    startBusNumber: VTD_IOAPIC_REQUESTER >>> 8,
    path: [{ device: (VTD_IOAPIC_REQUESTER >>> 3) & 31, function: VTD_IOAPIC_REQUESTER & 7 }],
  }
  const all = scopes === 'include-all'
  return buildDmar({
    signature: 'DMAR',
    header: qemuHeader(1),
    hostAddressWidth: features.addressWidth - 1,
    flags: features.interruptRemapping ? 1 : 0,
    records: [
      ...units.map(({ segment, base }) => ({
        kind: 'DRHD' as const,
        flags: all ? DRHD_FLAGS.fields.INCLUDE_PCI_ALL.loMask : 0,
        size: 0,
        segmentNumber: segment,
        registerBaseAddress: base,
        scopes: [...(segment === 0 ? [ioApic] : []), ...(all ? [] : functionScopes(roots, segment))],
      })),
      ...regions.flatMap((region) => rmrr(roots, region)),
      ...(features.deviceIotlb
        ? units.map(({ segment }) => ({ kind: 'ATSR' as const, flags: 1, segmentNumber: segment, scopes: [] }))
        : []),
    ],
  })
}

/** An RMRR that names the region's device alone. */
function rmrr(roots: readonly RootBusFacts[], { base, size, slot, segment }: FirmwareRegion): Rmrr[] {
  const place = scopePath(
    roots.filter((root) => (root.segment ?? 0) === segment),
    slot.function,
  )
  if (place === null) return []
  const scope: DeviceScope = {
    kind: isBridge(slot.function) ? 'bridge' : 'endpoint',
    flags: 0,
    enumerationId: 0,
    ...place,
  }
  return [
    {
      kind: 'RMRR',
      reserved: 0,
      segmentNumber: segment,
      reservedMemoryRegionBaseAddress: base,
      reservedMemoryRegionLimitAddress: base + size - 1,
      scopes: [scope],
    },
  ]
}

/** What stands on the root buses of a segment that do not bypass. */
function functionScopes(roots: readonly RootBusFacts[], of: number): DeviceScope[] {
  const functions: DeviceScope[] = []
  for (const root of roots) {
    if (root.bypass || (root.segment ?? 0) !== of) continue
    for (const { bus, device, fn, function: one } of tableSlots(root)) {
      functions.push({
        kind: isBridge(one) ? 'bridge' : 'endpoint',
        flags: 0,
        enumerationId: 0,
        startBusNumber: bus.number,
        path: [{ device, function: fn }],
      })
    }
  }
  if (functions.length <= MOST_FUNCTIONS) return functions
  throw new DmascopeError(
    'MACHINE_NOT_MODELLED',
    `${functions.length} functions on root buses do not fit in a DMAR's DRHD, whose length has 16 bits: QEMU cuts that short, and the table is broken; put functions behind bridges, of which each is one scope: at most ${MOST_FUNCTIONS}`,
    { functions: functions.length, most: MOST_FUNCTIONS },
  )
}
