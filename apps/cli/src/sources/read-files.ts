import { createReadStream, readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { DmascopeError } from '@dmascope/layout'
import { fileError } from '../output/failure.ts'
import { type FirmwareItem, recognise, STANDARD_INPUT } from './firmware-input.ts'

/** Folders within folders, such as `dynamic` in /sys/firmware/acpi/tables. */
const DEEPEST_FOLDER = 4
/** Bytes. What has more never ends, as like as not. */
const MOST = 0x1000_0000

/**
 * The tables and trees in files, in order. A folder stands for its files by name; what is neither table nor tree there
 * is left out and told on standard error. `-` is standard input.
 *
 * @throws DmascopeError CLI_FILE, INPUT_*
 */
export async function readItems(paths: readonly string[]): Promise<FirmwareItem[]> {
  const items: FirmwareItem[] = []
  for (const path of paths) {
    const isFolder = path !== '-' && statOf(path).isDirectory()
    items.push(...(isFolder ? await readFolder(path) : recognise(await readBytes(path), nameOf(path))))
  }
  return items
}

/** What messages call a file. */
export const nameOf = (path: string): string => (path === '-' ? STANDARD_INPUT : path)

function statOf(path: string): Stats {
  try {
    return statSync(path)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/**
 * A file's bytes, or those of standard input where it is `-`.
 *
 * @throws DmascopeError CLI_FILE
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  const name = nameOf(path)
  const tooLarge = (): DmascopeError =>
    new DmascopeError('CLI_FILE', `cannot read ${name}: it is larger than ${MOST} bytes`, { path })
  if (path !== '-') {
    const stats = statOf(path)
    if (stats.size > MOST) throw tooLarge()
    try {
      // A view of its own: what is read is kept.
      if (stats.isFile()) return new Uint8Array(readFileSync(path))
    } catch (error) {
      throw fileError(error, path, 'read')
    }
  }
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of path === '-' ? process.stdin : createReadStream(path)) {
      parts.push(part as Buffer)
      length += (part as Buffer).length
      if (length > MOST) break
    }
  } catch (error) {
    throw fileError(error, name, 'read')
  }
  if (length > MOST) throw tooLarge()
  return new Uint8Array(Buffer.concat(parts))
}

async function readFolder(folder: string): Promise<FirmwareItem[]> {
  const files = filesIn(folder, DEEPEST_FOLDER)
  const items: FirmwareItem[] = []
  const left: string[] = []
  for (const file of files) {
    const bytes = await readBytes(file)
    try {
      items.push(...recognise(bytes, file))
    } catch (error) {
      if (!(error instanceof DmascopeError)) throw error
      left.push(file)
    }
  }
  if (items.length === 0) {
    const asFiles = files.some((file) => file.endsWith('/#address-cells'))
    const advice = asFiles ? '; of a running machine, /sys/firmware/fdt is the device tree' : ''
    throw new DmascopeError('INPUT_FOLDER', `${folder}: no file in it is a table or tree${advice}`, { folder })
  }
  for (const file of left) console.error(`dmascope: note: ${file} is no table or tree that is known; it is left out`)
  return items
}

function filesIn(folder: string, depth: number): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => {
        const path = join(folder, entry.name)
        if (entry.isFile()) return [path]
        return entry.isDirectory() && depth > 0 ? filesIn(path, depth - 1) : []
      })
  } catch (error) {
    throw fileError(error, folder, 'read')
  }
}
