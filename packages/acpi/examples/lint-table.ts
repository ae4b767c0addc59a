import { buildDmar, sdtHeader } from '@dmascope/acpi'
import { lintTable } from '@dmascope/acpi/lint'

// A unit that has 00:02.0, with its registers at address zero: so firmware leaves the table where the IOMMU is off.
const bytes = buildDmar({
  signature: 'DMAR',
  header: sdtHeader(1),
  hostAddressWidth: 47,
  flags: 0,
  records: [
    {
      kind: 'DRHD',
      flags: 0,
      size: 0,
      segmentNumber: 0,
      registerBaseAddress: 0,
      scopes: [{ kind: 'endpoint', flags: 0, enumerationId: 0, startBusNumber: 0, path: [{ device: 2, function: 0 }] }],
    },
  ],
})

// The machine has a network card at 00:03.0, and nothing at 00:02.0.
const card = { headerType: 0, classCode: 0x0200, secondaryBus: null, vendorId: 0x1af4, deviceId: 0x1041 }
const topology = { functions: [{ segment: 0, bus: 0, device: 3, function: 0, ...card }] }

for (const { rule, offset, message } of lintTable(bytes, { topology })) {
  console.log(`${rule.id} ${rule.level} at 0x${offset.toString(16)}: ${message}`)
  console.log(`  ${rule.kernel}`)
}
