import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AnnotatedLine } from '../src/index.ts'

const IASL = 'iasl'

/** Whether ACPICA's `iasl` is installed (Debian: acpica-tools). */
export const hasIasl = spawnSync(IASL, ['-v']).status === 0

/** One field of a disassembled data table. */
export interface IaslField {
  readonly offset: number
  readonly size: number
  readonly name: string
  readonly value: string
}

/** Disassembles tables in one run. Answers each one's text, and what iasl said on its output. */
export function disassemble(tables: Readonly<Record<string, Uint8Array>>): {
  texts: Record<string, string>
  log: string
} {
  const folder = mkdtempSync(join(tmpdir(), 'acpi-'))
  try {
    const names = Object.keys(tables)
    for (const name of names) writeFileSync(join(folder, `${name}.dat`), tables[name]!)
    let log = ''
    for (let at = 0; at < names.length; at += 64) {
      const files = names.slice(at, at + 64).map((name) => `${name}.dat`)
      const run = spawnSync(IASL, ['-d', ...files], { cwd: folder, encoding: 'utf8' })
      log += run.stdout + run.stderr
    }
    const texts = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, `${name}.dsl`), 'utf8')]))
    return { texts, log }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Compiles the source of a definition block; without its optimizer; throws with iasl's words where it has an error. */
export function compile(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'acpi-'))
  try {
    writeFileSync(join(folder, 'block.dsl'), source)
    execFileSync(IASL, ['-oa', '-p', 'block', 'block.dsl'], { cwd: folder, stdio: 'pipe' })
    return new Uint8Array(readFileSync(join(folder, 'block.aml')))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The lines `[038h 0056   8] Register Base Address : 00000000FED90000` of a disassembled data table. */
export function fieldsOf(text: string): IaslField[] {
  const lines = text.matchAll(/^\[([0-9A-F]+)h \d+ +(\d+)\] +(.+?) : (.*)$/gm)
  return Array.from(lines, ([, offset = '', size = '', name = '', value = '']) => ({
    offset: Number.parseInt(offset, 16),
    size: Number(size),
    name,
    value: value.replace(/\s+\[[^\]]*\]$/, '').trim(),
  }))
}

/** A field's bytes as iasl writes them: integers high byte first, texts in quotes, lists with blanks. */
export function sameValue(value: string, bytes: string): boolean {
  const quoted = /^"(.*)"$/.exec(value)
  if (quoted !== null) {
    // Up to the first NUL, with blanks for what cannot be printed.
    const text = Buffer.from(bytes, 'hex').toString('latin1').split('\0')[0]
    return text?.replace(/[^ -~]/g, ' ') === quoted[1]
  }
  const digits = value.replace(/[ ,]/g, '').toLowerCase()
  return digits === (/[ ,]/.test(value) ? bytes : (bytes.match(/../g) ?? []).reverse().join(''))
}

/** The lines at a field of iasl, joined: a path is one field there and two here, reserved bytes may be flags here. */
export function linesAt(lines: readonly AnnotatedLine[], offset: number, size: number): AnnotatedLine[] {
  return lines.filter((line) => line.bytes !== '' && line.offset >= offset && line.offset < offset + size)
}

/** What iasl calls the fields of a table's header, and what the specification, and so we, call them. */
export const HEADER_FIELDS: Readonly<Record<string, string>> = {
  Signature: 'Signature',
  'Table Length': 'Length',
  Revision: 'Revision',
  Checksum: 'Checksum',
  'Oem ID': 'OEM ID',
  'Oem Table ID': 'OEM Table ID',
  'Oem Revision': 'OEM Revision',
  'Asl Compiler ID': 'Creator ID',
  'Asl Compiler Revision': 'Creator Revision',
}
