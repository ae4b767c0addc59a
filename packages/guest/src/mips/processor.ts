import type { CpuBus } from '@dmascope/memory/contracts'
import { BMIPS4380_REVISIONS, BROADCOM, CORE, CORE_BYTES, CP0, PRID, PROCESSOR_ID, RAC_CONFIG } from '../spec/bmips.ts'

/** What a kernel has to do after DMA, beside what every cache wants: what processors read on their own. */
type FetchesAhead = 'read-ahead cache' | 'lines' | null

export interface Processor {
  readonly name: string
  readonly fetchesAhead: FetchesAhead
}

const KINDS: Readonly<Record<number, Processor>> = {
  [PROCESSOR_ID.BMIPS3300]: { name: 'BMIPS3300', fetchesAhead: 'read-ahead cache' },
  [PROCESSOR_ID.BMIPS3300_ALT]: { name: 'BMIPS3300', fetchesAhead: 'read-ahead cache' },
  [PROCESSOR_ID.BMIPS3300_BUG]: { name: 'BMIPS3300', fetchesAhead: 'read-ahead cache' },
  [PROCESSOR_ID.BMIPS5000]: { name: 'BMIPS5000', fetchesAhead: 'lines' },
  [PROCESSOR_ID.BMIPS5200]: { name: 'BMIPS5000', fetchesAhead: 'lines' },
}

/** The kind of processor, as Linux's `cpu_probe_broadcom` tells it. A text is why a BMIPS kernel does not run there. */
export function identifyProcessor({ systemRegisters }: CpuBus): Processor | string {
  const id = systemRegisters?.read(CP0.PRId) ?? 0
  const { COMPANY_ID, PROCESSOR_ID: PROCESSOR, REVISION } = PRID.fields
  const kind = PROCESSOR.get(id)
  if (COMPANY_ID.get(id) === BROADCOM) {
    if (kind === PROCESSOR_ID.BMIPS43XX) {
      const revision = REVISION.get(id)
      const is4380 = revision >= BMIPS4380_REVISIONS.first && revision <= BMIPS4380_REVISIONS.last
      return { name: is4380 ? 'BMIPS4380' : 'BMIPS4350', fetchesAhead: 'read-ahead cache' }
    }
    const found = KINDS[kind]
    if (found !== undefined) return found
  }
  return `Unknown Broadcom CPU: PRId 0x${id.toString(16).padStart(8, '0')}`
}

/** Has the read-ahead cache forget all (`arch_sync_dma_for_cpu_all`). The last read is there for the write to arrive. */
export function flushReadAhead(bus: CpuBus): void {
  const base = bus.systemRegisters?.read(CP0.BRCM_CBR) ?? 0
  const register = Math.floor(base / CORE_BYTES) * CORE_BYTES + CORE.registers.BMIPS_RAC_CONFIG.offset
  bus.write32(register, RAC_CONFIG.fields.FLUSH.setLo(bus.read32(register), 1))
  bus.read32(register)
}
