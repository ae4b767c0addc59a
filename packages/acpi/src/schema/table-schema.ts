import { z } from 'zod'
import { DBG2_SHAPE } from '../dbg2.ts'
import { DMAR_SHAPE } from '../dmar.ts'
import { FADT_SHAPE } from '../fadt.ts'
import { GTDT_SHAPE } from '../gtdt.ts'
import { HPET_SHAPE } from '../hpet.ts'
import { IORT_SHAPE } from '../iort.ts'
import { IVRS_SHAPE } from '../ivrs.ts'
import { MADT_SHAPE } from '../madt.ts'
import { MCFG_SHAPE } from '../mcfg.ts'
import { PPTT_SHAPE } from '../pptt.ts'
import { RSDT_SHAPE, XSDT_SHAPE } from '../root-tables.ts'
import type { TableShape } from '../shaped-table.ts'
import { SPCR_SHAPE } from '../spcr.ts'
import { FACS } from '../spec/fadt.ts'
import { VIOT_SHAPE } from '../viot.ts'
import { WAET_SHAPE } from '../waet.ts'
import { hexBytes, latin, type Shape, structShape, u64, word } from './plain-values.ts'
import { recordsSchema, singleField } from './record-schema.ts'

const header = z.strictObject({
  revision: word(1),
  oemId: latin(6),
  oemTableId: latin(8),
  oemRevision: word(4),
  creatorId: latin(4),
  creatorRevision: word(4),
  length: word(4).optional().describe('Only where it is not the number of bytes'),
  checksum: word(1).optional().describe('Only where it is wrong'),
})

/** What may stand behind a table's own content. */
const behind = {
  trailing: hexBytes().optional().describe('Bytes that belong to no field'),
  beyond: hexBytes().optional().describe('Bytes behind the end that the header gives'),
}

function shapedSchema({ signature, body, bodyMinimum, list }: TableShape): z.ZodObject {
  const shape: Shape = { signature: z.literal(signature), header }
  if (body !== undefined) {
    const minimum = bodyMinimum ?? body.of.size
    const counted = new Set(list?.kind === 'nodes' ? ['nodeCount', 'nodeOffset'] : [])
    const optional = (name: string, any: { offset: number; size: number }): boolean =>
      counted.has(name) || any.offset + any.size > minimum
    Object.assign(shape, structShape(body.of, { optional }))
  }
  if (list?.kind === 'records') shape[list.key] = recordsSchema(list.set)
  if (list?.kind === 'nodes') {
    shape[list.key] = recordsSchema(list.set)
    shape.gap = hexBytes().optional()
  }
  if (list?.kind === 'values') shape[list.key] = z.array(singleField(list.form.of))
  if (list?.kind === 'items') {
    const offset = z.int().min(0).optional()
    shape[list.key] = z.array(z.strictObject({ offset, ...structShape(list.form.of) }))
  }
  return z.strictObject({ ...shape, ...behind })
}

const rsdp = (): z.ZodObject =>
  z.strictObject({
    signature: z.literal('RSD PTR '),
    oemId: latin(6),
    revision: word(1),
    rsdtAddress: word(4),
    xsdtAddress: u64.optional(),
    reserved: hexBytes(3).optional(),
    checksum: word(1).optional(),
    extendedChecksum: word(1).optional(),
    length: word(4).optional(),
    trailing: hexBytes().optional(),
  })

const facs = (): z.ZodObject =>
  z.strictObject({
    signature: z.literal('FACS'),
    ...structShape(FACS, { without: new Set(['signature']) }),
    length: word(4).optional(),
    trailing: hexBytes().optional(),
  })

const definitionBlock = (signature: string) => (): z.ZodObject =>
  z.strictObject({ signature: z.literal(signature), header, aml: hexBytes(), beyond: hexBytes().optional() })

const rawTable = z.strictObject({
  signature: z.string().regex(/^[\0-\xff]{4}$/, { error: 'expected four characters' }),
  header,
  data: hexBytes(),
  beyond: hexBytes().optional(),
})

const SHAPES = [
  RSDT_SHAPE,
  XSDT_SHAPE,
  FADT_SHAPE,
  MADT_SHAPE,
  MCFG_SHAPE,
  HPET_SHAPE,
  WAET_SHAPE,
  DMAR_SHAPE,
  IVRS_SHAPE,
  IORT_SHAPE,
  VIOT_SHAPE,
  GTDT_SHAPE,
  PPTT_SHAPE,
  SPCR_SHAPE,
  DBG2_SHAPE,
]

/** Made when they are asked for: most inputs have one table. */
const SCHEMAS: ReadonlyMap<string, () => z.ZodObject> = new Map<string, () => z.ZodObject>([
  ['RSD PTR ', rsdp],
  ['FACS', facs],
  ['DSDT', definitionBlock('DSDT')],
  ['SSDT', definitionBlock('SSDT')],
  ...SHAPES.map((shape): [string, () => z.ZodObject] => [shape.signature, () => shapedSchema(shape)]),
])

/** The signatures of tables that have a form of their own. */
export const KNOWN_SIGNATURES: readonly string[] = [...SCHEMAS.keys()]

const made = new Map<string, z.ZodObject>()

/**
 * The schema of a table as `parseTable` answers it, without `problems`: what `buildTable` takes. It is derived from the
 * declarations of the table's structures, and knows no other keys.
 *
 * @param signature - four characters, or `RSD PTR `; one without a parser of its own has header and data
 */
export function tableSchema(signature: string): z.ZodObject {
  const make = SCHEMAS.get(signature)
  if (make === undefined) return rawTable
  const known = made.get(signature) ?? make()
  made.set(signature, known)
  return known
}

/** The schema of every table, for publishing. */
export const anyTableSchema = (): z.ZodType => z.union([z.discriminatedUnion('signature', all()), rawTable])

const all = (): [z.ZodObject, ...z.ZodObject[]] => KNOWN_SIGNATURES.map(tableSchema) as [z.ZodObject, ...z.ZodObject[]]
