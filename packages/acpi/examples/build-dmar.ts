import { buildDmar, parseDmar, printTable, sdtHeader } from '@dmascope/acpi'

// One IOMMU at 0xfed90000 that translates 00:02.0 and everything behind the root port 00:03.0.
const bytes = buildDmar({
  signature: 'DMAR',
  header: sdtHeader(1),
  hostAddressWidth: 47, // one less than 48 bits
  flags: 1, // INTR_REMAP
  records: [
    {
      kind: 'DRHD',
      flags: 0,
      size: 0,
      segmentNumber: 0,
      registerBaseAddress: 0xfed90000,
      scopes: [
        { kind: 'endpoint', flags: 0, enumerationId: 0, startBusNumber: 0, path: [{ device: 2, function: 0 }] },
        { kind: 'bridge', flags: 0, enumerationId: 0, startBusNumber: 0, path: [{ device: 3, function: 0 }] },
      ],
    },
  ],
})

const table = parseDmar(bytes)
console.log(`${bytes.length} bytes, problems: ${table.problems.length}`)
console.log(printTable(table).split('\n').slice(9, 26).join('\n'))
