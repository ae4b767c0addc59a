import {
  checksum,
  findHostBridges,
  findPciRouting,
  type LoaderCommand,
  parseFadt,
  parseLoaderScript,
  parseRsdp,
  parseRsdt,
  parseTable,
} from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import type { FirmwareFiles } from '../src/firmware/firmware-file.ts'
import { createMachine, describePreset, findPreset, listPresets, type QemuVersion } from '../src/index.ts'

const TABLES = 'etc/acpi/tables'
const RSDP = 'etc/acpi/rsdp'
const LOADER = 'etc/table-loader'

interface Loaded {
  readonly memory: Uint8Array
  /** Where each file was put. */
  readonly at: ReadonlyMap<string, number>
  readonly commands: readonly LoaderCommand[]
}

/** What any firmware does with the script, over a plain array whose first byte has the address `base`. */
function load(files: FirmwareFiles, base: number): Loaded {
  const memory = new Uint8Array(0x10_0000)
  const view = new DataView(memory.buffer)
  const at = new Map<string, number>()
  let free = 0
  const commands = parseLoaderScript(files.get(LOADER)!.bytes)
  for (const one of commands) {
    if (one.command === 'allocate') {
      free = Math.ceil(free / one.align) * one.align
      at.set(one.file, base + free)
      const { bytes, size } = files.get(one.file)!
      memory.set(bytes, free)
      free += size
    } else if (one.command === 'add-pointer') {
      const where = (at.get(one.file) as number) - base + one.offset
      const value = view.getUint32(where, true) + (at.get(one.source) as number)
      view.setUint32(where, value, true)
    } else if (one.command === 'add-checksum') {
      const start = (at.get(one.file) as number) - base
      const sum = checksum(memory.subarray(start + one.start, start + one.start + one.length))
      memory[start + one.offset] = (memory[start + one.offset]! + sum) & 0xff
    } else throw new Error(`no firmware of this test knows ${one.command}`)
  }
  return { memory, at, commands }
}

const sum = (data: Uint8Array): number => data.reduce((total, byte) => (total + byte) & 0xff, 0)

/** The machines whose firmware reads files from QEMU, to build ACPI tables of them. */
const PCS = listPresets().filter(({ content }) => content.machine === 'q35' || content.machine === 'pc')
const CASES = PCS.flatMap(({ name }) => (['7.2', '11.1'] as const).map((version) => [name, version] as const))

function build(name: string, qemuVersion: QemuVersion): FirmwareFiles {
  const { machine, files } = createMachine(describePreset(findPreset(name), { qemuVersion }))
  machine.dispose()
  return files
}

describe.each(CASES)('the firmware files of %s on QEMU %s', (name, version) => {
  const BASE = 0x1f00_0000
  const { memory, at } = load(build(name, version), BASE)
  const bytesAt = (address: number, length: number): Uint8Array =>
    memory.subarray(address - BASE, address - BASE + length)
  const tableAt = (address: number): Uint8Array => {
    const head = new DataView(memory.buffer, address - BASE, 8)
    return bytesAt(address, head.getUint32(4, true))
  }
  const rsdp = parseRsdp(bytesAt(at.get(RSDP) as number, 20))
  const entries = parseRsdt(tableAt(rsdp.rsdtAddress)).entries
  const tables = new Map(entries.map((address) => [String.fromCharCode(...bytesAt(address, 4)), tableAt(address)]))

  it('link into a whole: from the RSDP every table is found, parses, and has the right checksum', () => {
    expect(sum(bytesAt(at.get(RSDP) as number, 20))).toBe(0)
    expect(sum(tableAt(rsdp.rsdtAddress))).toBe(0)
    for (const [signature, table] of tables) {
      expect(sum(table), signature).toBe(0)
      expect(parseTable(table)).toMatchObject({ signature })
    }
    const q35 = findPreset(name).content.machine !== 'pc'
    expect([...tables.keys()]).toEqual(expect.arrayContaining(['FACP', 'APIC', 'HPET', 'WAET']))
    expect(tables.has('MCFG')).toBe(q35)
  })

  it('lead to the FACS, aligned to 64, and to a DSDT with the host bridge and its interrupt routing', () => {
    const fadt = parseFadt(tables.get('FACP') as Uint8Array)
    expect(fadt.FIRMWARE_CTRL % 64).toBe(0)
    expect(String.fromCharCode(...bytesAt(fadt.FIRMWARE_CTRL, 4))).toBe('FACS')
    const dsdt = tableAt(fadt.DSDT)
    expect(String.fromCharCode(...dsdt.subarray(0, 4))).toBe('DSDT')
    expect(sum(dsdt)).toBe(0)
    if (fadt.X_DSDT !== undefined) expect(fadt.X_DSDT).toBe(fadt.DSDT)
    expect(findHostBridges(dsdt)).toEqual(expect.arrayContaining([expect.objectContaining({ bus: 0 })]))
    expect(findPciRouting(dsdt).length).toBeGreaterThanOrEqual(32 * 4)
  })

  it('name a remapping unit where the machine has one, at the address of its registers', () => {
    const has = (findPreset(name).content.devices ?? []).some(({ model }) => model === 'intel-iommu')
    expect(tables.has('DMAR')).toBe(has)
    if (!has) return
    expect(parseTable(tables.get('DMAR') as Uint8Array)).toMatchObject({
      records: expect.arrayContaining([expect.objectContaining({ kind: 'DRHD', registerBaseAddress: 0xfed9_0000 })]),
    })
  })

  it('are placed anywhere that firmware likes: only addresses and checksums change', () => {
    const files = build(name, version)
    const other = load(files, 0x7_0000)
    const here = load(files, BASE)
    const moved = new Set<number>()
    for (const one of here.commands) {
      if (one.command !== 'add-pointer' && one.command !== 'add-checksum') continue
      const start = (here.at.get(one.file) as number) - BASE + one.offset
      const size = one.command === 'add-pointer' ? one.size : 1
      for (let index = 0; index < size; index++) moved.add(start + index)
    }
    const changed = [...here.memory.keys()].filter(
      (index) => here.memory[index] !== other.memory[index] && !moved.has(index),
    )
    expect(here.memory.some((byte, index) => byte !== other.memory[index])).toBe(true)
    expect(changed).toEqual([])
  })

  it('keep the tables file at one size, whatever is in it', () => {
    expect(build(name, version).get(TABLES)!.size).toBe(0x2_0000)
  })

  it('ask for all memory before they use it, and never point outside of a file', () => {
    const files = build(name, version)
    const { commands } = load(files, BASE)
    const allocated = new Set<string>()
    for (const one of commands) {
      if (one.command === 'allocate') allocated.add(one.file)
      else if (one.command === 'add-pointer' || one.command === 'add-checksum') {
        expect(allocated.has(one.file)).toBe(true)
        const size = files.get(one.file)?.size ?? 0
        expect(one.offset + (one.command === 'add-pointer' ? one.size : 1)).toBeLessThanOrEqual(size)
        if (one.command === 'add-checksum') expect(one.start + one.length).toBeLessThanOrEqual(size)
      }
    }
    expect([...allocated].sort()).toEqual([RSDP, TABLES])
  })
})
