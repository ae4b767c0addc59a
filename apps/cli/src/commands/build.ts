import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DmascopeError } from '@dmascope/layout'
import { fileError } from '../output/failure.ts'
import { isTerminal, printBytes } from '../output/standard-output.ts'
import { nameOf, readBytes } from '../sources/read-files.ts'
import { type BuiltItem, buildItems } from '../tables/build-item.ts'

export interface BuildFlags {
  readonly output?: string
  readonly checksum: 'keep' | 'fix'
}

/** `dmascope build`. @throws DmascopeError BUILD_*, CLI_FILE, CLI_TERMINAL, CLI_SEVERAL */
export async function build(path: string, { output, checksum }: BuildFlags): Promise<void> {
  const file = nameOf(path)
  const items = buildItems(new TextDecoder().decode(await readBytes(path)), { file, checksum })
  const [first] = items
  if (first === undefined) throw new DmascopeError('BUILD_VALUE', `${file}: tables is empty: there is nothing to build`)
  for (const message of items.flatMap(({ checksums }) => checksums)) {
    console.error(`dmascope: note: ${message}, and is kept; --checksum fix makes it right`)
  }
  if (output !== undefined && output !== '-' && isFolder(output)) {
    for (const [name, { bytes }] of named(items)) write(join(output, name), bytes)
    return
  }
  if (items.length > 1) {
    const names = items.map(({ name }) => name).join(', ')
    const message = `${file} has ${items.length} tables (${names}): name a folder for them with -o DIR`
    throw new DmascopeError('CLI_SEVERAL', message, { file, count: items.length })
  }
  if (output !== undefined && output !== '-') {
    write(output, first.bytes)
    return
  }
  if (isTerminal()) {
    const message = 'the bytes are not for a terminal; write -o FILE, or send standard output to a file or pipe'
    throw new DmascopeError('CLI_TERMINAL', message)
  }
  printBytes(first.bytes)
}

/** Whether a path is a folder's; one that ends with a slash is made where it is not there. */
function isFolder(path: string): boolean {
  try {
    if (path.endsWith('/') && !existsSync(path)) mkdirSync(path)
    return existsSync(path) && statSync(path).isDirectory()
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}

/** File names, each its own: `DMAR.dat`, `SSDT.dat`, `SSDT2.dat`, `tree.dtb`. */
function named(items: readonly BuiltItem[]): Map<string, BuiltItem> {
  const files = new Map<string, BuiltItem>()
  for (const item of items) {
    const [base, ending] = item.kind === 'devicetree' ? ['tree', 'dtb'] : [baseOf(item.kind), 'dat']
    let name = `${base}.${ending}`
    for (let count = 2; files.has(name); count++) name = `${base}${count}.${ending}`
    files.set(name, item)
  }
  return files
}

/** A signature may have characters that no file name should. */
const baseOf = (signature: string): string =>
  signature === 'RSD PTR ' ? 'RSDP' : signature.replace(/[^A-Za-z0-9_]/g, '_')

function write(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(path, bytes)
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}
