import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseGuest } from '@dmascope/guest'
import { DmascopeError } from '@dmascope/layout'
import { DEFAULT_PRESET, describePreset, findPreset, QEMU_VERSIONS, type QemuVersion } from '@dmascope/machine'
import { fileError } from '../output/failure.ts'
import type { LoadedSource } from './loaded-source.ts'

const LATEST: QemuVersion = '11.1'

/** @throws DmascopeError CLI_QEMU_VERSION */
export function qemuVersionOf(text: string): QemuVersion {
  const found = QEMU_VERSIONS.find((version) => version === text)
  if (found !== undefined) return found
  throw new DmascopeError(
    'CLI_QEMU_VERSION',
    `--qemu-version ${text}: the machines of QEMU ${QEMU_VERSIONS.join(' and ')} are modelled; write one of these`,
    { given: text, known: QEMU_VERSIONS },
  )
}

/**
 * The machine that a person means: a QEMU command line, a file, standard input, a preset, a cell of the matrix, or the
 * default.
 *
 * @param qemuArguments - what stood after `--`; null where there was none
 * @throws DmascopeError
 */
export async function loadSource(
  source: string | undefined,
  qemuArguments: readonly string[] | null,
  version: QemuVersion | undefined,
): Promise<LoadedSource> {
  if (qemuArguments === null && source !== undefined && isCell(source))
    return (await import('./cell-source.ts')).loadCell(source)
  if (qemuArguments !== null) {
    if (source !== undefined) {
      throw new DmascopeError(
        'CLI_TWO_SOURCES',
        `both '${source}' and a command line after -- are given; leave one out`,
        { source },
      )
    }
    const { parseQemuCommandLine } = await import('@dmascope/qemu')
    const description = parseQemuCommandLine(qemuArguments, {
      qemuVersion: version ?? LATEST,
      readFile: (path) => {
        try {
          return readFileSync(path, 'utf8')
        } catch (error) {
          throw fileError(error, path, 'read')
        }
      },
    })
    return { description, guest: null }
  }
  const isFile = source === '-' || /\.(ya?ml|json)$/i.test(source ?? '') || (source ?? '').includes('/')
  if (source !== undefined && isFile) return await loadFile(source, version)
  const preset = findPreset(source ?? DEFAULT_PRESET)
  const description = describePreset(preset, version === undefined ? {} : { qemuVersion: version })
  return { description, guest: preset.content.guest ?? null }
}

async function loadFile(path: string, version: QemuVersion | undefined): Promise<LoadedSource> {
  const text = path === '-' ? await standardInput() : readText(path)
  const { readMachineFile } = await import('./machine-file.ts')
  const { recognise } = await import('./firmware-input.ts')
  const { description, guest, guestPlace } = readMachineFile(text, {
    file: path === '-' ? 'standard input' : path,
    readTable: tableReader(path === '-' ? '.' : dirname(path), recognise),
    ...(version !== undefined && { qemuVersion: version }),
  })
  if (guest !== null) checkGuest(guest, guestPlace)
  return { description: version === undefined ? description : { ...description, qemuVersion: version }, guest }
}

type Recognise = typeof import('./firmware-input.ts')['recognise']

/** Reads tables that a machine file in this folder names: as they lie in memory, or as text of acpidump or iasl. */
const tableReader =
  (folder: string, recognise: Recognise) =>
  (file: string, signature: string): Uint8Array => {
    const path = resolve(folder, file)
    let bytes: Uint8Array
    try {
      bytes = new Uint8Array(readFileSync(path))
    } catch (error) {
      throw fileError(error, path, 'read')
    }
    const items = recognise(bytes, file)
    const found = items.find((item) => item.kind === 'acpi' && item.signature === signature)
    if (found !== undefined) return found.bytes
    const held = items.map((item) => (item.kind === 'acpi' ? item.signature : 'a device tree')).join(', ')
    throw new DmascopeError('CLI_TABLE', `${file} has no ${signature}; it has ${held}`, { file, signature })
  }

/** @throws DmascopeError as `parseGuest` does, naming the place */
function checkGuest(text: string, place: string): void {
  try {
    parseGuest(text)
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    throw new DmascopeError(error.code, `${place}: ${error.message}`, { ...error.context, place })
  }
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/** Bytes: more than any machine file may have. What feeds more than that never ends, as like as not. */
const MOST_STANDARD_INPUT = 16 * 1024 * 1024

async function standardInput(): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of process.stdin) {
    parts.push(part as Buffer)
    length += (part as Buffer).length
    if (length > MOST_STANDARD_INPUT) {
      throw new DmascopeError('CLI_FILE', 'standard input: larger than a machine file may be', { length })
    }
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A cell of the matrix has five parts or more; a file of that name would be as many folders deep. */
const isCell = (source: string): boolean =>
  source.split('/').length >= 5 && !/^[./]/.test(source) && !existsSync(source)
