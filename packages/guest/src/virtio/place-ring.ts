import type { DmaMapping } from '@dmascope/dma'
import {
  PACKED_EVENT_BYTES,
  packedRingBytes,
  type RingAddresses,
  splitRingBytes,
  splitRingLayout,
} from '@dmascope/virtqueue/driver'
import type { DmaPath } from './dma-path.ts'
import type { PlacedQueue, VirtioTransport } from './transport.ts'

/** Where a queue's ring was put, as both sides address it. */
export interface RingPlace {
  readonly device: PlacedQueue
  readonly cpu: RingAddresses
  /** The pieces of memory that it took, and what to call them. */
  readonly pieces: readonly { readonly purpose: string; readonly mapping: DmaMapping }[]
}

const addressIn = (mapping: DmaMapping, offset = 0): PlacedQueue['desc'] => {
  const lo = mapping.lo + offset
  return { hi: (mapping.hi + (lo > 0xffff_ffff ? 1 : 0)) >>> 0, lo: lo >>> 0 }
}

/**
 * A split ring in one piece of memory. The legacy interface has no way to choose a size; with the modern one Linux takes
 * what memory it can get.
 *
 * @returns null where there is none
 */
export function placeSplitRing(
  dma: DmaPath,
  offered: number,
  transport: VirtioTransport,
  purpose: string,
): RingPlace | null {
  const { queueAlign, kind } = transport
  let size = offered
  let mapping = dma.allocCoherent(splitRingBytes(size, queueAlign), purpose)
  while (mapping === null && kind !== 'legacy' && splitRingBytes(size, queueAlign) > 4096 && size > 1) {
    size >>>= 1
    mapping = dma.allocCoherent(splitRingBytes(size, queueAlign), purpose)
  }
  if (mapping === null) return null
  const { desc, driver, device } = splitRingLayout(size, queueAlign)
  return {
    device: {
      size,
      desc: addressIn(mapping, desc),
      driver: addressIn(mapping, driver),
      device: addressIn(mapping, device),
    },
    cpu: { size, desc: mapping.cpu + desc, driver: mapping.cpu + driver, device: mapping.cpu + device },
    pieces: [{ purpose, mapping }],
  }
}

/**
 * A packed ring as Linux places it: three pieces of memory, and of the size that the device offers or not at all.
 *
 * @returns null where memory does not suffice
 */
export function placePackedRing(dma: DmaPath, size: number, purpose: string): RingPlace | null {
  const pieces: { purpose: string; mapping: DmaMapping }[] = []
  for (const [part, bytes] of [
    [purpose, packedRingBytes(size)],
    [`${purpose}, driver area`, PACKED_EVENT_BYTES],
    [`${purpose}, device area`, PACKED_EVENT_BYTES],
  ] as const) {
    const mapping = dma.allocCoherent(bytes, part)
    if (mapping === null) {
      for (const piece of pieces) dma.freeCoherent(piece.mapping)
      return null
    }
    pieces.push({ purpose: part, mapping })
  }
  const [desc, driver, device] = pieces.map(({ mapping }) => mapping) as [DmaMapping, DmaMapping, DmaMapping]
  return {
    device: { size, desc: addressIn(desc), driver: addressIn(driver), device: addressIn(device) },
    cpu: { size, desc: desc.cpu, driver: driver.cpu, device: device.cpu },
    pieces,
  }
}
