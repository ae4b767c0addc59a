import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstDifference, parseDtb, parseDts } from '@dmascope/devicetree'
import { describePreset, findPreset, listPresets, type MachineDescription } from '@dmascope/machine'
import { parseQemuCommandLine } from '@dmascope/qemu'
import { afterAll, describe, expect, it } from 'vitest'
import { runBoot } from '../src/boot/run-boot.ts'
import { recognise } from '../src/sources/firmware-input.ts'
import { decodeItem } from '../src/tables/decode-item.ts'
import { build, bytesOf, dumped, jsonOf } from './tables.ts'

const IASL = 'iasl'
const DTC = 'dtc'
const folder = mkdtempSync(join(tmpdir(), 'dmascope-tools-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ACPIDUMP = 'acpidump'
/** Older ones take no file. */
const hasAcpidump = (spawnSync(ACPIDUMP, ['-h'], { encoding: 'utf8' }).stdout ?? '').includes('-f <BinaryFile>')
const hasIasl = spawnSync(IASL, ['-v']).status === 0
const hasDtc = spawnSync(DTC, ['--version']).status === 0

/** A microvm's host bridge of QEMU 11.1 makes a field that nothing reads. */
const UNREAD_FIELD = /^Remark +2089 -\s+Object is not referenced \^ +\(Name \[CDW2\] is within a method \[_OSC\]\)/m
const TOO_SHORT = '**** ACPI table terminates in the middle of a data structure!'

describe('the tables that our machines have', () => {
  /** On channels there is nothing to tell: software asks what is there. */
  const presets = listPresets().flatMap(({ name, content }) => (content.machine === 's390-ccw-virtio' ? [] : [name]))
  const tablesOf = (name: string): ReadonlyMap<string, Uint8Array> =>
    runBoot({
      description: describePreset(findPreset(name)),
      guest: 'linux-6.12',
      trace: false,
      tables: true,
    }).tables

  it.each(presets)('%s: have no problem, are shown whole, and rebuild from their JSON', (name) => {
    const tables = tablesOf(name)
    expect(tables.size).toBeGreaterThan(0)
    for (const [file, bytes] of tables) {
      const decoded = decodeItem(recognise(bytes, file)[0]!)
      expect(decoded.problems, file).toEqual([])
      const size = [...decoded.lines()].reduce((sum, line) => sum + line.bytes.length / 2, 0)
      expect(size, file).toBe(bytes.length)
      expect(Buffer.compare(build(jsonOf(bytes))[0]!.bytes, bytes), file).toBe(0)
    }
  })

  it.skipIf(!hasAcpidump)('the text that acpidump prints of them is read (skipped where it is not installed)', () => {
    // It dumps no FACS and no root pointer from files: they have no header.
    const tables = [...tablesOf('default')].filter(([file]) => file !== 'FACS')
    let text = ''
    for (const [file, bytes] of tables) {
      const path = join(folder, `${file}.dump`)
      writeFileSync(path, bytes)
      text += execFileSync(ACPIDUMP, ['-f', path], { encoding: 'utf8' })
    }
    const found = recognise(bytesOf(text), 'dump')
    expect(found.map((item) => Buffer.from(item.bytes))).toEqual(tables.map(([, bytes]) => Buffer.from(bytes)))
  })

  const withAcpi = listPresets().flatMap(({ name, content }) =>
    /^(q35|pc|microvm)$/.test(content.machine) ? [name] : [],
  )

  it.skipIf(!hasIasl).each(withAcpi)(
    '%s: iasl reads them without a warning (skipped where it is not installed)',
    (name) => {
      const place = join(folder, `iasl-${name}`)
      mkdirSync(place)
      for (const [file, bytes] of tablesOf(name)) {
        const path = join(place, `${file}.dat`)
        writeFileSync(path, bytes)
        const { stdout, stderr } = spawnSync(IASL, ['-d', path], { encoding: 'utf8' })
        // It knows no VIOT before 2021, and says so.
        expect(`${stdout}${stderr}`.replace(/Unknown ACPI table signature \[VIOT\].*/, ''), file).not.toMatch(
          /warning|error|invalid|unknown/i,
        )
        const source = readFileSync(join(place, `${file}.dsl`), 'utf8')
        // A FADT of revision 5 ends with SLEEP_STATUS_REG (ACPI 5.0): too soon for it, with QEMU's own as well.
        const short = file === 'FACP' && bytes[8] === 5
        expect(short ? source.replace(TOO_SHORT, '') : source, file).not.toMatch(
          /Incorrect checksum|\*\*\*\* (?!Unknown ACPI table signature \[VIOT\]|32-bit table)/,
        )
        if (file === 'DSDT') {
          // What it makes of our AML compiles without a remark, too.
          const compiled = spawnSync(IASL, [join(place, `${file}.dsl`)], { encoding: 'utf8' })
          const said = `${compiled.stdout}${compiled.stderr}`
          expect(said).toContain('0 Errors, 0 Warnings')
          expect(said.replace(UNREAD_FIELD, '')).not.toMatch(/^Remark +\d/m)
        }
      }
    },
  )
})

describe('the trees that our machines have', () => {
  const virt = (machine: string) =>
    parseQemuCommandLine(['qemu-system-aarch64', '-M', machine, '-cpu', 'max', '-device', 'virtio-net-pci'], {
      qemuVersion: '11.1',
    })
  /** QEMU's own trees of these machines make dtc say the same. */
  const pseries = [/Missing #address-cells in interrupt provider$/, /Missing #address-cells in interrupt provider$/]
  const machines: [string, () => MachineDescription, readonly RegExp[]][] = [
    ['pseries', () => describePreset(findPreset('pseries')), pseries],
    ['virt', () => virt('virt'), []],
    ['virt with an SMMU', () => virt('virt,iommu=smmuv3'), []],
    ['virt with a GICv2', () => virt('virt,gic-version=2'), []],
  ]

  const treeOf = (description: MachineDescription): Uint8Array => {
    const { tables } = runBoot({ description, guest: 'linux-6.12', trace: false, tables: true })
    return tables.get('machine.dtb') ?? new Uint8Array(0)
  }

  it.each(machines)('%s: has no problem, and rebuilds from its JSON', (_, describe_) => {
    const bytes = treeOf(describe_())
    expect(decodeItem(recognise(bytes, 'machine.dtb')[0]!).problems).toEqual([])
    expect(Buffer.compare(build(jsonOf(bytes))[0]!.bytes, bytes)).toBe(0)
  })

  it.skipIf(!hasDtc).each(machines)(
    '%s: dtc reads the same tree, and warns of nothing new (skipped where it is not installed)',
    (_, describe_, warnings) => {
      const bytes = treeOf(describe_())
      const run = spawnSync(DTC, ['-I', 'dtb', '-O', 'dts', '-'], { input: bytes, encoding: 'utf8' })
      expect(run.status).toBe(0)
      const said = run.stderr.split('\n').filter((line) => line !== '')
      expect(said).toEqual(warnings.map((one) => expect.stringMatching(one)))
      expect(firstDifference(parseDts(run.stdout).root, parseDtb(bytes).root)).toBeNull()
    },
  )
})

const corpus = process.env.DMASCOPE_CORPUS

describe.skipIf(corpus === undefined)('real tables and trees (skipped where DMASCOPE_CORPUS names no folder)', () => {
  it.each(['acpi/DMAR', 'acpi/MCFG', 'acpi/IVRS', 'dtb'])(
    '%s: raw and as text, all rebuild from their JSON',
    (kind) => {
      const place = join(corpus ?? '', kind)
      const files = readdirSync(place).filter((name) => /\.(?:dat|dtb)$/.test(name))
      expect(files.length).toBeGreaterThan(0)
      for (const file of files) {
        const bytes = new Uint8Array(readFileSync(join(place, file)))
        expect(Buffer.compare(build(jsonOf(bytes))[0]!.bytes, bytes), file).toBe(0)
        if (kind === 'dtb') continue
        const text = bytesOf(dumped(kind.slice(5), bytes))
        expect(Buffer.compare(build(jsonOf(text))[0]!.bytes, bytes), file).toBe(0)
      }
    },
  )

  it.skipIf(!hasDtc)('every tree builds to what dtc reads (skipped where it is not installed)', () => {
    const place = join(corpus ?? '', 'dtb')
    for (const file of readdirSync(place).filter((name) => name.endsWith('.dtb'))) {
      const [built] = build(jsonOf(new Uint8Array(readFileSync(join(place, file)))))
      const out = execFileSync(DTC, ['-q', '-I', 'dtb', '-O', 'dtb', '-'], {
        input: built!.bytes,
        maxBuffer: 1 << 28,
      })
      expect(out.length, file).toBeGreaterThan(0)
    }
  })
})
