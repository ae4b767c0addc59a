import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { parseDmar } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import type { PciDevice } from '../src/iommu/contract.ts'
import { dmarFrom, pci, TestMachine } from './iommu-machine.ts'

const corpus = process.env.DMASCOPE_CORPUS
const folder = corpus === undefined ? '' : join(corpus, 'acpi', 'DMAR')
const present = folder !== '' && existsSync(folder)

/** The functions that a table's scopes name, bridges of their paths included. */
function devicesOf(dmar: ReturnType<typeof parseDmar>): { device: PciDevice; base: number }[] {
  const found: { device: PciDevice; base: number }[] = []
  const bridges = new Map<string, PciDevice>()
  for (const record of dmar.records) {
    if (record.kind !== 'DRHD') continue
    for (const scope of record.scopes) {
      if (scope.kind !== 'endpoint' && scope.kind !== 'bridge') continue
      let parent: PciDevice | null = null
      let bus = scope.startBusNumber
      for (const [index, step] of scope.path.entries()) {
        const last = index === scope.path.length - 1
        const hex = (value: number): string => value.toString(16).padStart(2, '0')
        const bdf = `${hex(bus)}:${hex(step.device)}.${step.function}`
        const headerType = last && scope.kind === 'endpoint' ? 0 : 1
        const made: PciDevice =
          bridges.get(bdf) ??
          pci(bdf, { segment: record.segmentNumber, headerType, pcieType: headerType === 1 ? 4 : 0, parent })
        if (last) found.push({ device: made, base: Number(record.registerBaseAddress) })
        else bridges.set(bdf, made)
        parent = made
        // Whatever bus the bridge leads to: one that nothing else is on.
        bus = 0x80 + bridges.size
      }
    }
  }
  return found
}

describe.skipIf(!present)('DMARs of real machines (skipped unless DMASCOPE_CORPUS is a folder with acpi/DMAR)', () => {
  const files = present ? readdirSync(folder).filter((name) => statsAsTable(join(folder, name))) : []

  it('there are some', () => {
    expect(files.length).toBeGreaterThan(100)
  })

  it.each(files)('%s: the kernel takes every unit up, and finds every device behind the unit that names it', (name) => {
    const tables = dmarFrom(new Uint8Array(readFileSync(join(folder, name))))
    const machine = new TestMachine()
    const bases = new Set<number>()
    for (const record of tables.dmar.records) if (record.kind === 'DRHD') bases.add(Number(record.registerBaseAddress))
    for (const base of bases) machine.addUnit({}, base)
    const named = devicesOf(tables.dmar)
    const devices = [...new Map(named.map(({ device }) => [`${device.segment} ${device.id}`, device])).values()]
    const iommu = machine.boot(tables)
    iommu.enableInterruptRemapping()
    iommu.attachDevices(devices)
    expect(iommu.panic).toBeNull()
    if (bases.has(0)) {
      // One firmware of the corpus says so; Linux calls it broken and leaves the whole table alone.
      expect(iommu.iommus).toEqual([])
      expect(machine.log.some((line) => line.includes('has its registers at address 0'))).toBe(true)
      return
    }
    expect(iommu.iommus.map(({ base }) => base)).toEqual([...bases])
    for (const device of devices) {
      // Two scopes may name one device; the kernel's order decides between them.
      const allowed = named.filter((one) => one.device.id === device.id && one.device.segment === device.segment)
      const by = iommu.coverage(device).by ?? ''
      expect(allowed.some(({ base }) => by.startsWith(`DMAR DRHD 0x${base.toString(16)}, scope`))).toBe(true)
    }
    machine.ram.dispose()
  })
})

function statsAsTable(path: string): boolean {
  const bytes = readFileSync(path)
  return bytes.length > 36 && bytes.subarray(0, 4).toString('latin1') === 'DMAR'
}
