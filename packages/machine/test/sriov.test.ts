import { parseTable } from '@dmascope/acpi'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription, DmascopeError, type MachineDescription } from '../src/index.ts'
import { at, describeQ35, device } from './described-q35.ts'

/** The words after the place. */
function refusal(devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}): string {
  try {
    createMachine(describeQ35(devices, more)).machine.dispose()
  } catch (error) {
    if (error instanceof DmascopeError) return error.message.replace(/^.*?\): /, '')
    throw error
  }
  return 'not refused'
}

const PORT = device('pcie-root-port', { chassis: 1, slot: 1 }, { id: 'rp', ...at(5) })
const virtio = (id: string, fn: number, properties: DeviceDescription['properties'] = {}): DeviceDescription =>
  device('virtio-net-pci', properties, { id, bus: 'rp', ...at(0, fn) })
const SUBSYSTEM = device('nvme-subsys', { nqn: 's0' }, { id: 's0' })
const NVME = {
  serial: 'a',
  subsys: 's0',
  sriov_max_vfs: 3,
  sriov_vq_flexible: 6,
  sriov_vi_flexible: 3,
  max_ioqpairs: 8,
  msix_qsize: 6,
}

/** Configuration space of a function on bus 0, by CF8 and CFC, or of one at 01:00.0 once its port has numbers. */
function dump(description: MachineDescription, number: number, first: number, end: number): string {
  const { machine } = createMachine(description)
  try {
    const { config } = machine.root.rootBus.slotAt(number, 0)!.function
    const words: string[] = []
    for (let offset = first; offset < end; offset += 4) words.push(config.read(offset, 4).toString(16).padStart(8, '0'))
    return words.join(' ')
  } finally {
    machine.dispose()
  }
}

describe('igb', () => {
  it('has the capability as QEMU has it: 8 virtual functions from 80h on, 2 apart, with BARs 0 and 3', () => {
    expect(dump(describeQ35([device('igb', {}, at(3))]), 3, 0x160, 0x1a0)).toBe(
      '00010010 00000000 00000000 00080008 00000000 00020080 10ca0000 00000553 ' +
        '00000001 0000000c 00000000 00000000 0000000c 00000000 00000000 00000000',
    )
  })

  it('holds the places of its virtual functions, enabled or not', () => {
    const devices = [device('igb', {}, at(3)), device('e1000e', {}, at(0x13))]
    expect(refusal(devices)).toBe('PCI: slot 19 function 0 not available for e1000e, in use by igbvf')
    expect(refusal([device('e1000e', {}, { id: 'n', ...at(0x13) }), device('igb', {}, at(3))])).toBe(
      'PCI: slot 19 function 0 not available for igbvf, in use by e1000e,id=n',
    )
  })

  it('must leave room on its bus for all of them', () => {
    expect(refusal([device('igb', {}, at(0x10))])).toBe('VF addr overflows')
    expect(refusal([device('igb', {}, at(0xd))])).toBe('not refused')
  })

  it('puts them into the DMAR, where they stand on a root bus', () => {
    const { machine, files } = createMachine(describeQ35([device('intel-iommu'), device('igb', {}, at(3))]))
    machine.dispose()
    const tables = files.get('etc/acpi/tables')!.bytes
    const start = Buffer.from(tables).indexOf('DMAR')
    const length = new DataView(tables.buffer, tables.byteOffset).getUint32(start + 4, true)
    const table = parseTable(tables.subarray(start, start + length))
    const paths = JSON.stringify(table).match(/"device":19,"function":\d/g)
    expect(paths).toEqual([0, 2, 4, 6].map((fn) => `"device":19,"function":${fn}`))
  })
})

describe('nvme with sriov_max_vfs', () => {
  it('has the capability at 120h, behind that for Alternative Routing IDs', () => {
    expect(dump(describeQ35([SUBSYSTEM, device('nvme', NVME, at(3))]), 3, 0x100, 0x104)).toBe('1201000e')
    expect(dump(describeQ35([SUBSYSTEM, device('nvme', NVME, at(3))]), 3, 0x120, 0x14c)).toBe(
      '00010010 00000000 00000000 00030003 00000000 00010001 00100000 00000553 00000001 00000004 00000000',
    )
  })

  it('has none without', () => {
    expect(dump(describeQ35([device('nvme', { serial: 'a' }, at(3))]), 3, 0x100, 0x104)).toBe('00000000')
  })

  it.each([
    [{ subsys: '' }, 'subsystem is required for the use of SR-IOV'],
    [{ cmb_size_mb: 4 }, 'CMB is not supported with SR-IOV'],
    [{ sriov_vi_flexible: 0 }, 'both sriov_vq_flexible and sriov_vi_flexible must be set for the use of SR-IOV'],
    [{ sriov_vq_flexible: 5 }, 'sriov_vq_flexible must be greater than or equal to 6 (sriov_max_vfs * 2)'],
    [{ max_ioqpairs: 7 }, '(max_ioqpairs - sriov_vq_flexible) must be greater than or equal to 2'],
    [{ sriov_vi_flexible: 2 }, 'sriov_vi_flexible must be greater than or equal to 3 (sriov_max_vfs)'],
    [{ msix_qsize: 3 }, '(msix_qsize - sriov_vi_flexible) must be greater than or equal to 1'],
    [
      { sriov_max_vq_per_vf: 1 },
      'sriov_max_vq_per_vf must meet: (sriov_max_vq_per_vf - 1) % 1 == 0 and sriov_max_vq_per_vf >= 2',
    ],
  ])('is refused with %j', (changes, words) => {
    expect(refusal([SUBSYSTEM, device('nvme', { ...NVME, ...changes })])).toBe(words)
  })

  it('takes more than 127 since 10.0, and not before', () => {
    const many = { ...NVME, sriov_max_vfs: 128, sriov_vq_flexible: 256, sriov_vi_flexible: 128 }
    const devices = [SUBSYSTEM, device('nvme', { ...many, max_ioqpairs: 258, msix_qsize: 129 })]
    expect(refusal(devices, { qemuVersion: '7.2' })).toBe('sriov_max_vfs must be between 0 and 127')
    expect(refusal(devices)).toBe('not refused')
  })

  it('makes virtual functions only when they are enabled in 7.2, so that their places are free till then', () => {
    const devices = [SUBSYSTEM, device('nvme', NVME, at(3)), device('e1000e', { multifunction: true }, at(4))]
    expect(refusal([...devices, device('e1000e', {}, at(3, 1))], { qemuVersion: '7.2' })).toBe(
      "PCI: single function device can't be populated in function 3.1",
    )
    expect(refusal([...devices, device('e1000e', {}, at(3, 1))])).toBe(
      'PCI: slot 3 function 1 not available for e1000e, in use by nvme',
    )
  })
})

