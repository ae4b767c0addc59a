import fc from 'fast-check'
import { expect, it } from 'vitest'
import { pci, requesterOf } from './iommu-machine.ts'
import { DOORBELL, RAM_BASE, SmmuMachine } from './smmu-machine.ts'

// Each run boots a unit.
const RUNS = Math.ceil(Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) / 10)
const DISK = pci('00:02.0')
const NIC = pci('00:03.0')
const BUFFER = RAM_BASE + 0x10_0000
const word = fc.integer({ min: 0, max: 0xffff_ffff })
const REGISTERS = [0x00, 0x04, 0x0c, 0x14, 0x20, 0x24, 0x44, 0x54, 0x60, 0x64, 0x98, 0x9c, 0x1_00a8] as const

/** All that the kernel does with an SMMU; answers whether it is still in use. */
function use(machine: SmmuMachine, lie: () => void): boolean {
  const iommu = machine.boot([DISK, NIC], { append: 'iommu.strict=0' })
  iommu.configure(DISK)
  lie()
  iommu.configure(NIC)
  for (const device of [DISK, NIC]) {
    const ops = iommu.dmaOps(device, 64)
    iommu.doorbell(device, DOORBELL)
    const mapping = ops.map(BUFFER, 3 * 4096, 'bidirectional', 'test')
    machine.access(requesterOf(device), BUFFER)
    if (mapping !== null) ops.unmap(mapping)
    expect(iommu.readFaults().length).toBeLessThanOrEqual(32768)
    iommu.why(device)
  }
  iommu.flushQueues()
  return iommu.iommus[0]!.enabled
}

it('registers that answer anything, from the start or later on, neither throw nor hang the kernel', () => {
  const lies = fc.array(fc.tuple(fc.constantFrom(...REGISTERS), word), { maxLength: 4 })
  fc.assert(
    fc.property(lies, fc.boolean(), (told, later) => {
      const machine = new SmmuMachine({ tlbEntries: 16, stage2: true, log2Events: 6, log2Commands: 8 })
      const lie = (): void => {
        for (const [offset, value] of told) machine.lies.set(offset, value)
      }
      if (!later) lie()
      use(machine, later ? lie : () => undefined)
    }),
    { numRuns: RUNS },
  )
})

it('memory that changes under the kernel’s hands neither throws nor hangs it', () => {
  // The pages that the kernel takes are the last of RAM, but for the queues: tables, descriptors, entries.
  const places = fc.array(fc.tuple(fc.nat(0x3ff), word), { maxLength: 64 })
  fc.assert(
    fc.property(places, fc.integer({ min: 1, max: 12 }), (damage, pagesBack) => {
      const machine = new SmmuMachine({ tlbEntries: 16, log2Events: 6, log2Commands: 8 })
      use(machine, () => {
        const page = [...machine.pages.live].at(-pagesBack)!
        for (const [at, value] of damage) machine.ram.write32(page + at * 4, value)
      })
    }),
    { numRuns: RUNS },
  )
})

it('whatever page is the last that there is, the kernel goes on', () => {
  const machine = new SmmuMachine({ tlbEntries: 16 })
  use(machine, () => undefined)
  const needed = machine.pages.live.size
  for (const budget of [0, 255, 256, 300, 511, 767, 1022, 1023, 1024, 1030, needed + 520]) {
    const short = new SmmuMachine({ tlbEntries: 16 })
    short.pages.budget = budget
    use(short, () => undefined)
  }
})
