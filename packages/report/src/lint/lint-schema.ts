import { z } from 'zod'

const count = z.int().min(0)

const finding = z.strictObject({
  id: z.string().regex(/^(?:ACPI|DMAR|IVRS|IORT|VIOT|MCFG|MADT|DT)-\d{4}$/),
  level: z.enum(['error', 'warning', 'note']),
  title: z.string(),
  offset: count.nullable().describe('Byte in the table; null in source text.'),
  length: count.describe('Bytes that it is about.'),
  bytes: z
    .string()
    .regex(/^(?:[0-9a-f]{2})*$/)
    .describe('The first of them.'),
  node: z.string().nullable().describe('Path in a device tree.'),
  property: z.string().nullable(),
  line: z.int().min(1).nullable().describe('Of source text that cannot be read.'),
  message: z.string(),
  kernel: z.string().describe('What Linux does with it.'),
  fix: z.string(),
  help: z.url().describe('Its page.'),
})

/** The report of `dmascope lint`, for one that comes from elsewhere. */
export const lintReportSchema = z.strictObject({
  schemaVersion: z.literal(1),
  tool: z.strictObject({ name: z.literal('dmascope'), version: z.string() }),
  topology: z
    .strictObject({ source: z.string(), functions: count })
    .nullable()
    .describe('What the tables were held against.'),
  tables: z.array(
    z.strictObject({
      source: z.string(),
      name: z.string(),
      form: z.string(),
      line: z.int().min(1).nullable(),
      length: count,
      findings: z.array(finding),
    }),
  ),
  summary: z.strictObject({ errors: count, warnings: count, notes: count }),
})

/** JSON Schema (draft 2020-12) of the report of `dmascope lint`. */
export function lintReportJsonSchema(): object {
  return z.toJSONSchema(lintReportSchema, { io: 'output' })
}
