import { buildTable, fromHex, parseTable } from '@dmascope/acpi'

// A DMAR whose second record says that it is 0 bytes long, and whose checksum is wrong.
const bytes = fromHex(
  `444d4152 48000000 01 00 424f43485320 4258504320202020 01000000 42585043 01000000
   2f 01 00000000000000000000
   0000 1000 01 00 0000 0000d9fe00000000
   0100 0000 0000 0000`,
  'table',
)

const table = parseTable(bytes)
for (const { code, offset, message } of table.problems) console.log(`${code} at 0x${offset.toString(16)}: ${message}`)

const same = buildTable(table).every((byte, index) => byte === bytes[index])
console.log(`rebuilt to the same bytes: ${same}`)
