import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PLATFORMS } from '@dmascope/scenarios'
import { matrixDocumentSchema, readResults } from '@dmascope/scenarios/matrix'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const app = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'dmascope-matrix-'))
const program = join(folder, 'bin/dmascope.js')
const { version } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')) as { version: string }

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status, stdout, stderr }
}

beforeAll(() => {
  cpSync(join(app, 'bin'), join(folder, 'bin'), { recursive: true })
  const { status, stderr } = spawnSync(process.execPath, [join(app, 'bundle.js'), join(folder, 'dist')], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SMALL = ['--guest', 'linux-4.4,linux-6.12', '--platform', 'x86-vtd,arm64', '--device', 'virtio-blk,e1000e']

const statesOf = (platform: string): number =>
  Object.keys(PLATFORMS.find(({ name }) => name === platform)?.states ?? {}).length
/** Guests, the default's hypervisors, states of the platforms, devices. */
const CELLS = 2 * 5 * (statesOf('x86-vtd') + statesOf('arm64')) * 2

describe('dmascope matrix', { timeout: 60_000 }, () => {
  let whole = ''
  beforeAll(() => {
    const { status, stdout, stderr } = run('matrix', ...SMALL, '--format', 'jsonl')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    whole = stdout
  })

  it('prints each cell once, the same and in the same order in however many threads', () => {
    const cells = readResults(whole, 'whole', version).results.map(({ cell }) => cell)
    expect(cells.length).toBe(CELLS)
    expect(new Set(cells).size).toBe(cells.length)
    expect(run('matrix', ...SMALL, '--format', 'jsonl', '--jobs', '1').stdout).toBe(whole)
    expect(run('matrix', ...SMALL, '--format', 'jsonl', '--jobs', '5').stdout).toBe(whole)
  })

  it('in shards, merged in any order, is the whole', () => {
    const parts = [3, 1, 2].map((index) => {
      const file = `part-${index}.jsonl`
      writeFileSync(join(folder, file), run('matrix', ...SMALL, '--shard', `${index}/3`, '--format', 'jsonl').stdout)
      return file
    })
    const merged = run('matrix', 'merge', ...parts, '--format', 'json')
    expect(merged.stderr).toBe('')
    expect(merged.stdout).toBe(run('matrix', ...SMALL, '--format', 'json').stdout)
    expect(matrixDocumentSchema.parse(JSON.parse(merged.stdout)).results).toHaveLength(CELLS)
    expect(
      run('matrix', 'merge', ...parts, '--format', 'jsonl')
        .stdout.split('\n')
        .sort(),
    ).toEqual(whole.split('\n').sort())
  })

  it('resumed from half a file, of which the last line is cut off, is the whole; nothing is booted twice', () => {
    const file = join(folder, 'kept.jsonl')
    const half = whole.slice(0, whole.length >> 1)
    writeFileSync(file, half)
    const { status, stdout, stderr } = run('matrix', ...SMALL, '--resume', 'kept.jsonl', '--format', 'markdown')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toBe(run('matrix', ...SMALL, '--format', 'markdown').stdout)
    expect(readFileSync(file, 'utf8')).toBe(whole)
    // A kept result is believed: one that is marked is shown so, which a boot would not.
    const marked = whole.replace('"io":"', '"io":"(kept) ')
    writeFileSync(file, marked)
    expect(run('matrix', ...SMALL, '--resume', 'kept.jsonl', '--format', 'jsonl').stdout).toBe(marked)
  })

  it('stopped by Ctrl-C leaves whole lines, and a file to go on from', async () => {
    const args = ['matrix', '--guest', '*', '--resume', 'stopped.jsonl', '--format', 'json', '--jobs', '1']
    const child = spawn(process.execPath, [program, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    const written = { stdout: '', stderr: '' }
    child.stdout.on('data', (part) => {
      written.stdout += part
    })
    child.stderr.on('data', (part) => {
      written.stderr += part
    })
    const file = join(folder, 'stopped.jsonl')
    const watch = setInterval(() => {
      try {
        if (readFileSync(file).length === 0) return
        clearInterval(watch)
        child.kill('SIGINT')
      } catch {
        // Not there yet.
      }
    }, 20)
    const status = await new Promise((resolve) => child.on('close', resolve))
    clearInterval(watch)
    expect(written.stderr).toMatch(/^dmascope: stopped after \d+ of \d+ cells; the same command goes on from there\n$/)
    expect(status).toBe(130)
    const document = matrixDocumentSchema.parse(JSON.parse(written.stdout))
    const { results } = readResults(readFileSync(file, 'utf8'), 'stopped.jsonl', version)
    expect(results.length).toBeGreaterThan(0)
    expect(results.length).toBeLessThan(document.asked)
    expect(document.results).toEqual(results)
  })

  it('shows one cell as its boot does, of which the matrix keeps the outcome', () => {
    const key = 'linux-4.4/physical/x86-vtd/on/virtio-blk'
    for (const rest of [[], ['--why', 'asked'], ['--format', 'json']]) {
      expect(run('matrix', '--cell', key, ...rest)).toEqual(run('boot', key, ...rest))
    }
    const report = JSON.parse(run('matrix', '--cell', key, '--format', 'json').stdout) as {
      devices: { name: string; verdict: string; io: { detail: string } }[]
    }
    const asked = report.devices.find(({ name }) => name === 'asked')
    const kept = readResults(whole, 'whole', version).results.find(({ cell }) => cell === key)
    expect(kept).toMatchObject({ verdict: asked?.verdict, io: asked?.io.detail })
  })

  it('lists what its axes can be', () => {
    const axes = JSON.parse(run('matrix', '--axes', '--format', 'json').stdout) as { option: string }[]
    expect(axes.map(({ option }) => option)).toEqual(['guest', 'hypervisor', 'platform', 'iommu', 'device'])
    expect(run('matrix', '--axes').stdout).toMatch(/^\* x86-vtd +q35 with VT-d$/m)
  })

  it('publishes its schema', () => {
    expect(JSON.parse(run('schema', 'matrix').stdout)).toMatchObject({ properties: { results: { type: 'array' } } })
  })

  it.each<readonly [args: readonly string[], message: RegExp]>([
    [['--format', 'yaml'], /--format yaml: a matrix is shown as text, json, jsonl, markdown, html/],
    [['--cell', 'linux-6.12/qemu/x86-vtd/on'], /write GUEST\/HYPERVISOR\/PLATFORM\/IOMMU\/DEVICE/],
    [['--cell', 'linux-6.12/qemu/x86-vtd/on/virtio-blk', '--format', 'html'], /a cell is shown as text, json/],
    [['--cell', 'linux-6.12/qemu/pseries/off/virtio-blk'], /there is no such machine: pseries has no state off/],
    [['--why', 'asked'], /--why is of one cell/],
    [['--shard', '5/4'], /--shard 5\/4: write which part of how many/],
    [['--jobs', '0'], /--jobs 0: write how many threads/],
    [['--platform', 'pseries', '--iommu', 'off'], /no cell is of all these/],
    [['--platform', 'x86-vtx'], /did you mean x86-vtd\?/],
    [['--resume', '-'], /results are kept in a file/],
    [['--resume', 'bin'], /cannot read bin: it is a folder/],
    [['--resume', 'bin/dmascope.js'], /bin\/dmascope\.js/],
    [['merge', 'nowhere.jsonl'], /cannot read nowhere\.jsonl: there is no such file or folder/],
    [['merge'], /missing required argument 'file'/],
  ])('%j ends with 2 and says what to write instead', (args, message) => {
    const { status, stdout, stderr } = run('matrix', ...args)
    expect(stderr).toMatch(message)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  it('boots no cells for a process that nobody started for that', () => {
    expect(run('--serve-cells')).toMatchObject({ status: 2, stdout: '' })
  })
})
