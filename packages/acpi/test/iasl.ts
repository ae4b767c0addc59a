import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
