import type { Claim, Said } from './claim.ts'
import { BOUNCE_PARTS, ENCRYPTION_PARTS, SKIPS_BOUNCING } from './confidential-parts.ts'
import { SKIPS_COHERENCY, SKIPS_FLUSHING } from './hellwig-2018-coherency.ts'
import { OFFSET_BYPASS_PARTS, OFFSET_PARTS, WINDOW_PARTS } from './offset-parts.ts'

const JUNE: Said = {
  who: 'Christoph Hellwig',
  when: '2018-06-07',
  in: 'virtio: Add platform specific DMA API translation for virito devices',
}

/** What the DMA API does. */
export const HELLWIG_JUNE_2018: readonly Claim[] = [
  {
    number: 32,
    said: JUNE,
    claim:
      'The DMA API translates addresses for more than IOMMUs: offsets between a bus and memory, offsets for each bank, and encryption bits.',
    parts: [...OFFSET_PARTS, ...ENCRYPTION_PARTS],
  },
  {
    number: 34,
    said: JUNE,
    claim:
      'The DMA API bounces data where devices do not reach all memory; a virtio device without bit 33 goes past that.',
    parts: [...BOUNCE_PARTS, ...WINDOW_PARTS],
  },
  {
    number: 36,
    said: JUNE,
    claim: 'Virtio goes past all four by default: translation, coherency, bouncing and flushing.',
    parts: [...OFFSET_BYPASS_PARTS, SKIPS_COHERENCY, SKIPS_BOUNCING, SKIPS_FLUSHING],
  },
]
