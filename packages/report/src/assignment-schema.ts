import { z } from 'zod'

const hex = z.string().regex(/^0x[0-9a-f]+$/)
const io = z.strictObject({ attempted: z.boolean(), ok: z.boolean(), detail: z.string() })
const count = z.int().min(0)

/** What came of giving devices to one user's program. */
export const assignmentSchema = z.strictObject({
  devices: z.array(z.string()),
  outcome: z.enum(['assigned', 'refused']),
  refusal: z
    .strictObject({
      request: z.string(),
      answer: z.string().describe('As errno names it; hangs where the call never comes back.'),
      reason: z.enum([
        'no-device',
        'probe-never-ends',
        'is-iommu',
        'deferred',
        'bridge',
        'no-group',
        'no-capability',
        'not-viable',
        'direct-mapping',
        'interrupts',
        'no-domain',
      ]),
      because: z.string(),
      device: z.string().nullable(),
      log: z.string().nullable().describe('What the kernel’s log says, in the words of this version.'),
    })
    .nullable(),
  groups: z.array(
    z.strictObject({
      id: z.int(),
      viable: z.boolean(),
      devices: z.array(
        z.strictObject({
          id: z.string(),
          driver: z.string().nullable(),
          part: z.enum(['assigned', 'idle', 'holds']),
        }),
      ),
      regions: z.array(
        z.strictObject({
          start: hex,
          end: hex,
          type: z.enum(['direct', 'direct-relaxable', 'reserved', 'msi']),
          because: z.string(),
        }),
      ),
    }),
  ),
  iovas: z.array(z.strictObject({ start: hex, end: hex })),
  used: z.array(
    z.strictObject({
      id: z.string(),
      group: z.int(),
      io,
      interrupt: z.string(),
      dma: z.strictObject({ translated: count, untranslated: count, faulted: count }),
      reach: z.enum(['contained', 'open', 'untested']),
      reachDetail: z.string(),
    }),
  ),
  returned: z.array(z.strictObject({ id: z.string(), driver: z.string(), io })),
  steps: z.array(z.strictObject({ request: z.string(), answer: z.string(), log: z.string().exactOptional() })),
})
