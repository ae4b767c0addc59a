import type { BringUp } from '../architecture/architecture.ts'
import { encryptedPoolBytes, findMemoryEncryption, sharingByPageTables } from '../early/memory-encryption.ts'
import type { AddressRange } from '../early/memory-map.ts'
import { isBefore } from '../profile/guest-profile.ts'
import { setUpBounceBuffers } from './bounce-buffers.ts'
import { type DmaPlatform, dmaOfAll } from './dma-platform.ts'
import { EncryptedView, SharedMemory } from './shared-memory.ts'

const FOUR_GIB = 0x1_0000_0000

/** What direct DMA takes on a PC, and whether virtio devices have to know of it. */
interface PcDma {
  readonly dma: DmaPlatform
  readonly restrictedMemory: boolean
}

/**
 * Linux's choice: bounce buffers where memory lies above 4 GiB, and none with `iommu=off`; in an encrypted guest a pool
 * of shared pages through which all DMA goes.
 *
 * @param ram - usable, ascending
 */
export function setUpPcDma(context: BringUp, ram: readonly AddressRange[]): PcDma {
  const { bus, options, profile, log } = context
  const encryption = findMemoryEncryption(bus, log)
  if (encryption === null) {
    const top = ram.at(-1)?.end ?? 0
    const limited = options.softIommu || (top > FOUR_GIB && !options.iommuOff)
    return { dma: dmaOfAll(setUpBounceBuffers(context, { limited, forced: false })), restrictedMemory: false }
  }
  const shared = new SharedMemory(bus, sharingByPageTables(bus))
  const bounce = setUpBounceBuffers(context, {
    limited: true,
    forced: true,
    bytes: encryptedPoolBytes(ram.reduce((sum, { start, end }) => sum + end - start, 0)),
    open: (start, length) => shared.share(start, length),
  })
  return {
    dma: dmaOfAll({ ...bounce, closed: shared, view: new EncryptedView(shared, encryption.bit) }),
    restrictedMemory: !isBefore(profile, '6.1'),
  }
}
