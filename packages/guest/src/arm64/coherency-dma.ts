import type { Coherency } from '@dmascope/dma'
import { type CacheBus, type CpuBus, platformOwner } from '@dmascope/memory/contracts'
import type { DmaPlatform } from '../dma/dma-platform.ts'
import type { GuestProfile } from '../profile/guest-profile.ts'
import type { ArmPlatform } from './arm-platform.ts'

const SEGMENT = /^([0-9a-f]{4}):/

/**
 * What direct DMA takes to keep memory the same for processor and devices, by what the tree says of them: maintenance
 * of the cache for those that it does not call coherent (Linux's `of_dma_is_coherent` and arm64's
 * `arch_sync_dma_for_device` and `arch_sync_dma_for_cpu`), and a read of the register that waits for writes, where the
 * platform has one.
 */
export function coherencyDma(
  { hostBridges, devices, writeBuffer }: Pick<ArmPlatform, 'hostBridges' | 'devices' | 'writeBuffer'>,
  bus: CpuBus,
  { cacheMaintenance, writeDrain }: Pick<GuestProfile, 'cacheMaintenance' | 'writeDrain'>,
): DmaPlatform {
  const segments = new Map(hostBridges.map(({ ecam, coherency }) => [ecam.segment, coherency]))
  const others = new Map(
    devices.map(({ base, coherent, source }) => [platformOwner(base), { coherent, by: source }] as const),
  )
  const saidOf = (id: string): { readonly coherent: boolean; readonly by: string } | undefined => {
    const segment = SEGMENT.exec(id)
    return segment === null ? others.get(id) : segments.get(Number.parseInt(segment[1]!, 16))
  }
  const { cache, uncachedOffset = 0 } = bus
  const maintained = cache === undefined ? null : throughCache(cache, uncachedOffset)
  const drained =
    writeBuffer === undefined
      ? null
      : { coherency: pastBuffer(uncachedOffset), barrier: { drain: () => void bus.read32(writeBuffer.register) } }
  return {
    partsOf: ({ id }) => ({
      ...(drained !== null && writeDrain && drained),
      ...(maintained !== null && cacheMaintenance && saidOf(id)?.coherent === false && { coherency: maintained }),
    }),
    why({ id }) {
      const said = saidOf(id)
      return [
        ...(maintained !== null && said?.coherent === false
          ? [
              {
                fact: `caches are not coherent with its DMA: the DMA API ${cacheMaintenance ? 'writes back and forgets lines' : 'would have to maintain them, and this kernel’s does not'}`,
                source: `${said.by}, which nothing calls dma-coherent`,
              },
            ]
          : []),
        ...(writeBuffer === undefined
          ? []
          : [
              {
                fact: `writes arrive late: the DMA API ${writeDrain ? 'reads' : 'would have to read, and this kernel’s does not,'} the register at 0x${writeBuffer.register.toString(16)} that waits for them`,
                source: writeBuffer.by,
              },
            ]),
      ]
    },
  }
}

/** Linux cleans whatever the direction, of late, and invalidates what a device may have written. */
const throughCache = (cache: CacheBus, uncachedOffset: number): Coherency => ({
  beforeDevice: (cpu, length) => cache.clean(cpu, length),
  afterDevice(cpu, length, direction) {
    if (direction !== 'to-device') cache.invalidate(cpu, length)
  },
  uncached: (cpu) => cpu + uncachedOffset,
})

/** Memory for both at once is mapped past the buffer. */
const pastBuffer = (uncachedOffset: number): Coherency => ({
  beforeDevice: () => {},
  afterDevice: () => {},
  uncached: (cpu) => cpu + uncachedOffset,
})
