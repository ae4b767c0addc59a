import { readFileSync } from 'node:fs'
import { parseTable } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import {
  createMachine,
  type DeviceDescription,
  DmascopeError,
  deviceModels,
  type MachineDescription,
} from '../src/index.ts'
import { describeQ35, device } from './described-q35.ts'

function build(description: MachineDescription): ReturnType<ReturnType<typeof createMachine>['machine']['observe']> {
  const { machine } = createMachine(description)
  const seen = machine.observe()
  machine.dispose()
  return seen
}

const refusal = (description: MachineDescription): DmascopeError => {
  try {
    build(description)
  } catch (error) {
    if (error instanceof DmascopeError) return error
    throw error
  }
  throw new Error('it was not refused')
}

/** The tables in a machine's fw_cfg file, by signature. Addresses are offsets, checksums zero. */
function tables(description: MachineDescription): Map<string, Uint8Array> {
  const { machine, files } = createMachine(description)
  const file = files.get('etc/acpi/tables')!.bytes
  const view = new DataView(file.buffer)
  const found = new Map<string, Uint8Array>()
  for (let offset = 0; offset < file.length; offset += view.getUint32(offset + 4, true)) {
    const length = view.getUint32(offset + 4, true)
    found.set(String.fromCharCode(...file.subarray(offset, offset + 4)), file.slice(offset, offset + length))
  }
  machine.dispose()
  return found
}

describe('q35', () => {
  it('has QEMU’s built-in functions, with no default devices', () => {
    expect(build(describeQ35([])).map(({ id, model }) => `${id} ${model}`)).toEqual([
      '0000:00:00.0 mch',
      '0000:00:1f.0 ICH9-LPC',
      '0000:00:1f.2 ich9-ahci',
      '0000:00:1f.3 ICH9-SMB',
    ])
  })

  it('adds a display and an e1000e by default, before the user’s devices', () => {
    const seen = build(describeQ35([device('virtio-rng-pci')], { defaultDevices: true }))
    expect(seen.map(({ id, model }) => `${id} ${model}`).slice(1, 4)).toEqual([
      '0000:00:01.0 VGA',
      '0000:00:02.0 e1000e',
      '0000:00:03.0 virtio-rng-pci',
    ])
  })

  it('leaves out the defaults that the user replaced or refused', () => {
    const models = (more: Partial<MachineDescription>, devices: DeviceDescription[] = []): string[] =>
      build(describeQ35(devices, { defaultDevices: true, ...more })).map(({ model }) => model)
    expect(models({ machineProperties: { vga: 'none', defaultNic: false } })).not.toContain('VGA')
    expect(models({ machineProperties: { defaultNic: false } })).not.toContain('e1000e')
    expect(models({}, [device('qxl-vga')])).not.toContain('VGA')
  })

  it('takes the lowest free slot, and reads addr= as written', () => {
    const seen = build(
      describeQ35([
        device('virtio-rng-pci', {}, { addr: { device: 1, function: 0 } }),
        device('virtio-rng-pci'),
        device('virtio-rng-pci', {}, { addr: { device: 0x1e, function: 0 } }),
      ]),
    )
    expect(seen.filter(({ model }) => model === 'virtio-rng-pci').map(({ id }) => id)).toEqual([
      '0000:00:01.0',
      '0000:00:02.0',
      '0000:00:1e.0',
    ])
  })

  it('writes the tables that QEMU 11.1 and 7.2 wrote, but for addresses and checksums', () => {
    const options = { 'disable-legacy': 'on', iommu_platform: 'on' }
    const at = (slot: number, model: string, properties: DeviceDescription['properties'] = {}): DeviceDescription =>
      device(model, properties, { addr: { device: slot, function: 0 } })
    const devices = [
      device('intel-iommu', { intremap: 'on' }),
      at(2, 'virtio-blk-pci', options),
      at(3, 'virtio-blk-pci'),
      at(4, 'virtio-net-pci', options),
      at(5, 'virtio-rng-pci'),
      at(6, 'e1000e'),
      at(7, 'nvme', { serial: 'nv2' }),
      at(8, 'virtio-rng-pci', options),
      at(9, 'virtio-net-pci'),
    ]
    for (const [version, folder] of [
      ['11.1', 'q111'],
      ['7.2', 'q72'],
    ] as const) {
      const ours = tables(describeQ35(devices, { qemuVersion: version }))
      for (const name of ['DMAR', 'MCFG', 'APIC', 'FACP', 'HPET', 'WAET']) {
        const theirs = new Uint8Array(readFileSync(new URL(`./golden/${folder}/${name}.dat`, import.meta.url)))
        const made = ours.get(name) as Uint8Array
        for (const table of [theirs, made]) {
          table[9] = 0
          if (name === 'FACP') for (const field of [36, 40, 140]) table.fill(0, field, field + 4)
        }
        expect(parseTable(made), `${version} ${name}`).toEqual(parseTable(theirs))
        expect(made, `${version} ${name}`).toEqual(theirs)
      }
    }
  })

  it('names no function of a bypassed root bus in DMAR', () => {
    const dmar = parseTable(
      tables(describeQ35([device('intel-iommu')], { machineProperties: { default_bus_bypass_iommu: true } })).get(
        'DMAR',
      ) as Uint8Array,
    )
    expect(dmar).toMatchObject({ records: [{ kind: 'DRHD', flags: 0, scopes: [{ kind: 'ioapic' }] }] })
  })

  it('stands root ports in DMAR for what is below them, and adds an ATSR with a device IOTLB', () => {
    const dmar = parseTable(
      tables(
        describeQ35([
          device('intel-iommu', { 'device-iotlb': 'on' }),
          device('pcie-root-port', {}, { id: 'rp' }),
          device('virtio-net-pci', { ats: 'on', iommu_platform: 'on' }, { bus: 'rp' }),
        ]),
      ).get('DMAR') as Uint8Array,
    )
    expect(dmar).toMatchObject({
      records: [
        {
          kind: 'DRHD',
          scopes: [
            { kind: 'ioapic' },
            { kind: 'endpoint' },
            { kind: 'bridge', path: [{ device: 1, function: 0 }] },
            {},
            {},
            {},
          ],
        },
        { kind: 'ATSR', flags: 1 },
      ],
    })
  })
})

