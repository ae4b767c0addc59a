import type { DeviceDescription, HypervisorName, MachineDescription, PropertyValue } from '@dmascope/machine'
import type { DeviceName } from './devices.ts'

/**
 * What becomes of the platform's IOMMU: there is none; the guest translates with it; the guest passes all through it;
 * the guest leaves it off; the devices' bus is wired past it, and the tables say so; something that ran before the guest
 * turned it on; or the tables that tell of it are broken.
 */
export type IommuState =
  | 'none'
  | 'on'
  | 'pt'
  | 'off'
  | 'uncovered'
  | 'txt'
  | 'txt-off'
  | 'txt-noforce'
  | 'broken-base'
  | 'broken-record'

export type PlatformName =
  | 'x86'
  | 'x86-vtd'
  | 'x86-vtd-port'
  | 'x86-vtd-external'
  | 'x86-amdvi'
  | 'x86-virtio-iommu'
  | 'arm64'
  | 'arm64-offset'
  | 'arm64-window'
  | 'arm64-noncoherent'
  | 'arm64-physical-cache'
  | 'arm64-virtual-cache'
  | 'arm64-virtual-cache-flushed'
  | 'arm64-write-buffer'
  | 'arm64-restricted-pool'
  | 'arm64-smmuv3'
  | 'arm64-virtio-iommu'
  | 'pseries'
  | 'powernv'
  | 'e500'
  | 'e500-high'
  | 'mac99'
  | 'mac99-dart'
  | 'sparc64'
  | 'bmips'
  | 'bmips-viper'
  | 'x86-high'
  | 'x86-sev'
  | 'x86-xen'
  | 'x86-xen-scattered'
  | 'x86-xen-shared'
  | 'pseries-pef'
  | 's390x'
  | 's390x-pv'

export interface Platform {
  readonly name: PlatformName
  /** One line, for lists. */
  readonly summary: string
  /** What a machine of it is described by, but for devices. */
  readonly machine: Pick<
    MachineDescription,
    'machine' | 'cpu' | 'machineProperties' | 'inbound' | 'memorySystem' | 'restrictedPool' | 'externalPorts' | 'xen'
  >
  readonly iommu: DeviceDescription | null
  /** What has to be there for a device to be behind: the device in question goes on the last one’s bus. */
  readonly ports?: readonly DeviceDescription[]
  /** Where the device in question goes, where that is not device 4 of the first bus, nor behind a port. */
  readonly place?: { readonly bus: string; readonly device: number }
  /** Devices in question that cannot be there, and why. */
  readonly lacks?: Readonly<Partial<Record<DeviceName, string>>>
  /** Its virtio devices are at the ends of subchannels, not on PCI. */
  readonly channels?: true
  /** Bytes of memory, where it has another amount than the others. */
  readonly memory?: number
  /** The states that there are, and what each adds to the kernel's command line. */
  readonly states: Partial<Readonly<Record<IommuState, string>>>
  /** Hypervisors that never had the platform, by the first letters of their names, and why. */
  readonly not?: readonly (readonly [hypervisor: string, reason: string])[]
  /** Why no hypervisor has it at all, where only physical machines do. */
  readonly physicalOnly?: string
}

const place = { text: 'platform' }
const device = (model: string, properties: Readonly<Record<string, PropertyValue>> = {}): DeviceDescription => ({
  model,
  properties,
  location: place,
})

const Q35 = { machine: 'q35', machineProperties: { 'kernel-irqchip': 'split' } } as const
const VIRT = { machine: 'virt', cpu: 'cortex-a57' } as const
/** `virt`, whose memory begins at 0x40000000, with a host bridge that sees it through these windows. */
const virtThrough = (...windows: readonly (readonly [bus: number, memory: number, size: number])[]) => ({
  ...VIRT,
  machineProperties: { 'gic-version': '3' },
  inbound: [{ windows: windows.map(([bus, memory, size]) => ({ bus, memory, size })), location: place }],
})
const E500 = { machine: 'ppce500', cpu: 'e5500', machineProperties: {} } as const
const MAC = { machine: 'mac99', cpu: '970fx', machineProperties: {} } as const
/** The first slot that is free. */
const MAC_PLACE = { bus: 'pci.0', device: 13 } as const
const NO_MESSAGES_ON_MAC = {
  'late-writer': 'the probe interrupts by messages alone, and a mac99 takes none',
  assigned: 'the card that is assigned interrupts by messages alone, and a mac99 takes none',
} as const
const MIB = 0x10_0000
const ROOT_PORT: DeviceDescription = { ...device('pcie-root-port', { chassis: 1 }), id: 'port0' }
const PARAVIRTUAL: readonly (readonly [string, string])[] = [
  ['qemu-2', 'QEMU 2 had no virtio IOMMU'],
  ['physical', 'a virtio IOMMU is a hypervisor’s; no physical machine has one'],
]

