import type { PageAllocator } from '@dmascope/dma'
import { FECTL, GSTS, RTADDR, TABLE_MODE, VTD_REGISTERS } from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { plainMessage } from '../plain-interrupts.ts'
import { ContextTables, type RequesterTables } from './context-tables.ts'
import type { DrhdUnit } from './dmar-units.ts'
import type { RemappingUnit } from './remapping-unit.ts'
import { ScalableTables } from './scalable-tables.ts'

const R = VTD_REGISTERS.registers

/** Turns off what an earlier owner left on. */
export function turnOff(unit: RemappingUnit, log: (line: string) => void): void {
  if ((unit.status & GSTS.fields.TES.loMask) === 0) return
  log(`DMAR: ${unit.name}: translation was on; turned off`)
  unit.disable('TE')
}

/**
 * Makes units ready to translate, in Linux's order: first, of each, the invalidation queue, translation off and an
 * empty root table; then, of each, the root table latched, and all caches dropped where that does not; then fault events. Translation itself
 * comes on last of all, when the tables are filled.
 *
 * @returns each unit's tables; null where one of them cannot be had
 */
export function setUpUnits(
  units: readonly DrhdUnit[],
  bus: CpuBus,
  pages: PageAllocator,
  log: (line: string) => void,
  faultVector: number | undefined,
): Map<DrhdUnit, RequesterTables> | null {
  const tables = new Map<DrhdUnit, RequesterTables>()
  for (const drhd of units) {
    const { unit } = drhd
    log(`DMAR: ${unit.name}: ${unit.enableQueue() ? 'queued' : 'register-based'} invalidation`)
    turnOff(unit, log)
    const made = unit.scalable ? ScalableTables.create(bus, pages) : ContextTables.create(bus, pages)
    if (made === null || unit.dead) return null
    tables.set(drhd, made)
  }
  for (const [{ unit }, made] of tables) {
    unit.flushWriteBuffer()
    const mode = unit.scalable ? TABLE_MODE.scalable : TABLE_MODE.legacy
    unit.registers.write64(R.RTADDR, highWord(made.root), RTADDR.fields.TTM.setLo(lowWord(made.root), mode))
    if (!unit.trigger('SRTP')) return null
    if (!unit.capabilities.flushesOnSetRoot) {
      unit.invalidateContext(null)
      if (unit.scalable) unit.invalidatePasids(null)
      unit.invalidateIotlb(null)
    }
    if (unit.dead) return null
  }
  if (faultVector !== undefined) for (const { unit } of units) enableFaultEvents(unit, faultVector)
  return tables
}

/** Fault events are the unit's own messages, which remapping does not touch: in the processors' own format. */
export function enableFaultEvents({ registers }: RemappingUnit, vector: number): void {
  const message = plainMessage(vector)
  registers.write32(R.FEDATA, message.data)
  registers.write32(R.FEADDR, message.lo)
  registers.write32(R.FEUADDR, message.hi)
  registers.write32(R.FECTL, registers.read32(R.FECTL) & ~FECTL.fields.IM.loMask)
}
