import type { Claim, Said } from './claim.ts'
import { BOUNCE_PARTS } from './confidential-parts.ts'

export const JUNE: Said = {
  who: 'Christoph Hellwig',
  when: '2018-06-07',
  in: 'virtio: Add platform specific DMA API translation for virito devices',
}

/** What the DMA API does. */
export const HELLWIG_JUNE_2018: readonly Claim[] = [
  {
    number: 34,
    said: JUNE,
    claim:
      'The DMA API bounces data where devices do not reach all memory; a virtio device without bit 33 goes past that.',
    parts: BOUNCE_PARTS,
  },
]
