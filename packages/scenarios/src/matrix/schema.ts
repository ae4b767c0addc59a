import { reportSchema } from '@dmascope/report/schema'
import { z } from 'zod'

const count = z.int().min(0)
const device = reportSchema.shape.devices.element.shape

const result = {
  cell: z.string().describe('guest/hypervisor/platform/iommu/device: what dmascope matrix --cell takes.'),
  guest: z.string(),
  hypervisor: z.string(),
  platform: z.string(),
  iommu: z.string(),
  device: z.string(),
  impossible: z.string().exactOptional().describe('Why there is no such machine; all below is left out then.'),
  status: device.status.exactOptional(),
  passthrough: device.passthrough.exactOptional(),
  verdict: device.verdict.exactOptional(),
  firmwareTruth: device.firmwareTruth.exactOptional(),
  dmaPath: device.guest.shape.dmaPath.exactOptional(),
  dma: z
    .strictObject({ translated: count, untranslated: count, faulted: count, stray: count })
    .exactOptional()
    .describe('Accesses of the self-test.'),
  io: z.string().exactOptional(),
  findings: z.array(z.string()).exactOptional(),
}

/** A line of `--format jsonl`. */
export const resultLineSchema = z.strictObject({ dmascope: z.string(), ...result })

/** What `--format json` prints. */
export const matrixDocumentSchema = z.strictObject({
  schemaVersion: z.literal(1),
  tool: z.strictObject({ name: z.literal('dmascope'), version: z.string() }),
  asked: count.describe('Cells that were asked for. Fewer results: it was stopped.'),
  results: z.array(z.strictObject(result)).describe('In the order of the axes.'),
})

/** JSON Schema (draft 2020-12) of the document. */
export function matrixJsonSchema(): object {
  return z.toJSONSchema(matrixDocumentSchema, { io: 'output' })
}
