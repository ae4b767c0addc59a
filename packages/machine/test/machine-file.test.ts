import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { machineFileSchema, readMachineFile } from '../src/file/index.ts'
import { describePreset, findPreset, listPresets } from '../src/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

const errorOf = (text: string): string => {
  try {
    readMachineFile(text, { file: 'm.yaml' })
  } catch (error) {
    if (error instanceof DmascopeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'nothing thrown'
}

const EXAMPLE = `# A machine
machine: q35
qemuVersion: 7.2
memory: 1G
machineProperties:
  kernel-irqchip: split
  default-bus-bypass-iommu: off
append: intel_iommu=on
guest: linux-6.1
devices:
  - model: intel-iommu
    intremap: on
  - model: pcie-root-port
    id: rp0
    addr: 02.1
    chassis: 1
  - model: virtio-blk
    bus: rp0
    addr: 00.0
    iommu_platform: on
    backend: { size: 64M, readOnly: true }
  - {model: virtio-net-pci, addr: 1f, backend: {where: vhost}}
`

const SMALL =
  'machine: q35\ndevices:\n  - {model: edu, id: a, addr: 02.0}\n  - model: virtio-blk\n    backend: {size: 8M}\n'

describe('a machine file', () => {
  it('becomes a description, each device with its place', () => {
    const { description, guest, guestPlace } = readMachineFile(EXAMPLE, { file: 'm.yaml' })
    expect(guest).toBe('linux-6.1')
    expect(guestPlace).toBe('m.yaml:9:8')
    expect(description).toEqual({
      machine: 'q35',
      qemuVersion: '7.2',
      name: 'q35',
      source: 'file',
      memory: 1024 ** 3,
      cpus: 1,
      defaultDevices: false,
      machineProperties: { 'kernel-irqchip': 'split', default_bus_bypass_iommu: false },
      append: 'intel_iommu=on',
      ignored: [],
      devices: [
        { model: 'intel-iommu', properties: { intremap: 'on' }, location: { text: 'm.yaml:11:5' } },
        {
          model: 'pcie-root-port',
          id: 'rp0',
          addr: { device: 2, function: 1 },
          properties: { chassis: 1 },
          location: { text: 'm.yaml:13:5' },
        },
        {
          model: 'virtio-blk-pci',
          bus: 'rp0',
          addr: { device: 0, function: 0 },
          properties: { iommu_platform: true },
          backend: { kind: 'disk', where: 'qemu', size: 64 * 1024 * 1024, readOnly: true },
          location: { text: 'm.yaml:17:5' },
        },
        {
          model: 'virtio-net-pci',
          addr: { device: 31, function: 0 },
          properties: {},
          backend: { kind: 'network', where: 'vhost' },
          location: { text: 'm.yaml:22:5' },
        },
      ],
    })
  })

  it('may be JSON: the same machine either way', () => {
    const json = JSON.stringify({
      machine: 'pc',
      memory: 256,
      devices: [{ model: 'virtio-blk-pci', addr: '04.0', 'disable-legacy': 'on', iommu_platform: true }],
    })
    const { description } = readMachineFile(json, { file: 'm.json', qemuVersion: '7.2' })
    expect(description.memory).toBe(256 * 1024 * 1024)
    expect(description.qemuVersion).toBe('7.2')
    expect(description.devices[0]).toMatchObject({
      addr: { device: 4, function: 0 },
      properties: { 'disable-legacy': 'on', iommu_platform: true },
      backend: { kind: 'disk', size: 8 * 1024 * 1024 },
      location: { text: 'm.json:1:41' },
    })
  })

  it.each([
    ['machine: q36\n', "MACHINE_FILE_VALUE m.yaml:1:10: machine: expected 'q35' or 'pc'"],
    ['machine: q35\nmemroy: 1G\n', "MACHINE_FILE_UNKNOWN_KEY m.yaml:2:1: unknown key 'memroy'; did you mean 'memory'?"],
    ['machine: q35\ncpus: many\n', 'MACHINE_FILE_VALUE m.yaml:2:7: cpus: expected a number'],
    ['machine: q35\nmemory: lots\n', "MACHINE_FILE_VALUE m.yaml:2:9: expected a size such as 512M or 2G, got 'lots'"],
    ['machine: q35\ndevices: 3\n', 'MACHINE_FILE_VALUE m.yaml:2:10: devices: expected a list'],
    ['devices: []\n', 'MACHINE_FILE_VALUE m.yaml:1:1: machine: expected '],
    ['', 'MACHINE_FILE_VALUE m.yaml:1:1: the file: expected a mapping of keys to values'],
    [
      'machine: q35\ndevices:\n  - model: virtio-blk-pcie\n',
      "MACHINE_UNKNOWN_DEVICE m.yaml:3:12: 'virtio-blk-pcie' is not a valid device model name; did you mean 'virtio-blk-pci'?",
    ],
    [
      'machine: q35\ndevices:\n  - model: e1000e\n    iommu_platform: on\n',
      "MACHINE_UNKNOWN_PROPERTY m.yaml:4:5: property 'e1000e.iommu_platform' not found",
    ],
    [
      'machine: q35\ndevices:\n  - model: virtio-blk-pci\n    iommu_platform: 2\n',
      "MACHINE_PROPERTY_VALUE m.yaml:4:5: property 'virtio-blk-pci.iommu_platform' does not accept '2'; it takes 'on' or 'off'",
    ],
    [
      'machine: q35\ndevices:\n  - model: virtio-blk-pci\n    drive: d0\n',
      'MACHINE_FILE_VALUE m.yaml:4:5: a machine file has no back ends by name',
    ],
    [
      'machine: q35\ndevices:\n  - model: virtio-blk-pci\n    addr: 20.0\n',
      'MACHINE_FILE_VALUE m.yaml:4:11: expected a PCI address',
    ],
    [
      'machine: q35\ndevices:\n  - {model: edu, id: a}\n  - {model: edu, id: a}\n',
      "MACHINE_FILE_DUPLICATE_ID m.yaml:4:22: Duplicate ID 'a' for device; it stands first at m.yaml:3:22",
    ],
    [
      'machine: pc\nsegments:\n  - segment: 1\n',
      'MACHINE_FILE_VALUE m.yaml:2:1: only a q35 takes further segments; on a pseries, add devices of the model spapr-pci-host-bridge',
    ],
    [
      'machine: q35\nsegments:\n  - {segment: 1}\n  - {segment: 1, bus: b}\n',
      'MACHINE_FILE_DUPLICATE_ID m.yaml:4:5: segment 1 is there already, at m.yaml:3:5',
    ],
    [
      'machine: q35\nsegments:\n  - {segment: 1, bus: b}\n  - {segment: 2, bus: b}\n',
      'MACHINE_FILE_DUPLICATE_ID m.yaml:4:5: bus b is there already, at m.yaml:3:5',
    ],
    [
      'machine: q35\nsegments:\n  - {segment: 1, iommu: true}\n',
      'MACHINE_FILE_VALUE m.yaml:3:25: the machine has no IOMMU that a segment could have one like; add a device of the model intel-iommu',
    ],
    [
      'machine: q35\ndevices:\n  - {model: edu, backend: {}}\n',
      "MACHINE_FILE_VALUE m.yaml:3:18: 'edu' has no back end",
    ],
    [
      'machine: q35\ndevices:\n  - {model: virtio-blk-pci, backend: {sice: 1M}}\n',
      "MACHINE_FILE_UNKNOWN_KEY m.yaml:3:39: unknown key 'sice'; did you mean 'size'?",
    ],
    [
      'machine: q35\ndevices:\n  - model: nvme\n',
      'MACHINE_FILE_VALUE m.yaml:3:5: serial property not set; write serial: ...',
    ],
    [
      'machine: q35\nmachineProperties:\n  kernel-irqchips: on\n',
      "MACHINE_UNKNOWN_MACHINE_PROPERTY m.yaml:3:3: machine property 'kernel-irqchips' not found; did you mean 'kernel-irqchip'?",
    ],
    ['machine: q35\nmachine: pc\n', 'MACHINE_FILE_SYNTAX m.yaml:2:1: Map keys must be unique'],
    ['machine: [q35\n', 'MACHINE_FILE_SYNTAX m.yaml:2:1: '],
    ['machine: q35\n---\nmachine: pc\n', 'MACHINE_FILE_SYNTAX m.yaml:2:1: a second document begins'],
    [
      'machine: q35\ndevices:\n  - &a {model: e1000e}\n  - <<: *a\n    addr: 5\n',
      'MACHINE_FILE_SYNTAX m.yaml:4:5: YAML 1.2 has no merge keys; write the keys out',
    ],
    [
      'machine: q35\ndevices:\n  - model: e1000e\n    properties: {mac: x}\n',
      "MACHINE_FILE_UNKNOWN_KEY m.yaml:4:5: unknown key 'properties'; a device's properties stand beside its model",
    ],
    [`machine: q35\n${'#'.repeat(1_000_000)}`, 'MACHINE_FILE_SYNTAX m.yaml: larger than a machine file may be (1 MB)'],
    ['machine: q35\n__proto__: 1\n', 'MACHINE_FILE_SYNTAX m.yaml:2:1: a key is a plain word'],
    ['machine: q35\nqemuVersion: 8.0\n', 'MACHINE_FILE_VALUE m.yaml:2:14: qemuVersion: expected '],
  ])('%j is refused with its place and what to write', (text, message) => {
    expect(errorOf(text)).toContain(message)
  })

  it('of nested aliases is refused, not unfolded', () => {
    const levels = Array.from(
      { length: 20 },
      (_, n) => `a${n}: &a${n} [${n === 0 ? '1' : Array(9).fill(`*a${n - 1}`)}]`,
    )
    expect(errorOf(levels.join('\n'))).toContain('MACHINE_FILE_SYNTAX')
  })

  it('has a published JSON schema that names every key, and says which are needed', () => {
    const schema = machineFileSchema() as {
      $schema: string
      required: string[]
      additionalProperties: boolean
      properties: { devices: { items: { required: string[]; additionalProperties: unknown } } }
    }
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(schema.required).toEqual(['machine'])
    expect(schema.additionalProperties).toBe(false)
    expect(schema.properties.devices.items.required).toEqual(['model'])
    expect(schema.properties.devices.items.additionalProperties).not.toBe(false)
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(['machine', 'qemuVersion', 'memory', 'cpus', 'machineProperties', 'append', 'devices']),
    )
  })

  it('never throws anything but a DmascopeError, whatever it holds', () => {
    const key = fc.constantFrom(
      'machine',
      'memory',
      'cpus',
      'devices',
      'model',
      'addr',
      'id',
      'backend',
      'size',
      'x',
      '__proto__',
      'toString',
    )
    const leaf = fc.oneof(
      fc.constantFrom('q35', 'pc', 'edu', 'virtio-blk-pci', 'on', '02.0', '64M', 'intel-iommu'),
      fc.string({ maxLength: 6 }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 3, depthSize: 'xsmall' }, leaf, fc.array(tie('tree'), { maxLength: 3 }), tie('map')),
      map: fc.array(fc.tuple(key, tie('tree')), { maxLength: 4 }).map((pairs) => new Map(pairs)),
    }))
    const document = fc.oneof(
      tree.map((value) => stringify(value)),
      fc.string({ maxLength: 40 }),
      fc
        .tuple(fc.nat(SMALL.length), fc.nat(8), fc.string({ maxLength: 4 }))
        .map(([at, cut, put]) => SMALL.slice(0, at) + put + SMALL.slice(at + cut)),
    )
    fc.assert(
      fc.property(document, (text) => {
        try {
          const { description } = readMachineFile(text)
          expect(['q35', 'pc']).toContain(description.machine)
        } catch (error) {
          expect(error).toBeInstanceOf(DmascopeError)
        }
      }),
      RUNS,
    )
  })
})