const CONFIDENTIAL: readonly (readonly [string, string])[] = [
  ['qemu-2', 'QEMU 2.9 and before had no confidential guests'],
  ['physical', 'a confidential guest keeps its memory from a hypervisor, and a physical machine has none'],
]

const EMULATED: readonly (readonly [string, string])[] = [
  ['physical', 'nobody emulates the devices of a physical machine'],
]

const ON_PCI = 'the device is on PCI, and this platform has channels alone'
const NO_PCI: Platform['lacks'] = {
  e1000e: ON_PCI,
  nvme: ON_PCI,
  rtl8139: ON_PCI,
  'late-writer': ON_PCI,
  assigned: ON_PCI,
}

/** Every platform that a cell can have. */
export const PLATFORMS: readonly Platform[] = [
  { name: 'x86', summary: 'q35 without an IOMMU', machine: Q35, iommu: null, states: { none: '' } },
  {
    name: 'x86-vtd',
    summary: 'q35 with VT-d',
    machine: Q35,
    iommu: device('intel-iommu', { intremap: 'on' }),
    states: {
      on: 'intel_iommu=on',
      pt: 'intel_iommu=on iommu=pt',
      off: 'intel_iommu=off',
      uncovered: 'intel_iommu=on',
      txt: '',
      'txt-off': 'intel_iommu=off',
      'txt-noforce': 'intel_iommu=tboot_noforce,off',
      'broken-base': 'intel_iommu=on',
      'broken-record': 'intel_iommu=on',
    },
  },
  {
    name: 'x86-vtd-port',
    summary: 'q35 with VT-d and 3 GiB of memory, whose devices stand behind a root port',
    machine: Q35,
    iommu: device('intel-iommu', { intremap: 'on' }),
    ports: [ROOT_PORT],
    memory: 3072 * MIB,
    states: { on: 'intel_iommu=on', pt: 'intel_iommu=on iommu=pt', off: 'intel_iommu=off' },
  },
  {
    name: 'x86-vtd-external',
    summary: 'the same, with a port that firmware calls external-facing: its devices are not trusted',
    machine: { ...Q35, externalPorts: [{ device: 'port0', location: place }] },
    iommu: device('intel-iommu', { intremap: 'on' }),
    ports: [ROOT_PORT],
    memory: 3072 * MIB,
    states: { on: 'intel_iommu=on', pt: 'intel_iommu=on iommu=pt', off: 'intel_iommu=off' },
  },
  {
    name: 'x86-amdvi',
    summary: 'q35 with an AMD IOMMU that translates',
    machine: Q35,
    iommu: device('amd-iommu', { 'dma-remap': true }),
    states: { on: '', pt: 'iommu=pt', off: 'amd_iommu=off', uncovered: '' },
    not: [['qemu-2.4', 'QEMU 2.4 had no AMD IOMMU']],
  },
  {
    name: 'x86-virtio-iommu',
    summary: 'q35 with a virtio IOMMU',
    machine: { machine: 'q35', machineProperties: {} },
    iommu: device('virtio-iommu-pci'),
    states: { on: '', pt: 'iommu.passthrough=1', uncovered: '' },
    not: PARAVIRTUAL,
  },
  {
    name: 'arm64',
    summary: 'arm virt without an IOMMU',
    machine: { ...VIRT, machineProperties: { 'gic-version': '3' } },
    iommu: null,
    states: { none: '' },
  },
  {
    name: 'arm64-offset',
    summary: 'arm virt whose host bridge sees memory at another address, as on Broadcom’s VideoCore',
    machine: virtThrough([0xc000_0000, 0x4000_0000, 512 * MIB]),
    iommu: null,
    states: { none: '' },
  },
  {
    name: 'arm64-window',
    summary: 'arm virt whose host bridge sees the lower half of memory alone',
    machine: virtThrough([0x4000_0000, 0x4000_0000, 1024 * MIB]),
    iommu: null,
    memory: 2048 * MIB,
    states: { none: '' },
  },
  {
    name: 'arm64-noncoherent',
    summary: 'arm virt with a data cache that devices’ DMA does not look into',
    machine: { ...VIRT, machineProperties: {}, memorySystem: 'noncoherent' },
    iommu: null,
    states: { none: '' },
    physicalOnly: 'what a host emulates goes through the cache of its processor',
  },
  {
    name: 'arm64-physical-cache',
    summary: 'arm virt with the same cache, through which a host does the work of the devices that it emulates',
    machine: { ...VIRT, machineProperties: {}, memorySystem: 'physical-cache' },
    iommu: null,
    states: { none: '' },
    not: EMULATED,
  },
  {
    name: 'arm64-virtual-cache',
    summary: 'arm virt with a cache that goes by virtual addresses, of which guest and host have different ones',
    machine: { ...VIRT, machineProperties: {}, memorySystem: 'virtual-cache' },
    iommu: null,
    states: { none: '' },
    not: EMULATED,
  },
  {
    name: 'arm64-virtual-cache-flushed',
    summary: 'the same, with a host that writes back and forgets what it held of the guest’s memory',
    machine: { ...VIRT, machineProperties: {}, memorySystem: 'virtual-cache-flushed' },
    iommu: null,
    states: { none: '' },
    not: EMULATED,
  },
  {
    name: 'arm64-write-buffer',
    summary: 'arm virt whose writes to memory arrive late, unless a register is read',
    machine: { ...VIRT, machineProperties: {}, memorySystem: 'write-buffer' },
    iommu: null,
    states: { none: '' },
    physicalOnly: 'a processor that does the work of a device sees its own writes',
  },
  {
    name: 'arm64-restricted-pool',
    summary: 'arm virt whose devices are kept out of memory, but for a pool that the device tree names',
    machine: { ...VIRT, machineProperties: { 'gic-version': '3' }, restrictedPool: 16 * MIB },
    iommu: null,
    states: { none: '' },
  },
  {
    name: 'arm64-smmuv3',
    summary: 'arm virt with an SMMUv3',
    machine: { ...VIRT, machineProperties: { 'gic-version': '3', iommu: 'smmuv3' } },
    iommu: null,
    states: { on: '', pt: 'iommu.passthrough=1', uncovered: '' },
    not: [['qemu-2', 'QEMU’s virt machine got its SMMUv3 in 2.12']],
  },
  {
    name: 'arm64-virtio-iommu',
    summary: 'arm virt with a virtio IOMMU',
    machine: { ...VIRT, machineProperties: { 'gic-version': '3' } },
    iommu: device('virtio-iommu-pci'),
    states: { on: '', pt: 'iommu.passthrough=1' },
    not: PARAVIRTUAL,
  },
  {
    name: 'pseries',
    summary: 'a partition of a POWER machine, whose IOMMU is always there',
    machine: { machine: 'pseries', cpu: 'power9', machineProperties: {} },
    iommu: null,
    states: { on: '' },
  },
  {
    name: 'powernv',
    summary: 'a POWER machine without a hypervisor, whose kernel writes the IOMMU’s tables itself',
    machine: { machine: 'powernv9', cpu: 'power9', machineProperties: {} },
    iommu: null,
    ports: [
      { ...device('pnv-phb', { index: 0 }), id: 'phb0' },
      { ...device('pnv-phb-root-port'), id: 'port0', bus: 'phb0' },
    ],
    memory: 1024 * MIB,
    states: { on: 'iommu=nobypass', pt: '' },
    not: [['qemu-2', 'QEMU’s powernv machines got their host bridges in 5.0']],
  },
  {
    name: 'e500',
    summary: 'an embedded PowerPC without an IOMMU, whose kernel opens the windows through which devices see memory',
    machine: E500,
    iommu: null,
    states: { none: '' },
  },
  {
    name: 'e500-high',
    summary: 'the same with 8 GiB of memory, of which the windows show devices 3 GiB',
    machine: E500,
    iommu: null,
    memory: 8 * 1024 * MIB,
    states: { none: '' },
  },
  {
    name: 'mac99',
    summary: 'a PowerMac G5 as QEMU has it: without an IOMMU',
    machine: MAC,
    iommu: null,
    place: MAC_PLACE,
    lacks: NO_MESSAGES_ON_MAC,
    memory: 2048 * MIB,
    states: { none: '' },
    not: [['physical', 'a physical one has a DART: mac99-dart']],
  },
  {
    name: 'mac99-dart',
    summary: 'the real machine, whose DART has one table for all devices, in which nothing is ever unmapped',
    machine: MAC,
    iommu: null,
    place: MAC_PLACE,
    lacks: NO_MESSAGES_ON_MAC,
    memory: 2048 * MIB,
    states: { on: '', off: 'iommu=off' },
    physicalOnly: 'QEMU’s mac99 has no DART',
  },
  {
    name: 'bmips',
    summary: 'Broadcom’s BCM3384, a MIPS chip whose bus for devices sees two banks of memory in each other’s place',
    machine: { machine: 'bcm3384', cpu: 'bmips5000', machineProperties: {} },
    iommu: null,
    memory: 256 * MIB,
    states: { none: '' },
  },
  {
    name: 'bmips-viper',
    summary: 'the same chip as its other processor has it: memory at its own address, and a cache that reads ahead',
    machine: { machine: 'bcm3384', cpu: 'bmips4350', machineProperties: {} },
    iommu: null,
    memory: 64 * MIB,
    states: { none: '' },
  },
  {
    name: 'sparc64',
    summary: 'a sun4u, whose host bridge translates for every device from the moment that the kernel turns it on',
    machine: { machine: 'sun4u', machineProperties: {} },
    iommu: null,
    place: { bus: 'pciB', device: 1 },
    lacks: {
      'late-writer': 'the probe interrupts by messages alone, and a sun4u takes none',
      assigned: 'the card that is assigned interrupts by messages alone, and a sun4u takes none',
    },
    states: { on: '' },
  },
  {
    name: 'x86-high',
    summary: 'q35 without an IOMMU, with 8 GiB of memory: more than 32 address lines reach',
    machine: Q35,
    iommu: null,
    memory: 8 * 1024 * MIB,
    states: { none: '' },
  },
  {
    name: 'x86-sev',
    summary: 'q35 without an IOMMU, whose guest AMD SEV encrypts: devices reach the pages that it shares',
    machine: { machine: 'q35', machineProperties: { confidential: 'sev' } },
    iommu: null,
    states: { none: '' },
    not: CONFIDENTIAL,
  },
  {
    name: 'x86-xen',
    summary: 'q35 without an IOMMU, on which Xen runs: the guest is its first domain, with most of memory',
    machine: { ...Q35, xen: { memory: 320 * MIB } },
    iommu: null,
    states: { none: '' },
  },
  {
    name: 'x86-xen-scattered',
    summary: 'the same, with memory that was dealt out page by page',
    machine: { ...Q35, xen: { memory: 320 * MIB, piece: 4096 } },
    iommu: null,
    states: { none: '' },
  },
  {
    name: 'x86-xen-shared',
    summary: 'the same, but most of memory is the hypervisor’s and another domain’s, in larger pieces',
    machine: { ...Q35, xen: { memory: 192 * MIB, piece: 0x8000 } },
    iommu: null,
    states: { none: '' },
  },
  {
    name: 'pseries-pef',
    summary: 'a secure guest of a POWER machine: devices reach the pages that it shares, through the IOMMU',
    machine: { machine: 'pseries', cpu: 'power9', machineProperties: { confidential: 'pef' } },
    iommu: null,
    states: { on: 'svm=on' },
    not: CONFIDENTIAL,
  },
  {
    name: 's390x',
    summary: 'an s390x guest, whose virtio devices are on channels, which no IOMMU stands in front of',
    machine: { machine: 's390-ccw-virtio', machineProperties: {} },
    iommu: null,
    channels: true,
    lacks: NO_PCI,
    states: { none: '' },
    not: [['physical', 'no physical machine has virtio devices on channels']],
  },
  {
    name: 's390x-pv',
    summary: 'the same, protected: devices, and the channels themselves, reach the pages that it shares',
    machine: { machine: 's390-ccw-virtio', machineProperties: { confidential: 'pv' } },
    iommu: null,
    channels: true,
    lacks: NO_PCI,
    states: { none: '' },
    not: CONFIDENTIAL,
  },
]

/** Why this hypervisor has no such platform; null where it has. */
export function missingUnder({ not = [], physicalOnly }: Platform, hypervisor: HypervisorName): string | null {
  if (physicalOnly !== undefined && !hypervisor.startsWith('physical')) return physicalOnly
  return not.find(([name]) => hypervisor.startsWith(name))?.[1] ?? null
}
