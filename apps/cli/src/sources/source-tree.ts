import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type DeviceTree, parseDts } from '@dmascope/devicetree'
import type { TreeItem } from './firmware-input.ts'

/**
 * The tree of a source text. What it includes is read from its own folder.
 *
 * @throws DmascopeError DTS_*
 */
export function parseSource({ bytes, source }: TreeItem): DeviceTree {
  const fileFor = (name: string, from: string): string => resolve(dirname(from), name)
  return parseDts(new TextDecoder().decode(bytes), {
    source,
    include: (name, from) => readOrNull(fileFor(name, from))?.toString('utf8') ?? null,
    incbin: (name, from) => readOrNull(fileFor(name, from)),
  })
}

function readOrNull(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch {
    return null
  }
}
