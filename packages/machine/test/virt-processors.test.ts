import { parseGtdt, parsePptt } from '@dmascope/acpi'
import { type DeviceTree, type DtNode, parseDtb } from '@dmascope/devicetree'
import { afterEach, describe, expect, test } from 'vitest'
import { createMachine, type Machine, type MachineDescription } from '../src/index.ts'

// Trees and tables as QEMU 7.2 and 11.1 wrote them for the same options.

const virt = (more: Partial<MachineDescription>): MachineDescription => ({
  machine: 'virt',
  qemuVersion: '11.1',
  name: 'virt',
  source: 'qemu',
  memory: 0x2000_0000,
  cpus: 1,
  cpu: 'cortex-a57',
  defaultDevices: false,
  machineProperties: { 'gic-version': '3' },
  devices: [],
  append: '',
  ignored: [],
  ...more,
})

let made: Machine | null = null
afterEach(() => made?.dispose())

function treeOf(more: Partial<MachineDescription>): DeviceTree {
  const { machine, deviceTree } = createMachine(virt(more))
  made = machine
  const bytes = new Uint8Array(0x8000)
  machine.bus.readBytes(deviceTree!, bytes)
  return parseDtb(bytes)
}

function tableOf(signature: string, more: Partial<MachineDescription>): Uint8Array | null {
  const properties = { 'gic-version': '3', ...more.machineProperties, firmware: 'QEMU_EFI.fd' }
  const { machine, files } = createMachine(virt({ ...more, machineProperties: properties }))
  made = machine
  const all = files.get('etc/acpi/tables')!.bytes
  const at = Buffer.from(all).toString('latin1').indexOf(signature)
  return at < 0 ? null : all.slice(at, at + new DataView(all.buffer).getUint32(at + 4, true))
}

/** Flags, parent and processor ID of each node, by its offset. */
const hierarchy = (more: Partial<MachineDescription>): string[] =>
  parsePptt(tableOf('PPTT', more)!).records.map((record) =>
    record.kind === 'processor'
      ? `${record.offset!.toString(16)}: ${record.flags.toString(16)} ${record.parent.toString(16)} ${record.acpiProcessorId}`
      : record.kind,
  )

const outline = ({ name, children }: DtNode): string =>
  children.length === 0 ? name : `${name}(${children.map(outline).join(' ')})`

describe('the map of processors', () => {
  const map = (topology: MachineDescription['topology'], cpus: number): string =>
    outline(treeOf({ cpus, ...(topology !== undefined && { topology }) }).find('/cpus/cpu-map')!)

  test('without a topology: cores of one socket', () => {
    expect(map(undefined, 2)).toBe('cpu-map(socket0(cluster0(core0 core1)))')
  })

  test('sockets and clusters', () => {
    expect(map({ sockets: 2, clusters: 2, cores: 1, threads: 1 }, 4)).toBe(
      'cpu-map(socket0(cluster0(core0) cluster1(core0)) socket1(cluster0(core0) cluster1(core0)))',
    )
  })

  test('threads', () => {
    expect(map({ sockets: 1, cores: 2, threads: 2 }, 4)).toBe(
      'cpu-map(socket0(cluster0(core0(thread0 thread1) core1(thread0 thread1))))',
    )
  })

  test('has those alone that are there', () => {
    const tree = treeOf({ cpus: 1, maxCpus: 4, topology: { sockets: 2, cores: 2, threads: 1 } })
    expect(outline(tree.find('/cpus/cpu-map')!)).toBe('cpu-map(socket0(cluster0(core0)))')
  })

  test('of types up to virt-6.1 there is none; 11.1 gives phandles all the same', () => {
    for (const [qemuVersion, phandle] of [
      ['7.2', false],
      ['11.1', true],
    ] as const) {
      const tree = treeOf({ qemuVersion, machineProperties: { 'gic-version': '3', type: 'virt-6.1' } })
      expect(tree.find('/cpus/cpu-map')).toBeUndefined()
      expect(tree.find('/cpus/cpu@0')!.has('phandle')).toBe(phandle)
      made?.dispose()
    }
  })
})

