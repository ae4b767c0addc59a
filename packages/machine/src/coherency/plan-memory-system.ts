import { DmascopeError } from '@dmascope/layout'
import type { CpuModel } from '../arm-virt/cpu-models.ts'
import type { MachineDescription, MemorySystemName } from '../description.ts'
import type { CacheGeometry } from './data-cache.ts'

/** What else of the machine would have to mind what stands before RAM. */
interface Beside {
  readonly msi: 'its' | 'gicv2m' | 'none'
  readonly firmware: boolean
  readonly iommu: boolean
}

/**
 * What stands between processor and RAM: a cache of the shape of the processor's first-level data cache.
 *
 * DEVIATION: there is no second level, and software never misses in instructions or page tables.
 *
 * @throws DmascopeError MACHINE_NOT_MODELLED beside what reads memory of its own accord, and what assigned devices read
 */
export function planMemorySystem(
  { memorySystem: name, devices }: MachineDescription,
  { caches }: CpuModel,
  { msi, firmware, iommu }: Beside,
): { readonly name: MemorySystemName; readonly geometry: CacheGeometry } | null {
  if (name === undefined) return null
  const refuse = (what: string, instead: string): DmascopeError =>
    new DmascopeError('MACHINE_NOT_MODELLED', `memorySystem ${name} beside ${what} is not modelled; ${instead}`, {
      name,
    })
  if (iommu) throw refuse('an IOMMU, which reads its tables from memory,', 'leave the IOMMU out')
  if (msi === 'its') throw refuse('an ITS, which reads its tables from memory,', "write gic-version: '2'")
  if (firmware) throw refuse('firmware', 'leave -bios out')
  const assigned = devices.find(({ model }) => model.startsWith('vfio-pci'))
  if (assigned !== undefined && name !== 'noncoherent' && name !== 'write-buffer') {
    throw refuse('an assigned device, which is not emulated,', `leave ${assigned.model} out`)
  }
  const { size, sets, lineSize } = caches.data
  return { name, geometry: { sets, ways: size / sets / lineSize, lineBytes: lineSize } }
}
