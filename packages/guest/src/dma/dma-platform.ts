import { DirectDma, type DirectDmaOptions, type PageAllocator } from '@dmascope/dma'
import type { DmaWitness } from '@dmascope/memory/contracts'
import type { Fact } from '../result.ts'

/** What stands between a device and memory where no IOMMU translates for it. */
export type DmaParts = Pick<DirectDmaOptions, 'view' | 'coherency' | 'bounce' | 'bounceAll' | 'closed' | 'barrier'> & {
  /** Where memory comes from that devices and the kernel both use; the kernel's own pages unless given. */
  readonly pages?: PageAllocator
}

/** A device, as a platform's rules ask about it. */
export interface DmaDevice {
  /** As Linux names it, and the witness knows it: `0000:00:03.0` on PCI, `a003e00.virtio_mmio` on no bus. */
  readonly id: string
}

/** The architecture's choice for each device, from what it found: tables, trees, registers, hypercalls. */
export interface DmaPlatform {
  /** @param maskBits - address bits of the device, where they are known */
  partsOf(device: DmaDevice, maskBits?: number): DmaParts
  /** What firmware says of it, for the reasons; nothing unless given. */
  why?(device: DmaDevice): readonly Fact[]
  /** What says that its bus sees memory at other addresses than the processor; null, or left out, for nothing. */
  windowsBy?(device: DmaDevice): string | null
}

/** Memory is at the same address on every bus, and caches are coherent: nothing is needed. */
export const PLAIN_DMA: DmaPlatform = { partsOf: () => ({}) }

/** The same for every device. */
export const dmaOfAll = (parts: DmaParts): DmaPlatform => ({ partsOf: () => parts })

/** What several rules say of a device together; of two that name the same part, the later one holds. */
export const joinDma = (...platforms: readonly DmaPlatform[]): DmaPlatform => ({
  partsOf: (device, maskBits) => Object.assign({}, ...platforms.map((one) => one.partsOf(device, maskBits))),
  why: (device) => platforms.flatMap((one) => one.why?.(device) ?? []),
  windowsBy: (device) => platforms.map((one) => one.windowsBy?.(device) ?? null).find((by) => by !== null) ?? null,
})

/** The DMA API of a device that no IOMMU translates for. */
export const directDma = (
  {
    pages,
    witness,
    dma,
    log,
  }: {
    readonly pages: PageAllocator
    readonly witness: DmaWitness
    readonly dma: DmaPlatform
    /** Told of shortages. */
    readonly log?: (line: string) => void
  },
  device: DmaDevice,
  maskBits: number,
): DirectDma =>
  new DirectDma({
    owner: device.id,
    maskBits,
    pages,
    witness,
    ...(log !== undefined && { warn: log }),
    ...dma.partsOf(device, maskBits),
  })
