import { describe, expect, it } from 'vitest'
import { refuseUnmodelledParameters } from '../src/index.ts'

const refuse = (line: string) => () => refuseUnmodelledParameters(line, '--append')

describe('parameters that would change what devices do', () => {
  it.each(['acpi=off', 'quiet noapic', 'nolapic', 'pci=nomsi,noacpi', 'pci=off', 'swiotlb=force'])(
    '%s is refused by name',
    (line) => {
      const word = line.split(' ').at(-1)
      expect(refuse(line)).toThrow(
        expect.objectContaining({
          code: 'GUEST_NOT_MODELLED',
          message: expect.stringContaining(`--append: '${word}' makes`),
        }),
      )
    },
  )

  it.each([
    'intel_iommu=on iommu=pt pci=nomsi',
    'pci=realloc,nocrs mem=256M',
    'acpi=force console=ttyS0 memtest=1',
    'swiotlb=65536 noapictimer -- noapic',
    '',
  ])('%s boots', (line) => expect(refuse(line)).not.toThrow())
})
