import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const app = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'dmascope-lint-'))
const program = join(folder, 'bin/dmascope.js')

/** A table of `hex` behind a header whose length and checksum are right. */
function table(signature: string, hex: string): Uint8Array {
  const body = Buffer.from(hex.replace(/\s/g, ''), 'hex')
  const bytes = Buffer.concat([
    Buffer.from(signature),
    Buffer.alloc(4),
    Buffer.from('\x01\x00BOCHS BXPC    '),
    Buffer.alloc(12),
    body,
  ])
  bytes.writeUInt32LE(bytes.length, 4)
  bytes[9] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff
  return bytes
}

/** A unit of segment 0 at a base, with 00:02.0, and the I/O APIC 0. */
const dmar = (base: string, scope = '01 08 0000 00 00 0200'): Uint8Array =>
  table('DMAR', `2f 01 00000000000000000000 0000 2000 00 00 0000 ${base} 03 08 0000 00 ff 0100 ${scope}`)
const GOOD = '0000d9fe00000000'
const madt = (id: string): Uint8Array => table('APIC', `0000e0fe 01000000 01 0c ${id} 00 0000c0fe 00000000`)
const acpidump = (name: string, bytes: Uint8Array): string => {
  const rows = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) => {
    const part = [...bytes.subarray(row * 16, row * 16 + 16)].map((byte) =>
      byte.toString(16).toUpperCase().padStart(2, '0'),
    )
    return `    ${(row * 16).toString(16).toUpperCase().padStart(4, '0')}: ${part.join(' ').padEnd(48)} ${'.'.repeat(part.length)}`
  })
  return `${name} @ 0x000000007FFE0000\n${rows.join('\n')}\n\n`
}
const LSPCI = `00:00.0 Host bridge [0600]: Intel Corporation Q35 [8086:29c0]
\tControl: I/O+ Mem+
00:02.0 Ethernet controller [0200]: Red Hat [1af4:1041]
\tControl: I/O+ Mem+
`
const DTS = `/dts-v1/;
/ {
  device@1 { iommus = <0x99 1>; };
};
`

const run = (args: readonly string[], input: string | Uint8Array = '') => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'lint', ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
    input,
  })
  return { status, stdout, stderr }
}
const json = (args: readonly string[], input?: string | Uint8Array) =>
  JSON.parse(run([...args, '--format', 'json'], input).stdout)
const ids = (report: { tables: { findings: { id: string }[] }[] }): string[][] =>
  report.tables.map(({ findings }) => findings.map(({ id }) => id))