describe('the topology of a virt', () => {
  const file = (more: string): string =>
    `machine: virt\ncpu: max\ncpus: 4\ntopology: { sockets: 2, cores: 1, threads: 2 }\n${more}`

  it('is kept', () => {
    expect(readMachineFile(file('')).description.topology).toEqual({ sockets: 2, cores: 1, threads: 2 })
  })

  it('makes up all processors', () => {
    expect(() => readMachineFile(file('maxCpus: 8'))).toThrow(
      /:4:1: sockets, dies, clusters, modules, cores and threads make 4 processors, and there are 8; write maxCpus: 4/,
    )
  })
})

describe('the virtio transports of a board', () => {
  const file = (machine: string): string => `machine: ${machine}\ncpu: max\nvirtioTransports: { force-legacy: false }\n`

  it('have properties of their own', () => {
    expect(readMachineFile(file('virt')).description.virtioTransports).toEqual({ 'force-legacy': false })
  })

  it('are refused of a machine that has none', () => {
    expect(() => readMachineFile(file('q35'))).toThrow(
      /:3:1: only a virt, a microvm or a bcm3384 has virtio transports of its own/,
    )
  })
})

describe('presets', () => {
  it.each(listPresets().map(({ name }) => [name]))('%s is a sound machine file, on both QEMU releases', (name) => {
    const preset = findPreset(name)
    expect(preset.summary).toMatch(/^.{20,100}$/)
    const { description } = readMachineFile(stringify(preset.content))
    const own = describePreset(preset)
    const plain = (devices: typeof own.devices) => devices.map(({ location: _, ...rest }) => rest)
    expect(plain(description.devices)).toEqual(plain(own.devices))
    expect(own.name).toBe(name)
    expect(describePreset(preset, { qemuVersion: '7.2' }).qemuVersion).toBe('7.2')
  })

  it('the default one is the machine of the documentation', () => {
    const { devices, append, machineProperties, memory } = describePreset(findPreset('default'))
    expect(append).toBe('intel_iommu=on')
    expect(machineProperties).toEqual({ 'kernel-irqchip': 'split' })
    expect(memory).toBe(512 * 1024 * 1024)
    expect(
      devices.map(({ model, addr, properties }) => [model, addr?.device ?? null, properties.iommu_platform ?? null]),
    ).toEqual([
      ['intel-iommu', null, null],
      ['virtio-blk-pci', 2, true],
      ['virtio-blk-pci', 3, null],
      ['virtio-net-pci', 4, true],
      ['virtio-rng-pci', 5, null],
      ['e1000e', 6, null],
    ])
  })

  it('of an unknown name is refused with the nearest', () => {
    expect(() => findPreset('no-iomu')).toThrow("there is no preset 'no-iomu'; did you mean 'no-iommu'?")
    expect(findPreset('probe').name).toBe('lying-firmware')
    expect(() => findPreset('toString')).toThrow(DmascopeError)
  })
})
