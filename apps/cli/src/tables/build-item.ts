import { type AcpiTable, buildTable, parseTable } from '@dmascope/acpi'
import { KNOWN_SIGNATURES, tableSchema } from '@dmascope/acpi/schema'
import { buildPlainTree } from '@dmascope/devicetree/plain'
import { PLAIN_TREE } from '@dmascope/devicetree/plain/schema'
import { DmascopeError, nearestName } from '@dmascope/layout'
import type { z } from 'zod'
import { ENVELOPE, type Envelope } from './document.ts'
import { jsonError, pathText, syntaxError } from './json-error.ts'

/** A table or tree that was built. */
export interface BuiltItem {
  /** A signature, or `devicetree`, or `bytes`. */
  readonly kind: string
  /** What messages call it. */
  readonly name: string
  readonly bytes: Uint8Array
  /** What is wrong with its checksums, and stays so. */
  readonly checksums: readonly string[]
}

export interface BuildOptions {
  readonly file: string
  /** Whether checksums that the JSON states are kept, or made right. */
  readonly checksum: 'keep' | 'fix'
}

/**
 * Builds what a document of `decode --format json` says; or a table or tree of one, written without the document.
 *
 * @throws DmascopeError BUILD_SYNTAX, BUILD_UNKNOWN_KEY, BUILD_MISSING, BUILD_VALUE with the path of what is wrong
 */
export function buildItems(text: string, options: BuildOptions): BuiltItem[] {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw syntaxError(error, text, options.file)
  }
  if (hasKey(document, 'signature')) return [buildAcpi(document, [], options)]
  if (hasKey(document, 'root')) return [buildTree(document, [], options)]
  const { tables } = checked(ENVELOPE, document, options.file, []) as unknown as Envelope
  return tables.map((item, index) => {
    const at = ['tables', index]
    if (item.format === 'acpi') return buildAcpi(item.table, [...at, 'table'], options)
    if (item.format === 'devicetree') return buildTree(item.tree, [...at, 'tree'], options)
    return { kind: 'bytes', name: pathText(at), bytes: new Uint8Array(Buffer.from(item.data, 'hex')), checksums: [] }
  })
}

const hasKey = (value: unknown, key: string): boolean => typeof value === 'object' && value !== null && key in value

function checked(schema: z.ZodType, data: unknown, file: string, at: readonly PropertyKey[]): unknown {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  // A key that is written wrong is missing too: the first tells more.
  const { issues } = result.error
  throw jsonError(issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!, schema, data, file, at)
}

/** What a builder still finds wrong: a value that does not go with the others. */
function built(build: () => Uint8Array, file: string, at: readonly PropertyKey[]): Uint8Array {
  try {
    return build()
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    const where = at.length === 0 ? '' : `${pathText(at)}: `
    throw new DmascopeError('BUILD_VALUE', `${file}: ${where}${error.message}`, { file, path: pathText(at) })
  }
}

function buildAcpi(data: unknown, at: readonly PropertyKey[], { file, checksum }: BuildOptions): BuiltItem {
  const stated = (data as { signature?: unknown } | null)?.signature
  const signature = typeof stated === 'string' ? stated : ''
  checkSignature(data, signature, file, at)
  let table = checked(tableSchema(signature), data, file, at) as AcpiTable
  if (checksum === 'fix') table = withoutChecksums(table)
  const bytes = built(() => buildTable(table), file, at)
  const { problems = [] } = parseTable(bytes)
  const wrong = problems.filter(({ code }) => code === 'ACPI_CHECKSUM')
  const name = signature.trim()
  return {
    kind: signature,
    name,
    bytes,
    checksums: wrong.map(({ offset, message }) => `${name} at byte 0x${offset.toString(16)}: ${message}`),
  }
}

/** A signature without a form of its own goes with `data` alone: other fields are meant for one that has a form. */
function checkSignature(data: unknown, signature: string, file: string, at: readonly PropertyKey[]): void {
  if (signature === '' || KNOWN_SIGNATURES.includes(signature) || hasKey(data, 'data')) return
  const nearest = nearestName(signature, KNOWN_SIGNATURES)
  const hint = nearest === null ? `those that have are ${KNOWN_SIGNATURES.join(', ')}` : `did you mean "${nearest}"?`
  const path = pathText([...at, 'signature'])
  const message = `${file}: ${path}: a table "${signature}" has no fields but header and data; ${hint}`
  throw new DmascopeError('BUILD_VALUE', message, { file, path, nearest })
}

function withoutChecksums(table: AcpiTable): AcpiTable {
  const { checksum: _, extendedChecksum: __, ...rest } = table as AcpiTable & Record<string, unknown>
  if (!('header' in rest)) return rest as AcpiTable
  const { checksum: ___, ...header } = rest.header as object & { checksum?: number }
  return { ...rest, header } as AcpiTable
}

function buildTree(data: unknown, at: readonly PropertyKey[], { file }: BuildOptions): BuiltItem {
  const tree = checked(PLAIN_TREE, data, file, at) as Parameters<typeof buildPlainTree>[0]
  return { kind: 'devicetree', name: 'device tree', bytes: built(() => buildPlainTree(tree), file, at), checksums: [] }
}