beforeAll(() => {
  cpSync(join(app, 'bin'), join(folder, 'bin'), { recursive: true })
  const { status, stderr } = spawnSync(process.execPath, [join(app, 'bundle.js'), join(folder, 'dist')], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  writeFileSync(join(folder, 'good.dat'), dmar(GOOD))
  writeFileSync(join(folder, 'zero.dat'), dmar('0000000000000000'))
  writeFileSync(join(folder, 'odd.dat'), dmar(GOOD, '01 08 0000 00 00 1f08'))
  writeFileSync(join(folder, 'lspci.txt'), LSPCI)
  writeFileSync(join(folder, 'board.dts'), DTS)
  writeFileSync(join(folder, 'broken.dts'), '/dts-v1/;\n/ { reg = <08>; };\n')
  mkdirSync(join(folder, 'tables'))
  writeFileSync(join(folder, 'tables/APIC'), madt('07'))
  writeFileSync(join(folder, 'tables/DMAR'), dmar(GOOD))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('what is printed', () => {
  it('text: the byte, the bytes, what Linux does, what to write', () => {
    expect(run(['zero.dat'])).toEqual({
      status: 0,
      stderr: '',
      stdout: `zero.dat: DMAR, 80 bytes: 1 finding
  DMAR-0009 error: A unit has its registers at address zero
    0x0038  00 00 00 00 00 00 00 00  the DRHD at 0x30 has its registers at 0x0
    Linux 6.12 disables the IOMMU, and every other unit with it: “[Firmware Bug]: Your BIOS is
      broken; DMAR reported at address 0!”
    Fix: write the base that the unit’s BAR was programmed with, or leave the table out while the
      IOMMU is off

1 error, 0 warnings, 0 notes in 1 table.
`,
    })
  })

  it('JSON', () => {
    expect(json(['good.dat', 'zero.dat'])).toMatchObject({
      schemaVersion: 1,
      topology: null,
      tables: [
        { source: 'good.dat', name: 'DMAR', form: 'raw', line: null, length: 80, findings: [] },
        { findings: [{ id: 'DMAR-0009', level: 'error', offset: 56, length: 8, bytes: '0000000000000000' }] },
      ],
      summary: { errors: 1, warnings: 0, notes: 0 },
    })
  })

  it('JSON that its schema describes', () => {
    const { stdout } = spawnSync(process.execPath, [program, 'schema', 'lint'], { encoding: 'utf8' })
    expect(JSON.parse(stdout).required).toEqual(Object.keys(json(['good.dat'])))
  })

  it('SARIF', () => {
    const { runs } = JSON.parse(run(['zero.dat', '--format', 'sarif']).stdout)
    expect(runs[0].results[0]).toMatchObject({
      ruleId: 'DMAR-0009',
      level: 'error',
      locations: [
        { physicalLocation: { artifactLocation: { uri: 'zero.dat' }, region: { byteOffset: 56, byteLength: 8 } } },
      ],
    })
    expect(runs[0].tool.driver.rules[0].fullDescription.text).toContain('No IOMMU is there.')
  })

  it('SARIF of a boot, of all devices and of one, and of a machine file', () => {
    const boot = (...args: string[]) =>
      JSON.parse(
        spawnSync(process.execPath, [program, 'boot', '--format', 'sarif', ...args], { cwd: folder, encoding: 'utf8' })
          .stdout,
      ).runs[0]
    expect(boot().results.map((one: { ruleId: string }) => one.ruleId)).toEqual(['DMA-0003', 'DMA-0003'])
    expect(boot('--why', '00:03.0').results.length).toBe(1)
    writeFileSync(
      join(folder, 'machine.yaml'),
      'machine: q35\nappend: intel_iommu=on\ndevices:\n  - model: virtio-blk-pci\n',
    )
    const [result] = boot('machine.yaml').results
    expect(result.locations[0].physicalLocation.artifactLocation.uri).toBe('machine.yaml')
  })
})

describe('what is read', () => {
  it('text of acpidump: its tables belong together, and a finding names the line', () => {
    const text = acpidump('APIC', madt('07')) + acpidump('DMAR', dmar(GOOD))
    const report = json(['-'], text)
    expect(report.tables.map(({ name, line }: { name: string; line: number }) => [name, line])).toEqual([
      ['APIC', 1],
      ['DMAR', 7],
    ])
    expect(ids(report)).toEqual([[], ['DMAR-0038', 'DMAR-0039']])
    const { runs } = JSON.parse(run(['-', '--format', 'sarif'], text).stdout)
    expect(runs[0].results[0].locations[0].physicalLocation).toBeUndefined()
  })

  it('a folder: its tables belong together; tables given twice do not', () => {
    expect(ids(json(['tables']))).toEqual([[], ['DMAR-0038', 'DMAR-0039']])
    expect(ids(json(['tables', 'good.dat']))).toEqual([[], [], []])
  })

  it('source text, by node, and by line where it cannot be read', () => {
    expect(json(['board.dts', 'broken.dts'])).toMatchObject({
      tables: [
        {
          name: 'device tree source',
          findings: [{ id: 'DT-0006', node: '/device@1', property: 'iommus', offset: null }],
        },
        { findings: [{ id: 'DT-0001', line: 2 }] },
      ],
    })
  })

  it('source text that includes a broken one: the place is in that', () => {
    writeFileSync(join(folder, 'outer.dts'), '/dts-v1/;\n/include/ "inner.dtsi"\n')
    writeFileSync(join(folder, 'inner.dtsi'), '/ {\n  reg = <08>;\n};\n')
    const [finding] = json(['outer.dts']).tables[0].findings
    expect(finding).toMatchObject({ id: 'DT-0001', line: null })
    expect(finding.message).toMatch(/inner\.dtsi:2:\d+: '8' is no octal digit/)
  })

  it('a table that was cut', () => {
    expect(ids(json(['-'], dmar(GOOD).subarray(0, 60)))).toEqual([['ACPI-0001', 'DMAR-0002']])
  })
})

describe('--topology', () => {
  it('text of lspci: scopes to nothing, and devices in none', () => {
    const report = json(['good.dat', 'odd.dat', '--topology', 'lspci.txt'])
    expect(report.topology).toEqual({ source: 'lspci.txt', functions: 2 })
    expect(ids(report)).toEqual([['DMAR-0104'], ['DMAR-0104', 'DMAR-0101', 'DMAR-0033']])
    expect(report.tables[0].findings[0].message).toBe('no DRHD has 00:00.0')
  })

  it('a boot report', () => {
    const boot = spawnSync(process.execPath, [program, 'boot', '--format', 'json', '--dump-firmware', 'dumped'], {
      cwd: folder,
      encoding: 'utf8',
    })
    writeFileSync(join(folder, 'report.json'), boot.stdout)
    const report = json(['dumped', '--topology', 'report.json'])
    expect(report.topology.functions).toBeGreaterThan(5)
    // What the machine's firmware says is true of the machine.
    expect(report.summary).toEqual({ errors: 0, warnings: 0, notes: 0 })
    const other = json(['odd.dat', '--topology', 'report.json'])
    expect(ids(other)[0]).toContain('DMAR-0101')
  })
})

it('the firmware of every machine that there is a preset for is without error, held against the machine itself', () => {
  const dmascope = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8' })
  const presets = JSON.parse(dmascope('presets', '--format', 'json').stdout) as { name: string }[]
  expect(presets.length).toBeGreaterThan(8)
  let looked = 0
  for (const { name } of presets) {
    const dump = `firmware-of-${name}`
    const booted = dmascope('boot', name, '--format', 'json', '--dump-firmware', dump)
    expect(booted.status, name).toBe(0)
    if (!existsSync(join(folder, dump)) || readdirSync(join(folder, dump)).length === 0) continue
    writeFileSync(join(folder, 'booted.json'), booted.stdout)
    expect(json([dump, '--topology', 'booted.json']).summary.errors, name).toBe(0)
    looked++
  }
  expect(looked).toBeGreaterThan(8)
})

describe('exit status', () => {
  it.each([
    [['zero.dat'], 0],
    [['zero.dat', '--fail-on', 'error'], 1],
    [['odd.dat', '--fail-on', 'error'], 0],
    [['odd.dat', '--fail-on', 'warning'], 1],
    [['good.dat', '--fail-on', 'warning'], 0],
  ])('%j: %i', (args, status) => {
    expect(run(args).status).toBe(status)
  })

  it.each([
    [['gone.dat'], 'dmascope: error: cannot read gone.dat: there is no such file or folder\n'],
    [['lspci.txt'], 'dmascope: error: lspci.txt: it is no table or tree that is known'],
    [
      ['good.dat', '--topology', 'board.dts'],
      'dmascope: error: board.dts: no PCI function is in it; give what lspci prints',
    ],
    [['good.dat', '--topology', 'none.json'], 'dmascope: error: none.json: it is JSON, and no report of a boot'],
    [['-', '--topology', '-'], 'dmascope: error: standard input is both the tables and the topology'],
    [['good.dat', '--format', 'xml'], "dmascope: error: option '--format <format>' argument 'xml' is invalid."],
    [[], "dmascope: error: missing required argument 'file'"],
  ])('2, and nothing on standard output: %j', (args, message) => {
    writeFileSync(join(folder, 'none.json'), '{"schemaVersion":2}')
    const { status, stdout, stderr } = run(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr.slice(0, message.length)).toBe(message)
  })
})