describe('pc', () => {
  it('has QEMU’s built-in functions', () => {
    expect(build(describeQ35([], { machine: 'pc' })).map(({ id, model }) => `${id} ${model}`)).toEqual([
      '0000:00:00.0 i440FX',
      '0000:00:01.0 PIIX3',
      '0000:00:01.1 piix3-ide',
      '0000:00:01.3 PIIX4_PM',
    ])
  })

  it('has no MCFG, and an ACPI 1.0 FADT', () => {
    const made = tables(describeQ35([], { machine: 'pc' }))
    expect(made.has('MCFG')).toBe(false)
    expect(made.get('FACP')?.length).toBe(116)
  })
})

describe('wiring', () => {
  it('puts a virtio device behind the IOMMU only with iommu_platform, all others by their bus', () => {
    const seen = build(
      describeQ35([
        device('intel-iommu'),
        device('virtio-rng-pci', { iommu_platform: 'on', 'disable-legacy': 'on' }, { id: 'on' }),
        device('virtio-rng-pci', {}, { id: 'off' }),
        device('e1000e', {}, { id: 'nic' }),
        device('dmascope-probe', { bypass: true }, { id: 'probe' }),
      ]),
    )
    const behind = Object.fromEntries(
      seen.filter(({ deviceId }) => deviceId !== null).map((one) => [one.deviceId, one.behindIommu]),
    )
    expect(behind).toEqual({ on: true, off: false, nic: true, probe: false })
  })

  it('puts nothing behind an IOMMU that is not there', () => {
    expect(build(describeQ35([device('e1000e')])).some(({ behindIommu }) => behindIommu)).toBe(false)
  })
})

