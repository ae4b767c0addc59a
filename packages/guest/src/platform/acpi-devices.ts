import { findAcpiDevices } from '@dmascope/acpi'
import { type AcpiTables, tryParse } from '../early/acpi-tables.ts'
import type { PlatformDevice } from './platform-device.ts'

/** What drivers here know. */
const KNOWN = ['LNRO0005']

/**
 * Devices on no bus that the DSDT tells of, in the order of the namespace, which is the order in which Linux makes them.
 * Interrupts are global system interrupts.
 */
export function readAcpiDevices(tables: AcpiTables, log: (line: string) => void): PlatformDevice[] {
  const dsdt = tables.find('DSDT')
  if (dsdt === null) return []
  return KNOWN.filter((hid) => mentions(dsdt.bytes, hid)).flatMap((hid) => {
    const found = tryParse(() => findAcpiDevices(dsdt.bytes, hid), log) ?? []
    return found.flatMap(({ path, resources, coherent }, index): PlatformDevice[] => {
      const [memory] = resources?.memory ?? []
      if (memory === undefined) return []
      const [gsi] = resources?.interrupts ?? []
      return [
        {
          // Linux counts devices of an ID, in hexadecimal.
          id: `${hid}:${index.toString(16).padStart(2, '0')}`,
          compatible: [hid],
          base: memory.first,
          size: memory.last - memory.first + 1,
          interrupt:
            gsi === undefined
              ? null
              : { number: gsi, trigger: resources?.edges.includes(gsi) === true ? 'edge' : 'level' },
          coherent: coherent === true,
          source: path,
          iommu: 'no table puts an IOMMU in front of the device',
          behind: null,
        },
      ]
    })
  })
}

/** Whether the text stands anywhere in a table: most name no such device, and need not be evaluated for it. */
function mentions(table: Uint8Array, text: string): boolean {
  const first = text.charCodeAt(0)
  for (let at = table.indexOf(first); at >= 0; at = table.indexOf(first, at + 1)) {
    let matched = 1
    while (matched < text.length && table[at + matched] === text.charCodeAt(matched)) matched++
    if (matched === text.length) return true
  }
  return false
}
