import { anyTableSchema } from '@dmascope/acpi/schema'
import { PLAIN_TREE } from '@dmascope/devicetree/plain/schema'
import { z } from 'zod'

const problem = z
  .strictObject({
    code: z.string(),
    offset: z.int().min(0),
    line: z.int().min(1).optional(),
    message: z.string(),
  })
  .describe('Something wrong, at a byte of the table or at a line of its text; ignored when built')

/** What every item has besides its content; ignored when built. */
const origin = {
  source: z.string().optional().describe('The file that it came from'),
  form: z.string().optional().describe('raw, acpidump, iasl, dtb or dts'),
  line: z.int().min(1).optional().describe('Where it starts in a text'),
  address: z
    .union([z.int().min(0), z.string()])
    .optional()
    .describe('Where it lay in memory'),
  problems: z.array(problem).optional(),
}

const itemOf = (table: z.ZodType, tree: z.ZodType) =>
  z.discriminatedUnion('format', [
    z.strictObject({ format: z.literal('acpi'), ...origin, table }),
    z.strictObject({ format: z.literal('devicetree'), ...origin, tree }),
    z
      .strictObject({
        format: z.literal('bytes'),
        ...origin,
        data: z.string().regex(/^(?:[0-9a-fA-F]{2})*$/, { error: 'expected pairs of hexadecimal digits' }),
      })
      .describe('What is too damaged for more: all bytes as hexadecimal digits'),
  ])

const documentOf = (item: z.ZodType) =>
  z.strictObject({ $schema: z.string().optional(), schemaVersion: z.literal(1), tables: z.array(item) })

/** A document but for the tables and trees in it, each of which is held against the schema of its own kind. */
export const ENVELOPE = documentOf(itemOf(z.unknown(), z.unknown()))
export type Envelope = {
  readonly tables: readonly (
    | { readonly format: 'acpi'; readonly source?: string; readonly table: unknown }
    | { readonly format: 'devicetree'; readonly source?: string; readonly tree: unknown }
    | { readonly format: 'bytes'; readonly source?: string; readonly data: string }
  )[]
}

/** The JSON Schema (draft 2020-12) of what `decode --format json` prints and `build` takes. A fresh object each time. */
export const tablesSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(documentOf(itemOf(anyTableSchema(), PLAIN_TREE)), {
    target: 'draft-2020-12',
    unrepresentable: 'any',
  }),
  title: 'Tables of dmascope',
})
