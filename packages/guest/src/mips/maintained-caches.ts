import type { Coherency } from '@dmascope/dma'
import type { CacheBus, CpuBus } from '@dmascope/memory/contracts'
import type { DmaPlatform } from '../dma/dma-platform.ts'
import type { GuestProfile } from '../profile/guest-profile.ts'
import { flushReadAhead, type Processor } from './processor.ts'

/**
 * What direct DMA takes on BMIPS, where no device is coherent with the processor (CONFIG_DMA_NONCOHERENT): maintenance of
 * the cache, as arch/mips/mm/dma-noncoherent.c does it. Processors that fetch ahead want more after DMA: their cache may
 * have fetched what the device had not written yet (`cpu_needs_post_dma_flush`), or what is before it
 * (`arch_sync_dma_for_cpu_all`).
 */
export function maintainedCaches(
  { name, fetchesAhead }: Processor,
  bus: CpuBus,
  { cacheMaintenance, aheadFlush }: Pick<GuestProfile, 'cacheMaintenance' | 'aheadFlush'>,
): DmaPlatform {
  const { cache, uncachedOffset = 0 } = bus
  if (cache === undefined) return { partsOf: () => ({}) }
  const after = aheadFlush ? fetchesAhead : null
  const coherency = throughCache(cache, uncachedOffset, after, () => flushReadAhead(bus))
  const needs = {
    'read-ahead cache': 'what its read-ahead cache holds is flushed after DMA',
    lines: 'lines that it fetched ahead are forgotten after DMA',
  } as const
  return {
    partsOf: () => (cacheMaintenance ? { coherency } : {}),
    why: () => [
      {
        fact: `caches are not coherent with its DMA: the DMA API ${cacheMaintenance ? 'writes back and forgets lines' : 'would have to maintain them, and this kernel’s does not'}`,
        source: 'CONFIG_DMA_NONCOHERENT',
      },
      ...(fetchesAhead === null
        ? []
        : [
            {
              fact: `the processor is a ${name}: ${needs[fetchesAhead]}${after === null || !cacheMaintenance ? ', but this kernel does not' : ''}`,
              source: 'PRId of coprocessor 0',
            },
          ]),
    ],
  }
}

const throughCache = (
  cache: CacheBus,
  uncachedOffset: number,
  after: Processor['fetchesAhead'],
  flush: () => void,
): Coherency => {
  const forget = (cpu: number, length: number, direction: 'to-device' | 'from-device' | 'bidirectional'): void => {
    if (direction !== 'from-device') cache.clean(cpu, length)
    if (direction !== 'to-device') cache.invalidate(cpu, length)
  }
  return {
    beforeDevice: forget,
    afterDevice(cpu, length, direction) {
      if (after === 'lines') forget(cpu, length, direction)
      else if (after !== null) flush()
    },
    // KSEG1: the same memory past the caches.
    uncached: (cpu) => cpu + uncachedOffset,
  }
}
