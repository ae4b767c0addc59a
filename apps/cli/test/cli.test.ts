import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const app = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'dmascope-'))
const program = join(folder, 'bin/dmascope.js')

const MACHINE = `machine: q35
machineProperties: { kernel-irqchip: split }
append: intel_iommu=on
devices:
  - model: intel-iommu
  - { model: virtio-blk-pci, id: disk, iommu_platform: on, disable-legacy: on }
`
const BAD_MACHINE = `machine: q35
memroy: 1G
`

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(args: readonly string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
    input: options.input ?? '',
    env: { ...process.env, ...options.env },
  })
  return { status, stdout, stderr }
}

beforeAll(() => {
  cpSync(join(app, 'bin'), join(folder, 'bin'), { recursive: true })
  const { status, stderr } = spawnSync(process.execPath, [join(app, 'bundle.js'), join(folder, 'dist')], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  writeFileSync(join(folder, 'good.yaml'), MACHINE)
  writeFileSync(join(folder, 'bad.yaml'), BAD_MACHINE)
  writeFileSync(join(folder, 'old.yaml'), 'machine: q35\nguest: linux-6.11\n')
  writeFileSync(join(folder, 'machine.json'), JSON.stringify({ machine: 'pc', devices: [{ model: 'e1000' }] }))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const QEMU = ['qemu-system-x86_64', '-M', 'q35', '-nodefaults']
const HELP = '\n(see dmascope boot --help)\n'

describe('bad usage and bad input end with 2, a message, and nothing on standard output', () => {
  it.each<readonly [args: readonly string[], stderr: string]>([
    [['bogus'], "dmascope: error: unknown command 'bogus'\n(see --help)\n"],
    [['boot', '--formt', 'json'], `dmascope: error: unknown option '--formt'\n(Did you mean --format?)${HELP}`],
    [
      ['boot', '--format', 'xml'],
      `dmascope: error: option '--format <format>' argument 'xml' is invalid. It is text, json, markdown or sarif.${HELP}`,
    ],
    [
      ['boot', '--fail-on', 'note'],
      `dmascope: error: option '--fail-on <level>' argument 'note' is invalid. Allowed choices are error, warning.${HELP}`,
    ],
    [['boot', '--append'], `dmascope: error: option '--append <line>' argument missing${HELP}`],
    [['boot', 'a', 'b'], `dmascope: error: too many arguments for 'boot'. Expected 1 argument but got 2.${HELP}`],
    [
      ['presets', '--format', 'xml'],
      "dmascope: error: option '--format <format>' argument 'xml' is invalid. Allowed choices are text, json.\n(see dmascope presets --help)\n",
    ],
    [
      ['boot', '--why', '00:1e.0'],
      'dmascope: error: --why 00:1e.0: the guest found no such device; it found 00:00.0, 00:02.0, 00:03.0, 00:04.0, 00:05.0, 00:06.0, 00:1f.0, 00:1f.2, 00:1f.3, and the ids are blk0, blk1, net0, rng0, net1\n  [CLI_NO_DEVICE]\n',
    ],
    [
      ['boot', '--qemu-version', '8.0'],
      'dmascope: error: --qemu-version 8.0: the machines of QEMU 7.2 and 11.1 are modelled; write one of these\n  [CLI_QEMU_VERSION]\n',
    ],
    [
      ['boot', '--guest', 'linux-6.11'],
      'dmascope: error: guest "linux-6.11": unknown profile "linux-6.11"; did you mean linux-6.12? known are linux-6.12, linux-6.1, linux-5.10, linux-4.8, linux-4.6,',
    ],
    [
      ['boot', '--trace', '-'],
      "dmascope: error: --trace '-': standard output is the report's; name a file or folder\n  [CLI_FILE]\n",
    ],
    [
      ['boot', '--trace', 'nowhere/trace.json', '--format', 'json'],
      'dmascope: error: cannot write nowhere/trace.json: there is no such file or folder\n  [CLI_FILE]\n',
    ],
    [
      ['boot', '--dump-firmware', 'good.yaml'],
      'dmascope: error: cannot make the folder good.yaml: there is a file of that name\n  [CLI_FILE]\n',
    ],
    [
      ['boot', '--dump-firmware', 'good.yaml/below'],
      'dmascope: error: cannot make the folder good.yaml/below: a part of the path is no folder\n  [CLI_FILE]\n',
    ],
    [['boot', 'gone.yaml'], 'dmascope: error: cannot read gone.yaml: there is no such file or folder\n  [CLI_FILE]\n'],
    [['boot', './'], 'dmascope: error: cannot read ./: it is a folder\n  [CLI_FILE]\n'],
    [
      ['boot', 'bad.yaml'],
      "dmascope: error: bad.yaml:2:1: unknown key 'memroy'; did you mean 'memory'?\n  [MACHINE_FILE_UNKNOWN_KEY]\n",
    ],
    [
      ['boot', 'old.yaml'],
      'dmascope: error: old.yaml:2:8: guest "linux-6.11": unknown profile "linux-6.11"; did you mean linux-6.12? known are ',
    ],
    [
      ['boot', '--append', 'quiet acpi=off'],
      "dmascope: error: --append: 'acpi=off' makes a kernel without the ACPI tables, which goes by tables for multiprocessors and plugs devices below ports in anew, which is not modelled yet; leave it out\n  [GUEST_NOT_MODELLED]\n",
    ],
    [['boot', 'root-prot'], "dmascope: error: there is no preset 'root-prot'; did you mean 'root-port'? presets are "],
    [
      ['boot', 'good.yaml', '--', ...QEMU],
      "dmascope: error: both 'good.yaml' and a command line after -- are given; leave one out\n  [CLI_TWO_SOURCES]\n",
    ],
    [
      ['boot', '--', ...QEMU, '-device', 'virtio-blk-pci,drive=d0'],
      "dmascope: error: argument 4 (-device virtio-blk-pci,drive=d0): Property 'virtio-blk-pci.drive' can't find value 'd0'; none is defined\n  [QEMU_BACKEND]\n",
    ],
    [
      ['boot', '--', 'qemu-system-mips'],
      'dmascope: error: qemu-system-mips: machines of mips are not modelled yet; qemu-system-x86_64, qemu-system-aarch64, qemu-system-ppc, qemu-system-ppc64, qemu-system-sparc64 and qemu-system-s390x are\n  [QEMU_ARCHITECTURE]\n',
    ],
    [
      ['schema', 'nothing'],
      "dmascope: error: there is no schema 'nothing'; write report, machine, tables, lint or matrix\n  [CLI_SCHEMA]\n",
    ],
    [['diff', 'good.yaml', 'good.yaml'], 'dmascope: error: good.yaml is no JSON: '],
  ])('%j', (args, stderr) => {
    const ran = run(args)
    expect(ran.stderr.slice(0, stderr.length)).toBe(stderr)
    expect(ran).toMatchObject({ status: 2, stdout: '' })
    expect(ran.stderr).not.toMatch(/^\s+at /m)
  })

  it('shows a stack with --verbose alone', () => {
    expect(run(['boot', 'bad.yaml', '--verbose']).stderr).toMatch(/^\s+at /m)
  })

  it('does not search for ever where a folder takes no folders', () => {
    const { status, stderr } = run(['boot', '--dump-firmware', '/proc/none/here'])
    expect(status).toBe(2)
    expect(stderr).toContain('cannot make the folder /proc/none/here: ')
  })
})

describe('sources', () => {
  it('a file, the same on standard input, and as JSON', () => {
    const fromFile = JSON.parse(run(['boot', 'good.yaml', '--format', 'json']).stdout)
    const { stdout, stderr, status } = run(['boot', '-', '--format', 'json'], { input: MACHINE })
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    expect(JSON.parse(stdout).devices).toEqual(fromFile.devices)
    expect(JSON.parse(run(['boot', 'machine.json', '--format', 'json']).stdout).machine.name).toBe('pc')
  })

  it('standard input that never ends is refused', () => {
    const ran = run(['boot', '-'], { input: 'x'.repeat(17 * 1024 * 1024) })
    expect(ran).toMatchObject({ status: 2, stdout: '' })
    expect(ran.stderr).toContain('standard input: larger than a machine file may be')
  })

  it('--append and --qemu-version stand above what the source says', () => {
    const { machine, iommus } = JSON.parse(
      run(['boot', 'good.yaml', '--append', 'iommu=pt', '--qemu-version', '7.2', '--format', 'json']).stdout,
    )
    expect(machine).toMatchObject({ qemuVersion: '7.2', commandLine: 'iommu=pt' })
    expect(iommus[0].default).toBe('identity')
  })
})

describe('the bundle', () => {
  it('has parts that end with what they export as it is: a getter would stand in the way of every call', () => {
    const parts = readdirSync(join(folder, 'dist')).filter((name) => name.endsWith('.cjs') && name !== 'main.cjs')
    expect(parts.length).toBeGreaterThan(20)
    for (const name of parts) {
      expect(readFileSync(join(folder, 'dist', name), 'utf8'), name).toMatch(
        /module\.exports=\{__esModule:!0,.*\};\}\n$/,
      )
    }
  })
})

describe('what is printed', () => {
  it('the same bytes each time', () => {
    const first = run(['boot', '--format', 'json'])
    expect(first.status).toBe(0)
    expect(run(['boot', '--format', 'json']).stdout).toBe(first.stdout)
  })

  it('--why one device, as text, JSON and Markdown, by address or by id', () => {
    const text = run(['boot', '--why', '00:03.0']).stdout
    expect(text).toMatch(/^00:03\.0 virtio-blk /)
    expect(run(['boot', '--why', 'blk1']).stdout).toBe(text)
    expect(JSON.parse(run(['boot', '--why', '0000:00:03.0', '--format', 'json']).stdout).id).toBe('0000:00:03.0')
    expect(run(['boot', '--why', 'blk1', '--format', 'markdown']).stdout).toBe(
      `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`,
    )
  })

  it('files beside the report: a trace, and tables into a folder, which may be there already', () => {
    mkdirSync(join(folder, 'tables'))
    const args = ['boot', '--format', 'json', '--trace', 'trace.json', '--dump-firmware']
    const ran = run([...args, 'tables'])
    expect(ran).toMatchObject({ status: 0, stderr: '' })
    expect(JSON.parse(ran.stdout).schemaVersion).toBe(1)
    expect(JSON.parse(readFileSync(join(folder, 'trace.json'), 'utf8')).traceEvents.length).toBeGreaterThan(500)
    expect(readFileSync(join(folder, 'tables/DMAR.dat')).subarray(0, 4).toString()).toBe('DMAR')
    run([...args, 'new/below'])
    expect(readdirSync(join(folder, 'new/below'))).toEqual(readdirSync(join(folder, 'tables')))
  })

  it('no colour where it is no terminal, no line of more than 100 columns', () => {
    const { stdout } = run(['boot'], { env: { COLUMNS: '40', NO_COLOR: '' } })
    expect(stdout).not.toContain('\u001b')
    expect(Math.max(...stdout.split('\n').map((line) => [...line].length))).toBeLessThanOrEqual(100)
  })

  it('--fail-on: 1 where a finding is of that level or above', () => {
    expect(run(['boot', '--fail-on', 'warning']).status).toBe(1)
    expect(run(['boot', '--fail-on', 'error']).status).toBe(0)
    expect(run(['boot', '--guest', 'always-dma-api', '--fail-on', 'error']).status).toBe(1)
    expect(run(['boot', 'good.yaml', '--fail-on', 'warning', '--why', 'disk']).status).toBe(0)
  })

  it('a reader that leaves early ends it without a word', async () => {
    const child = spawn(process.execPath, [program, 'boot', '--format', 'json'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.on('data', (data) => (stderr += data))
    const status = await new Promise((resolve) => child.on('close', resolve))
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})