describe('PPTT', () => {
  const topology = { sockets: 2, clusters: 1, cores: 1, threads: 2 }

  test('of 11.1: a root above the sockets, and clusters where the command line has them', () => {
    expect(hierarchy({ cpus: 4, topology })).toEqual([
      '24: 11 0 0',
      '38: 11 24 0',
      '4c: 10 38 0',
      '60: 10 4c 0',
      '74: e 60 0',
      '88: e 60 1',
      '9c: 11 24 1',
      'b0: 10 9c 0',
      'c4: 10 b0 0',
      'd8: e c4 2',
      'ec: e c4 3',
    ])
    expect(hierarchy({ cpus: 2 })).toEqual(['24: 11 0 0', '38: 11 24 0', '4c: a 38 0', '60: a 38 1'])
  })

  test('of 7.2: sockets, clusters always, cores', () => {
    expect(hierarchy({ qemuVersion: '7.2', cpus: 4, topology: { sockets: 1, cores: 2, threads: 2 } })).toEqual([
      '24: 1 0 0',
      '38: 0 24 0',
      '4c: 0 38 0',
      '60: e 4c 0',
      '74: e 4c 1',
      '88: 0 38 1',
      '9c: e 88 2',
      'b0: e 88 3',
    ])
  })

  test('has processors that may be plugged in later, too', () => {
    const later = { cpus: 1, maxCpus: 4, topology: { sockets: 2, cores: 2, threads: 1 } }
    expect(hierarchy(later)).toHaveLength(1 + 2 + 4)
  })

  test('is not there for types up to virt-6.1', () => {
    expect(tableOf('PPTT', { machineProperties: { type: 'virt-6.1' } })).toBeNull()
  })
})

describe('the virtual timer of EL2', () => {
  test.each([
    ['cortex-a76', true, undefined, '11.1', true],
    ['max', true, 'virt-9.0', '11.1', true],
    ['max', true, 'virt-8.2', '11.1', false],
    ['max', false, undefined, '11.1', false],
    ['cortex-a57', true, undefined, '11.1', false],
    ['max', true, undefined, '7.2', false],
  ] as const)('%s, virtualization=%s, %s on %s: %s', (cpu, virtualization, type, qemuVersion, expected) => {
    const machineProperties = { 'gic-version': '3', virtualization, ...(type !== undefined && { type }) }
    const interrupts = treeOf({ cpu, qemuVersion, machineProperties }).find('/timer')!.cells('interrupts')
    expect(interrupts.slice(12)).toEqual(expected ? [1, 12, 4] : [])
    made?.dispose()
    const gtdt = parseGtdt(tableOf('GTDT', { cpu, qemuVersion, machineProperties })!)
    expect(gtdt.virtualEl2TimerGsiv ?? 0).toBe(expected ? 28 : 0)
  })
})

describe('secure=on', () => {
  const secure = { 'gic-version': '3', secure: true }

  test('disables what the kernel cannot reach', () => {
    const tree = treeOf({ machineProperties: secure })
    for (const path of ['/pl011@9040000', '/secram@e000000', '/secflash@0', '/pl061@90b0000', '/gpio-restart']) {
      const node = tree.find(path)!
      expect([node.string('status'), node.string('secure-status')], path).toEqual(['disabled', 'okay'])
    }
    expect(tree.find('/aliases')!.string('serial1')).toBe('/pl011@9040000')
    expect(tree.find('/flash@4000000')!.cells('reg')).toEqual([0, 0x400_0000, 0, 0x400_0000])
    expect(tree.find('/secure-chosen')!.string('stdout-path')).toBe('/pl011@9040000')
  })

  test('with firmware is refused', () => {
    expect(() => createMachine(virt({ machineProperties: { ...secure, firmware: 'f' } }))).toThrow(
      'secure=on with firmware',
    )
  })
})

test('dtb-randomness=off: no seeds', () => {
  const chosen = treeOf({ machineProperties: { 'dtb-randomness': false } }).find('/chosen')!
  expect(['kaslr-seed', 'rng-seed'].filter((name) => chosen.has(name))).toEqual([])
})

test('spcr=off: no SPCR', () => {
  expect(tableOf('SPCR', {})).not.toBeNull()
  made?.dispose()
  expect(tableOf('SPCR', { machineProperties: { spcr: false } })).toBeNull()
})
