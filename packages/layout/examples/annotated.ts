import { type AnnotatedLine, formatAnnotated } from '@dmascope/layout'

// What a parser makes of bytes: a line a field, and one that opens each record.
const lines: AnnotatedLine[] = [
  { offset: 0, size: 4, bytes: '4d434647', field: 'Signature', value: '"MCFG"', meaning: '', depth: 0 },
  { offset: 4, size: 6, bytes: '', field: 'Allocation', value: 'PCI Firmware 3.0', meaning: '', depth: 0 },
  { offset: 4, size: 4, bytes: '000000b0', field: 'Base', value: '0xb0000000', meaning: 'in memory', depth: 1 },
  { offset: 8, size: 2, bytes: '0100', field: 'Segment', value: '0x0001', meaning: '', depth: 1 },
]
const problems = [{ code: 'SEGMENT', offset: 8, message: 'there is only segment 0' }]

for (const text of formatAnnotated(lines, { problems, width: 80 })) console.log(text.trimEnd())
