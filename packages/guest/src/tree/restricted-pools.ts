import { type DeviceTree, type DtNode, memoryRegions, pathOf, RESTRICTED_DMA_POOL } from '@dmascope/devicetree'
import { PoolPages, SEGMENT_SLOTS, SLOT_BYTES, Swiotlb } from '@dmascope/dma'
import { type CpuBus, platformOwner } from '@dmascope/memory/contracts'
import type { DmaParts, DmaPlatform } from '../dma/dma-platform.ts'
import type { RestrictedPool } from '../dma/restricted-pool.ts'
import type { EcamHostBridge } from '../pci/ecam-host-bridge.ts'
import type { PlatformDevice } from '../platform/platform-device.ts'
import type { Fact } from '../result.ts'

const SEGMENT_BYTES = SEGMENT_SLOTS * SLOT_BYTES
/** 1 GiB: what a tree says may be anything. */
const MOST_SEGMENTS = 4096
const PAGE = 4096
const PCI_SEGMENT = /^([0-9a-f]{4}):/

/**
 * The pool that a node's `memory-region` names (Linux's `of_dma_set_restricted_buffer`).
 *
 * @param node - of the device; of the host bridge for PCI functions
 * @returns null where it names none, or one that Linux declines: it must be mapped by the kernel, and nobody else's
 */
export function restrictedPoolOf(tree: DeviceTree, node: DtNode, log: (line: string) => void): RestrictedPool | null {
  const region = memoryRegions(tree, node).find(
    (one) => one.compatible.includes(RESTRICTED_DMA_POOL) && isAvailable(one.node),
  )
  if (region === undefined) return null
  const [place] = region.places
  const by = `memory-region of ${pathOf(node)}: ${pathOf(region.node)}`
  const usable = place !== undefined && typeof place.address === 'number' && typeof place.size === 'number'
  if (!usable || region.noMap || region.reusable) {
    log(`OF: failed to initialise "restricted-dma-pool" memory node (${by})`)
    return null
  }
  return { base: place.address as number, size: place.size as number, by }
}

function isAvailable(node: DtNode): boolean {
  const status = node.string('status')
  return status === undefined || status === 'okay' || status === 'ok'
}

/** Pools in use: one for all devices that name it. */
class Pools {
  readonly #bus: CpuBus
  readonly #log: (line: string) => void
  readonly #made = new Map<number, DmaParts>()

  constructor(bus: CpuBus, log: (line: string) => void) {
    this.#bus = bus
    this.#log = log
  }

  /**
   * All is bounced through it, and memory for both comes from it (`force_bounce`, `for_alloc`).
   *
   * DEVIATION: what is beyond 1 GiB, or at its end no whole segment of 256 KiB, is not used.
   */
  partsOf({ base, size }: RestrictedPool): DmaParts {
    const known = this.#made.get(base)
    if (known !== undefined) return known
    const segments = Math.min(Math.floor(size / SEGMENT_BYTES), MOST_SEGMENTS)
    this.#log(`Reserved memory: created restricted DMA pool at 0x${base.toString(16)}, size ${size / 0x10_0000} MiB`)
    const bounce =
      segments === 0 || base % PAGE !== 0 || !Number.isSafeInteger(base + size)
        ? null
        : new Swiotlb({ memory: this.#bus, start: base, slots: segments * SEGMENT_SLOTS })
    const parts: DmaParts =
      bounce === null
        ? { bounceAll: true, pages: { allocate: () => null, free: () => {} } }
        : { bounce, bounceAll: true, pages: new PoolPages(bounce, this.#bus) }
    this.#made.set(base, parts)
    return parts
  }
}

/**
 * Direct DMA of devices that firmware keeps in a pool. Behind an IOMMU, Linux uses none.
 *
 * @param known - the kernel was built with CONFIG_DMA_RESTRICTED_POOL
 */
export function restrictedDma(
  {
    hostBridges,
    devices,
  }: { readonly hostBridges: readonly EcamHostBridge[]; readonly devices: readonly PlatformDevice[] },
  bus: CpuBus,
  known: boolean,
  log: (line: string) => void,
): DmaPlatform {
  const segments = new Map<number, RestrictedPool>()
  for (const { ecam, restrictedPool } of hostBridges) {
    if (restrictedPool !== undefined) segments.set(ecam.segment, restrictedPool)
  }
  const others = new Map<string, RestrictedPool>()
  for (const { base, restrictedPool } of devices) {
    if (restrictedPool !== undefined) others.set(platformOwner(base), restrictedPool)
  }
  const poolOf = (id: string): RestrictedPool | undefined => {
    const segment = PCI_SEGMENT.exec(id)
    return segment === null ? others.get(id) : segments.get(Number.parseInt(segment[1]!, 16))
  }
  const pools = new Pools(bus, log)
  return {
    partsOf({ id }) {
      const pool = poolOf(id)
      return pool === undefined || !known ? {} : pools.partsOf(pool)
    },
    why({ id }): readonly Fact[] {
      const pool = poolOf(id)
      if (pool === undefined) return []
      const place = `0x${pool.base.toString(16)} to 0x${(pool.base + pool.size - 1).toString(16)}`
      return [
        {
          fact: known
            ? `the DMA API keeps it in the pool at ${place}`
            : `firmware wants its DMA kept at ${place}; this kernel has no restricted pools, and takes no notice`,
          source: pool.by,
        },
      ]
    },
  }
}
