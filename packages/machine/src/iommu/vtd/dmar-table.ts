import { buildDmar, type DeviceScope } from '@dmascope/acpi'
import { isBridge } from '@dmascope/pci'
import { qemuHeader } from '../../firmware/qemu-header.ts'
import { IOAPIC_ID } from '../../interrupts/ioapic.ts'
import type { RootBusFacts } from '../iommu-plan.ts'

/** Where QEMU puts the registers of its remapping unit. */
export const VTD_BASE = 0xfed9_0000

/** The I/O APIC's requester ID: bus 0xff, device 0, which no PCI function has (QEMU's Q35_PSEUDO_BUS_PLATFORM). */
export const VTD_IOAPIC_REQUESTER = 0xff00

/** What the table says of the unit itself. */
interface DmarFeatures {
  readonly addressWidth: number
  readonly interruptRemapping: boolean
  readonly deviceIotlb: boolean
}

/**
 * QEMU's `build_dmar_q35` since `bypass_iommu` exists: one unit with an explicit scope for every function on a root bus
 * that does not bypass; bridges stand for what is below them.
 *
 * DEVIATION: QEMU walks several expanders' buses in the order of a hash table; here they stand as they were created.
 */
export function dmarTable(roots: readonly RootBusFacts[], features: DmarFeatures): Uint8Array {
  const ioApic: DeviceScope = {
    kind: 'ioapic',
    flags: 0,
    enumerationId: IOAPIC_ID,
    startBusNumber: VTD_IOAPIC_REQUESTER >>> 8,
    path: [{ device: (VTD_IOAPIC_REQUESTER >>> 3) & 31, function: VTD_IOAPIC_REQUESTER & 7 }],
  }
  const functions = roots
    .filter(({ bypass }) => !bypass)
    .flatMap(({ bus }) => bus.slots)
    .map(
      ({ bus, device, fn, function: one }): DeviceScope => ({
        kind: isBridge(one) ? 'bridge' : 'endpoint',
        flags: 0,
        enumerationId: 0,
        startBusNumber: bus.number,
        path: [{ device, function: fn }],
      }),
    )
  return buildDmar({
    signature: 'DMAR',
    header: qemuHeader(1),
    hostAddressWidth: features.addressWidth - 1,
    flags: features.interruptRemapping ? 1 : 0,
    records: [
      {
        kind: 'DRHD',
        flags: 0,
        size: 0,
        segmentNumber: 0,
        registerBaseAddress: VTD_BASE,
        scopes: [ioApic, ...functions],
      },
      ...(features.deviceIotlb ? [{ kind: 'ATSR' as const, flags: 1, segmentNumber: 0, scopes: [] }] : []),
    ],
  })
}
