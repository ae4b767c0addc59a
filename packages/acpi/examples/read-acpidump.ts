import { parseTable } from '@dmascope/acpi'
import { findTables } from '@dmascope/acpi/text'

// What acpidump prints; the raw data in a text of iasl is found likewise, and so is a table as it lies in memory.
const dump = `MCFG @ 0x000000007FFE0000
    0000: 4D 43 46 47 3C 00 00 00 01 8C 42 4F 43 48 53 20  MCFG<.....BOCHS 
    0010: 42 58 50 43 20 20 20 20 01 00 00 00 42 58 50 43  BXPC    ....BXPC
    0020: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 B0  ................
    0030: 00 00 00 00 00 00 00 FF 00 00 00 00              ............
`

for (const { bytes, form, line, address = 0 } of findTables(new TextEncoder().encode(dump))) {
  const { signature, problems } = parseTable(bytes)
  console.log(
    `line ${line}, ${form}: ${signature} at 0x${address.toString(16)}, ${bytes.length} bytes, problems: ${problems.length}`,
  )
}