describe('refusals', () => {
  const root = { bus: 'rp' }
  const port = device('pcie-root-port', {}, { id: 'rp' })
  it.each<[string, MachineDescription, RegExp]>([
    [
      'an unknown device',
      describeQ35([device('virtio-blk-pcii')]),
      /'virtio-blk-pcii' is not a valid device model name; did you mean 'virtio-blk-pci'/,
    ],
    [
      'an unknown property',
      describeQ35([device('virtio-blk-pci', { iomu_platform: 'on' })]),
      /'virtio-blk-pci.iomu_platform' not found; did you mean 'iommu_platform'/,
    ],
    ['a wrong value', describeQ35([device('virtio-blk-pci', { iommu_platform: 'maybe' })]), /does not accept 'maybe'/],
    [
      'an unknown bus',
      describeQ35([port, device('e1000e', {}, { bus: 'rq' })]),
      /Bus 'rq' not found; did you mean 'rp'/,
    ],
    [
      'a slot that is taken',
      describeQ35([device('e1000e', {}, { addr: { device: 31, function: 0 } })]),
      /PCI: slot 31 function 0 not available for e1000e, in use by ICH9-LPC/,
    ],
    [
      'function 1 of a single function',
      describeQ35([
        device('e1000e', {}, { addr: { device: 4, function: 0 } }),
        device('e1000e', {}, { addr: { device: 4, function: 1 } }),
      ]),
      /PCI: single function device can't be populated in function 4\.1/,
    ],
    [
      'bit 33 on a transitional device',
      describeQ35([device('virtio-blk-pci', { iommu_platform: 'on' })]),
      /VIRTIO_F_IOMMU_PLATFORM was supported by neither legacy nor transitional device/,
    ],
    [
      'neither legacy nor modern',
      describeQ35([port, device('virtio-blk-pci', { 'disable-modern': 'on' }, root)]),
      /device cannot work as neither modern nor legacy mode is enabled/,
    ],
    [
      'SCSI commands on a modern disk',
      describeQ35([device('virtio-blk-pci', { scsi: 'on', iommu_platform: 'on' })], { qemuVersion: '7.2' }),
      /Please set scsi=off for virtio-blk devices in order to use virtio 1\.0/,
    ],
    [
      'two IOMMUs',
      describeQ35([device('intel-iommu'), device('intel-iommu')]),
      /QEMU does not support multiple vIOMMUs for x86 yet/,
    ],
    [
      'an IOMMU on pc',
      describeQ35([device('intel-iommu')], { machine: 'pc' }),
      /Machine-type 'pc' not supported by intel-iommu/,
    ],
    [
      'an assigned device behind a unit without caching mode',
      describeQ35([device('intel-iommu'), device('vfio-pci', { host: '01:00.0' })]),
      /device 01\.0 requires caching mode; write .*caching-mode=on/,
    ],
    ['memory that is no size', describeQ35([], { memory: 1000 }), /multiple of 1 MiB/],
  ])('refuses %s, says where, and near QEMU’s words', (_what, description, message) => {
    const error = refusal(description)
    expect(error.message).toMatch(message)
    expect(error.code).toMatch(/^MACHINE_/)
  })
})

describe('catalogue', () => {
  const onPci = deviceModels().filter(({ pci, virtio, plug }) => (pci !== null || virtio !== null) && plug === 'any')

  it.each(onPci.map((model) => [model.name, model] as const))(
    'builds %s on the root bus, or says that it is not modelled',
    (name, model) => {
      const version = model.versions.includes('11.1') ? '11.1' : '7.2'
      const properties = Object.fromEntries(Object.keys(model.required).map((key) => [key.split('|')[0]!, 1]))
      try {
        const seen = build(describeQ35([device(name, properties)], { qemuVersion: version }))
        expect(seen.some((one) => one.model === name)).toBe(true)
      } catch (error) {
        expect((error as DmascopeError).code, String(error)).toBe('MACHINE_NOT_MODELLED')
      }
    },
  )
})
