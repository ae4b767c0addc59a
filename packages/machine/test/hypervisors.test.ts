import { parseDmar } from '@dmascope/acpi'
import { parseDtb } from '@dmascope/devicetree'
import { isBridge } from '@dmascope/pci'
import { PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import { VirtioPciFunction } from '@dmascope/virtio-pci'
import { describe, expect, it } from 'vitest'
import { createMachine, HYPERVISORS, type MachineDescription, requireHypervisor } from '../src/index.ts'

const device = (model: string, properties: Record<string, string | boolean> = {}) => ({
  model,
  properties,
  location: { text: 'test' },
})

const described = (hypervisor: MachineDescription['hypervisor'], over: Partial<MachineDescription> = {}) =>
  ({
    machine: 'q35',
    qemuVersion: '11.1',
    name: 'test',
    source: 'file',
    memory: 256 * 1024 * 1024,
    cpus: 1,
    defaultDevices: false,
    machineProperties: { 'kernel-irqchip': 'split' },
    ...(hypervisor !== undefined && { hypervisor }),
    devices: [device('intel-iommu'), device('virtio-blk-pci')],
    append: '',
    ignored: [],
    ...over,
  }) satisfies MachineDescription

/** The machine's first virtio function, and whether its DMA enters the IOMMU. */
function virtioOf(description: MachineDescription) {
  const { machine } = createMachine(description)
  try {
    const slot = machine.roots
      .flatMap(({ rootBus }) => rootBus.slots)
      .find((one) => one.function instanceof VirtioPciFunction)
    if (slot === undefined || isBridge(slot.function)) throw new Error('no virtio function')
    const fn = slot.function as VirtioPciFunction
    const seen = machine.observe().find(({ model }) => model.startsWith('virtio-blk'))
    const ids = fn.config.peek(PCI_HEADER_TYPE0.registers.REVISION_ID.offset, 4)
    return {
      offers33: ((fn.offeredFeatures.hi >>> 1) & 1) === 1,
      modern: (fn.offeredFeatures.hi & 1) === 1,
      revision: ids & 0xff,
      progIf: (ids >>> 8) & 0xff,
      behindIommu: seen?.behindIommu,
    }
  } finally {
    machine.dispose()
  }
}

describe('virtio devices of each hypervisor on x86', () => {
  it.each([
    ['qemu-2.4', { offers33: false, modern: false, revision: 0, progIf: 0 }],
    ['qemu-2.9', { offers33: false, modern: true, revision: 0, progIf: 0 }],
    ['iommu-flag', { offers33: true, modern: true, revision: 0, progIf: 0 }],
    ['physical', { offers33: true, modern: true, revision: 0, progIf: 0 }],
    ['physical-no-flag', { offers33: false, modern: true, revision: 0, progIf: 0 }],
    ['physical-version', { offers33: false, modern: true, revision: 2, progIf: 0 }],
    ['physical-prog-if', { offers33: false, modern: true, revision: 0, progIf: 1 }],
    ['both-bits', { offers33: true, modern: true, revision: 0, progIf: 0 }],
  ] as const)('%s', (hypervisor, expected) => {
    expect(virtioOf(described(hypervisor))).toMatchObject(expected)
  })

  it('QEMU leaves it to iommu_platform', () => {
    const with33 = [device('intel-iommu'), device('virtio-blk-pci', { iommu_platform: true, 'disable-legacy': 'on' })]
    expect(virtioOf(described(undefined, { devices: with33 })).offers33).toBe(true)
    expect(virtioOf(described('qemu-2.4', { devices: with33 })).offers33).toBe(false)
  })
})

describe('tables', () => {
  const drhd = (hypervisor: MachineDescription['hypervisor']) => {
    const { machine, files } = createMachine(described(hypervisor))
    machine.dispose()
    const blob = files.get('etc/acpi/tables')!.bytes
    const at = Buffer.from(blob).indexOf('DMAR')
    const length = new DataView(blob.buffer, blob.byteOffset).getUint32(at + 4, true)
    const [record] = parseDmar(blob.subarray(at, at + length)).records
    return record?.kind === 'DRHD' ? { flags: record.flags, scopes: record.scopes.map(({ kind }) => kind) } : null
  }

  it('before bypass_iommu a DMAR says that its unit covers every device', () => {
    expect(drhd('qemu-2.4')).toEqual({ flags: 1, scopes: ['ioapic'] })
    expect(drhd('qemu')).toMatchObject({
      flags: 0,
      scopes: ['ioapic', 'endpoint', 'endpoint', 'endpoint', 'endpoint', 'endpoint'],
    })
  })
})

describe('POWER', () => {
  const pseries = (hypervisor: MachineDescription['hypervisor']) =>
    described(hypervisor, {
      machine: 'pseries',
      memory: 512 * 1024 * 1024,
      machineProperties: {},
      devices: [device('virtio-blk-pci')],
    })

  it('the flag proposal leaves its devices past the IOMMU, and the flag away', () => {
    expect(virtioOf(pseries('iommu-flag'))).toMatchObject({ offers33: false })
    expect(virtioOf(pseries('physical'))).toMatchObject({ offers33: true })
  })

  it.each([
    ['qemu-2.4', false],
    ['bypass-property', true],
    ['bypass-property-version', true],
    ['physical-version', false],
  ] as const)('%s: the tree tells of the bypass: %s', (hypervisor, told) => {
    const { machine, deviceTree } = createMachine(pseries(hypervisor))
    const header = new Uint8Array(8)
    machine.bus.readBytes(deviceTree!, header)
    const blob = new Uint8Array(new DataView(header.buffer).getUint32(4))
    machine.bus.readBytes(deviceTree!, blob)
    machine.dispose()
    const nodes = [...parseDtb(blob).nodes()].filter((node) => node.has('vendor-id'))
    expect(nodes.some((node) => node.has('iommu-bypass'))).toBe(told)
  })
})

describe('requireHypervisor', () => {
  it('knows them all by name, and names the nearest of another', () => {
    for (const { name } of HYPERVISORS) expect(requireHypervisor(name).name).toBe(name)
    expect(() => requireHypervisor('qemu-2.5')).toThrow(/did you mean qemu-2\.[49]\?/)
  })
})