describe('virtio functions with sriov-pf', () => {
  const PF = virtio('pf', 0)

  it('are no functions of their own: the physical one brings them', () => {
    const { machine } = createMachine(describeQ35([PORT, virtio('v', 1, { 'sriov-pf': 'pf' }), PF]))
    const seen = machine.observe().flatMap(({ deviceId }) => deviceId ?? [])
    machine.dispose()
    expect(seen).toEqual(['rp', 'pf'])
  })

  it('never come where no device has the id', () => {
    const { machine } = createMachine(describeQ35([PORT, virtio('v', 1, { 'sriov-pf': 'pf' })]))
    const seen = machine.observe().flatMap(({ deviceId }) => deviceId ?? [])
    machine.dispose()
    expect(seen).toEqual(['rp'])
  })

  const vf = (fn: number): DeviceDescription => virtio(`v${fn}`, fn, { 'sriov-pf': 'pf' })
  const rng = (more: Partial<DeviceDescription>, properties = {}): DeviceDescription =>
    device('virtio-rng-pci', properties, more)

  it.each<[string, readonly DeviceDescription[], string]>([
    [
      'are virtio-net',
      [PORT, rng({ bus: 'rp', ...at(0, 1) }, { 'sriov-pf': 'pf' })],
      'user cannot create SR-IOV VF with this device type',
    ],
    [
      'are PCI Express functions',
      [device('virtio-net-pci', { 'sriov-pf': 'pf' }, at(7, 1))],
      'PCI Express is required for SR-IOV VF',
    ],
    ['come before their physical function', [PORT, PF, vf(1)], 'PCI device specified as SR-IOV PF already exists'],
    [
      'belong to virtio',
      [PORT, vf(1), device('igb', {}, { id: 'pf', ...at(6) })],
      'attaching user-created SR-IOV VF unsupported',
    ],
    [
      'belong to PCI Express functions',
      [PORT, vf(1), device('virtio-net-pci', {}, { id: 'pf', ...at(8) })],
      'attaching user-created SR-IOV VF unsupported',
    ],
    ['are equally far apart', [PORT, vf(1), vf(2), vf(4), PF], 'inconsistent SR-IOV stride'],
    [
      'have higher function numbers',
      [PORT, vf(1), virtio('pf', 2)],
      'a VF function number is less than the PF function number',
    ],
    [
      'have no expansion ROM',
      [PORT, virtio('v', 1, { 'sriov-pf': 'pf', rombar: 1 })],
      'ROM BAR cannot be enabled for SR-IOV VF',
    ],
  ])('%s', (_name, devices, words) => {
    expect(refusal(devices)).toBe(words)
  })

  it('stand on the same bus', () => {
    const other = device('pcie-root-port', { chassis: 2, slot: 2 }, { id: 'other', ...at(6) })
    const physical = device('virtio-net-pci', {}, { id: 'pf', bus: 'other' })
    expect(refusal([PORT, other, vf(1), physical])).toBe('SR-IOV VF parent bus mismatches with PF')
  })
})

describe('software that writes rubbish', () => {
  it('to the capability gets no more functions than NumVFs says, each with books of its own', () => {
    const { machine } = createMachine(describeQ35([device('intel-iommu'), device('igb', {}, { id: 'nic', ...at(3) })]))
    const write = fc.tuple(fc.integer({ min: 0x160, max: 0x19f }), fc.constantFrom(1, 2, 4), fc.nat(0xffff_ffff))
    try {
      fc.assert(
        fc.property(fc.array(write, { maxLength: 6 }), (writes) => {
          for (const [offset, width, value] of writes)
            machine.root.configWrite(0, 3, 0, offset, width as 1 | 2 | 4, value)
          const enabled = (machine.root.configRead(0, 3, 0, 0x168, 2) & 1) === 1
          const count = enabled ? machine.root.configRead(0, 3, 0, 0x170, 2) : 0
          const seen = machine.observe().filter(({ model }) => model === 'igbvf')
          expect(seen.map(({ id }) => id)).toEqual(
            Array.from({ length: count }, (_, index) => {
              const id = 0x98 + 2 * index
              return `0000:00:${(id >>> 3).toString(16)}.${id & 7}`
            }),
          )
          expect(seen.every(({ behindIommu }) => behindIommu)).toBe(true)
          machine.root.configWrite(0, 3, 0, 0x168, 2, 0)
        }),
        { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) },
      )
    } finally {
      machine.dispose()
    }
  })
})
