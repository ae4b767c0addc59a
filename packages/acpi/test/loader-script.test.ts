import { expect, it } from 'vitest'
import { buildLoaderScript, type LoaderCommand, parseLoaderScript } from '../src/index.ts'

const load = (file: string): LoaderCommand => ({ command: 'allocate', file, align: 64, zone: 'high' })
const names = (...files: string[]): string[] =>
  parseLoaderScript(buildLoaderScript(files.map(load))).map((one) => (one.command === 'allocate' ? one.file : ''))

it('tells files apart of which one’s name begins another’s, whichever comes first', () => {
  expect(names('etc/acpi', 'etc/acpi/tables', 'etc/acpi')).toEqual(['etc/acpi', 'etc/acpi/tables', 'etc/acpi'])
  expect(names('etc/acpi/tables', 'etc/acpi', '')).toEqual(['etc/acpi/tables', 'etc/acpi', ''])
})

it('reads a name of 55 characters, and one of all 56 bytes, which no NUL ends', () => {
  const longest = 'n'.repeat(55)
  const bytes = buildLoaderScript([load(longest), load(longest)])
  bytes[128 + 4 + 55] = 0x6e
  expect(parseLoaderScript(bytes)).toEqual([load(longest), load(`${longest}n`)])
})

it('reads more names than a machine has files', () => {
  const many = Array.from({ length: 40 }, (_, index) => `file ${index}`)
  expect(names(...many, ...many)).toEqual([...many, ...many])
})
