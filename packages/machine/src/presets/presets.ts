import { DmascopeError, nearestName } from '@dmascope/layout'
import type { MachineDescription, QemuVersion } from '../description.ts'
import { describeMachine } from '../file/describe-machine.ts'
import type { DeviceContent, MachineFileContent } from '../file/schema.ts'

/** A machine that needs no file. `content` is what a machine file would say. */
export interface Preset {
  readonly name: string
  /** One line, for lists. */
  readonly summary: string
  readonly content: MachineFileContent
  /** What it comes to on a QEMU release that would refuse that. */
  readonly otherwise?: Partial<Record<QemuVersion, MachineFileContent>>
}

/** A virtio device that asks the guest for the platform's DMA addresses: QEMU wants it to be a modern one. */
const translated = { iommu_platform: true, 'disable-legacy': 'on' } as const

const iommu: DeviceContent = { model: 'intel-iommu', intremap: 'on' }

const amd = (properties: Readonly<Record<string, boolean>> = {}): DeviceContent => ({
  model: 'amd-iommu',
  intremap: 'on',
  ...properties,
})

/** The devices of the default machine: two kinds of each question, side by side. */
const guests: readonly DeviceContent[] = [
  { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0', ...translated },
  { model: 'virtio-blk-pci', id: 'blk1', addr: '03.0' },
  { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00', ...translated },
  { model: 'virtio-rng-pci', id: 'rng0', addr: '05.0' },
  { model: 'e1000e', id: 'net1', addr: '06.0', mac: '52:54:00:12:34:01' },
]

const q35 = (
  append: string,
  devices: readonly DeviceContent[],
  more: Partial<MachineFileContent> = {},
): MachineFileContent => ({
  machine: 'q35',
  qemuVersion: '11.1',
  memory: '512M',
  machineProperties: { 'kernel-irqchip': 'split' },
  append,
  devices: [...devices],
  ...more,
})

/** What a BCM3384 has in its slots, none of which asks what stands before memory. */
const cards: readonly DeviceContent[] = [
  { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0' },
  { model: 'virtio-net-pci', id: 'net0', addr: '03.0', mac: '52:54:00:12:34:00' },
  { model: 'virtio-rng-pci', id: 'rng0', addr: '04.0' },
  { model: 'e1000e', id: 'net1', addr: '05.0', mac: '52:54:00:12:34:01' },
  { model: 'nvme', id: 'nvme0', addr: '06.0', serial: 'bmips' },
]

/** An Arm machine without IOMMU, whose host bridge has these windows for devices. */
const behindWindows = (windows: NonNullable<MachineFileContent['inbound']>[number]['windows']): MachineFileContent => ({
  machine: 'virt',
  qemuVersion: '11.1',
  memory: '512M',
  cpu: 'cortex-a57',
  machineProperties: { 'gic-version': '3' },
  inbound: [{ windows }],
  append: '',
  devices: [...guests],
})

const PRESETS: readonly Preset[] = [
  {
    name: 'default',
    summary: 'q35 with VT-d: virtio devices with and without iommu_platform, and an e1000e',
    content: q35('intel_iommu=on', [iommu, ...guests]),
  },
  {
    name: 'no-iommu',
    summary: 'the same devices on a q35 without an IOMMU',
    content: q35('', guests),
  },
  {
    name: 'iommu-off',
    summary: 'the default machine, whose guest leaves the IOMMU off (intel_iommu=off)',
    content: q35('intel_iommu=off', [iommu, ...guests]),
  },
  {
    name: 'passthrough',
    summary: 'the default machine, whose guest gives every device the identity domain (iommu=pt)',
    content: q35('intel_iommu=on iommu=pt', [iommu, ...guests]),
  },
  {
    name: 'strict',
    summary: 'the default machine, whose guest flushes the IOTLB at every unmap (iommu.strict=1)',
    content: q35('intel_iommu=on iommu.strict=1', [iommu, ...guests]),
  },
  {
    name: 'segments',
    summary: 'three PCI segments, as no QEMU has them: one with a VT-d unit of its own, one with none',
    content: q35(
      'intel_iommu=on',
      [
        iommu,
        { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0', ...translated },
        { model: 'virtio-blk-pci', id: 'blk1', bus: 'segment1.0', addr: '02.0', ...translated },
        { model: 'pcie-root-port', id: 'port1', bus: 'segment1.0', chassis: 1 },
        { model: 'e1000e', id: 'net1', bus: 'port1', mac: '52:54:00:12:34:01' },
        { model: 'virtio-rng-pci', id: 'rng2', bus: 'segment2.0', addr: '02.0', ...translated },
      ],
      { segments: [{ segment: 1 }, { segment: 2, iommu: false }] },
    ),
  },
  {
    name: 'bus-bypass',
    summary: 'the default machine with its root bus wired past the IOMMU, which the firmware says',
    content: q35('intel_iommu=on', [iommu, ...guests], {
      machineProperties: { 'kernel-irqchip': 'split', default_bus_bypass_iommu: true },
    }),
  },
  {
    name: 'lying-firmware',
    summary: 'a DMA probe wired past the IOMMU, which the firmware says covers it, beside an honest one',
    content: q35('intel_iommu=on', [
      iommu,
      { model: 'dmascope-probe', id: 'liar', addr: '02.0', bypass: true },
      { model: 'dmascope-probe', id: 'honest', addr: '03.0' },
    ]),
  },
  {
    name: 'tboot',
    summary: 'a physical machine launched by Intel TXT: memory is closed to devices before the kernel runs',
    content: q35(
      '',
      [
        iommu,
        { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0', 'disable-legacy': 'on' },
        { model: 'nvme', id: 'nvme0', addr: '03.0', serial: 'launched' },
        { model: 'e1000e', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00' },
      ],
      { hypervisor: 'physical', launch: 'tboot' },
    ),
  },
  {
    name: 'scalable',
    summary: 'the default machine, whose VT-d is in scalable mode; on QEMU 11.1 with first-stage tables',
    content: q35('intel_iommu=on', [
      { model: 'intel-iommu', intremap: 'on', 'scalable-mode': true, fsts: true },
      ...guests,
    ]),
    otherwise: {
      '7.2': q35('intel_iommu=on', [{ model: 'intel-iommu', intremap: 'on', 'x-scalable-mode': true }, ...guests]),
    },
  },
  {
    name: 'root-port',
    summary: 'devices behind PCI Express root ports, with ATS, under VT-d with device IOTLBs',
    content: q35('intel_iommu=on', [
      { model: 'intel-iommu', intremap: 'on', 'device-iotlb': true },
      { model: 'pcie-root-port', id: 'rp0', chassis: 1, addr: '02.0' },
      { model: 'pcie-root-port', id: 'rp1', chassis: 2, addr: '03.0' },
      { model: 'virtio-blk-pci', id: 'blk0', bus: 'rp0', iommu_platform: true, ats: true },
      { model: 'virtio-net-pci', id: 'net0', bus: 'rp1', mac: '52:54:00:12:34:00' },
    ]),
  },
  {
    name: 'virtio-iommu',
    summary: 'a virtio IOMMU, told of by a VIOT: groups in the order of probes, no interrupt remapping',
    content: q35('', [{ model: 'virtio-iommu-pci', id: 'viommu', addr: '01.0' }, ...guests], { machineProperties: {} }),
  },
  {
    name: 'topology',
    summary: 'a switch, a conventional bridge, and two further root buses, one wired past the IOMMU (bypass_iommu)',
    content: q35('intel_iommu=on', [
      iommu,
      { model: 'pcie-root-port', id: 'rp0', chassis: 1, addr: '02.0' },
      { model: 'x3130-upstream', id: 'us0', bus: 'rp0' },
      { model: 'xio3130-downstream', id: 'ds0', bus: 'us0', chassis: 10 },
      { model: 'xio3130-downstream', id: 'ds1', bus: 'us0', chassis: 11 },
      { model: 'virtio-blk-pci', id: 'blk0', bus: 'ds0', iommu_platform: true },
      { model: 'virtio-net-pci', id: 'net0', bus: 'ds1', mac: '52:54:00:12:34:00' },
      { model: 'pcie-pci-bridge', id: 'br0', addr: '03.0' },
      { model: 'virtio-rng-pci', id: 'rng0', bus: 'br0', addr: '01.0', ...translated },
      { model: 'dmascope-probe', id: 'probe0', bus: 'br0', addr: '02.0' },
      { model: 'pxb-pcie', id: 'pxb0', bus: 'pcie.0', addr: '10.0', bus_nr: 0x40 },
      { model: 'pxb-pcie', id: 'pxb1', bus: 'pcie.0', addr: '11.0', bus_nr: 0x80, bypass_iommu: true },
      { model: 'pcie-root-port', id: 'rp1', bus: 'pxb0', chassis: 2 },
      { model: 'pcie-root-port', id: 'rp2', bus: 'pxb1', chassis: 3 },
      { model: 'virtio-blk-pci', id: 'blk1', bus: 'rp1', iommu_platform: true },
      { model: 'virtio-blk-pci', id: 'blk2', bus: 'rp2', iommu_platform: true },
    ]),
  },
  {
    name: 'amd',
    summary: 'q35 with an AMD IOMMU that translates (dma-remap=on), and the default machine’s devices',
    content: q35('', [amd({ 'dma-remap': true }), ...guests]),
    // It always translates there, and has no property for it.
    otherwise: { '7.2': q35('', [amd(), ...guests], { qemuVersion: '7.2' }) },
  },
  {
    name: 'amd-inert',
    summary: 'the same as QEMU 11.1 makes it unless told otherwise: the guest programs it, and it does nothing',
    content: q35('', [amd(), ...guests]),
  },
  {
    name: 'xen',
    summary: 'a q35 on which Xen runs, the guest its first domain: memory is not where its addresses say',
    content: q35('', guests, { xen: {} }),
  },
  {
    name: 'pc',
    summary: 'the older pc machine (i440FX), which has no IOMMU: everything is physical',
    content: {
      machine: 'pc',
      qemuVersion: '11.1',
      memory: '512M',
      append: '',
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0', addr: '03.0' },
        { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-pci', id: 'rng0', addr: '05.0' },
        { model: 'e1000', id: 'net1', addr: '06.0', mac: '52:54:00:12:34:01' },
      ],
    },
  },
  {
    name: 'microvm',
    summary: 'a microvm, for which there is no IOMMU: virtio over MMIO, and PCI that no firmware sets up',
    content: {
      machine: 'microvm',
      qemuVersion: '11.1',
      memory: '512M',
      machineProperties: { pcie: 'on' },
      virtioTransports: { 'force-legacy': false },
      append: '',
      devices: [
        { model: 'virtio-blk-device', id: 'blk0', iommu_platform: true },
        { model: 'virtio-net-device', id: 'net0', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-device', id: 'rng0' },
        { model: 'virtio-blk-pci', id: 'blk1', ...translated },
        { model: 'e1000e', id: 'net1', mac: '52:54:00:12:34:01' },
      ],
    },
  },
  {
    name: 'arm-virt',
    summary: 'an Arm machine, started from a device tree: the default devices behind an SMMUv3, with an ITS',
    content: {
      machine: 'virt',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'cortex-a57',
      machineProperties: { 'gic-version': '3', iommu: 'smmuv3' },
      append: '',
      devices: [...guests],
    },
  },
  {
    name: 'arm-mmio',
    summary: 'an Arm machine with virtio devices over MMIO: no IOMMU is in front of them, whatever they are told',
    content: {
      machine: 'virt',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'cortex-a57',
      machineProperties: { 'gic-version': '3', iommu: 'smmuv3' },
      virtioTransports: { 'force-legacy': 'off' },
      append: '',
      devices: [
        { model: 'virtio-blk-device', id: 'blk0', iommu_platform: true },
        { model: 'virtio-blk-device', id: 'blk1' },
        { model: 'virtio-net-device', id: 'net0', mac: '52:54:00:12:34:00', iommu_platform: true },
        { model: 'virtio-rng-pci', id: 'rng0', addr: '02.0', ...translated },
      ],
    },
  },
  ...(
    [
      [
        'arm-noncoherent',
        'noncoherent',
        'an Arm machine whose data cache DMA does not look into: virtio with the DMA API and without',
      ],
      [
        'arm-virtual-cache',
        'virtual-cache',
        'an Arm machine whose cache goes by virtual addresses, other ones for guest and host',
      ],
      [
        'arm-write-buffer',
        'write-buffer',
        'an Arm machine whose writes arrive late, unless a register is read: with the DMA API and without',
      ],
    ] as const
  ).map(
    ([name, memorySystem, summary]): Preset => ({
      name,
      summary,
      content: {
        machine: 'virt',
        qemuVersion: '11.1',
        memory: '512M',
        cpu: 'cortex-a57',
        memorySystem,
        append: '',
        devices: [
          { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0', ...translated },
          { model: 'virtio-blk-pci', id: 'blk1', addr: '03.0' },
          { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00', ...translated },
          { model: 'virtio-rng-pci', id: 'rng0', addr: '05.0' },
          { model: 'e1000e', id: 'net1', addr: '06.0', mac: '52:54:00:12:34:01' },
        ],
      },
    }),
  ),
  {
    name: 'arm-offset',
    summary: 'an Arm machine without IOMMU whose host bridge sees memory at 0xc0000000, which dma-ranges tells',
    content: behindWindows([{ bus: 0xc000_0000, memory: 0x4000_0000, size: '512M' }]),
  },
  {
    name: 'arm-window',
    summary: 'the same, but the host bridge sees the lower half of memory alone: the rest is bounced',
    content: { ...behindWindows([{ bus: 0x4000_0000, memory: 0x4000_0000, size: '1G' }]), memory: '2G' },
  },
  {
    name: 'external-port',
    summary: 'VT-d, and two root ports with the same devices: firmware calls the first external-facing',
    content: q35(
      'intel_iommu=on',
      [
        iommu,
        { model: 'pcie-root-port', id: 'outside', addr: '02.0', chassis: 1 },
        { model: 'pcie-root-port', id: 'inside', addr: '03.0', chassis: 2 },
        ...['outside', 'inside'].flatMap((bus): DeviceContent[] => [
          { model: 'virtio-blk-pci', id: `blk-${bus}`, bus, addr: '00.0', multifunction: true, ...translated },
          { model: 'dmascope-probe', id: `nosy-${bus}`, bus, addr: '00.1', max_transfer: 256, 'reads-around': true },
        ]),
      ],
      { memory: '3G', externalPorts: ['outside'] },
    ),
  },
  {
    name: 'restricted-pool',
    summary: 'an Arm machine whose devices reach no memory but a pool that the tree names; the kernel knows',
    content: {
      machine: 'virt',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'cortex-a57',
      machineProperties: { 'gic-version': '3' },
      restrictedPool: '16M',
      append: '',
      guest: 'linux-6.12,restricted-pools=on',
      devices: [...guests],
    },
  },
  {
    name: 'pseries',
    summary: 'a partition of a POWER machine, with TCE tables: the default devices, behind a dynamic DMA window',
    content: {
      machine: 'pseries',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'power9',
      append: '',
      devices: [...guests],
    },
  },
  {
    name: 'powernv',
    summary: 'a POWER machine without a hypervisor: host bridges whose IODA tables the kernel sets up itself',
    content: {
      machine: 'powernv9',
      qemuVersion: '11.1',
      memory: '1G',
      append: '',
      defaultDevices: true,
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0', bus: 'pcie.0', ...translated },
        { model: 'virtio-blk-pci', id: 'blk1', bus: 'pcie.1' },
        { model: 'virtio-rng-pci', id: 'rng0', bus: 'pcie.2', ...translated },
        { model: 'nvme', id: 'nvme0', bus: 'pcie.3', serial: 'powernv' },
        { model: 'e1000e', id: 'net0', bus: 'pcie.4', mac: '52:54:00:12:34:00' },
      ],
    },
  },
  {
    name: 'e500',
    summary: 'an embedded PowerPC with 8 GiB: the kernel opens windows through which devices see 3 GiB; no IOMMU',
    content: {
      machine: 'ppce500',
      qemuVersion: '11.1',
      memory: '8G',
      cpu: 'e5500',
      append: '',
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0' },
        { model: 'virtio-blk-pci', id: 'blk1', ...translated },
        { model: 'virtio-net-pci', id: 'net0', mac: '52:54:00:12:34:00' },
        { model: 'nvme', id: 'nvme0', serial: 'e500' },
      ],
    },
  },
  {
    name: 'mac99-dart',
    summary: 'a PowerMac G5 with its DART, which QEMU leaves out: cards that know of bit 33, and others',
    content: {
      machine: 'mac99',
      qemuVersion: '11.1',
      hypervisor: 'physical',
      memory: '2G',
      cpu: '970fx',
      append: '',
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0' },
        { model: 'virtio-net-pci', id: 'net0', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-pci', id: 'rng0' },
        { model: 'nvme', id: 'nvme0', serial: 'mac99' },
      ],
    },
  },
  {
    name: 'bmips',
    summary: 'a Broadcom BCM3384 (MIPS): cards behind a bus that sees two banks of memory in each other’s place',
    content: {
      machine: 'bcm3384',
      qemuVersion: '11.1',
      hypervisor: 'physical',
      memory: '256M',
      cpu: 'bmips5000',
      append: '',
      devices: [...cards],
    },
  },
  {
    name: 'bmips-viper',
    summary: 'the chip’s other processor, whose cache reads ahead: cards that nobody flushes it for, and others',
    content: {
      machine: 'bcm3384',
      qemuVersion: '11.1',
      hypervisor: 'physical-no-flag',
      memory: '64M',
      cpu: 'bmips4350',
      append: '',
      devices: [...cards],
    },
  },
  {
    name: 'sun4u',
    summary: 'a SPARC64 machine, whose IOMMU is in front of every device once the kernel turns it on',
    content: {
      machine: 'sun4u',
      qemuVersion: '11.1',
      memory: '512M',
      append: '',
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0', bus: 'pciB', addr: '00.0', ...translated },
        { model: 'virtio-blk-pci', id: 'blk1', bus: 'pciB', addr: '01.0' },
        { model: 'nvme', id: 'nvme0', bus: 'pciB', addr: '02.0', serial: 'sun4u' },
        { model: 'e1000', id: 'net0', bus: 'pciB', addr: '03.0', mac: '52:54:00:12:34:00' },
      ],
    },
  },
  {
    name: 'sev',
    summary: 'a q35 whose guest AMD SEV encrypts: devices reach the pages that it shares, and all DMA is bounced',
    content: q35(
      '',
      [
        { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0' },
        { model: 'virtio-blk-pci', id: 'blk1', addr: '03.0', iommu_platform: false },
        { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00' },
        { model: 'e1000e', id: 'net1', addr: '05.0', mac: '52:54:00:12:34:01' },
      ],
      { machineProperties: { confidential: 'sev' } },
    ),
  },
  {
    name: 'pef',
    summary: 'a secure guest of a POWER machine (svm=on): devices reach the pages that it shares, by TCEs',
    content: {
      machine: 'pseries',
      qemuVersion: '11.1',
      memory: '512M',
      cpu: 'power9',
      machineProperties: { confidential: 'pef' },
      append: 'svm=on',
      devices: [
        { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0' },
        { model: 'virtio-blk-pci', id: 'blk1', addr: '03.0', iommu_platform: false },
        { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00' },
        { model: 'e1000e', id: 'net1', addr: '05.0', mac: '52:54:00:12:34:01' },
      ],
    },
  },
  {
    name: 's390x',
    summary: 'an s390x guest: virtio devices on channels, which no IOMMU stands in front of',
    content: {
      machine: 's390-ccw-virtio',
      qemuVersion: '11.1',
      memory: '512M',
      devices: [
        { model: 'virtio-blk-ccw', id: 'blk0', devno: 'fe.0.0001' },
        { model: 'virtio-blk-ccw', id: 'blk1', devno: 'fe.0.0002', iommu_platform: true },
        { model: 'virtio-net-ccw', id: 'net0', devno: 'fe.0.0003', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-ccw', id: 'rng0', devno: 'fe.0.0004' },
      ],
    },
  },
  {
    name: 's390x-pv',
    summary: 'a protected guest of s390x: devices and channels reach the pages that it shares',
    content: {
      machine: 's390-ccw-virtio',
      qemuVersion: '11.1',
      memory: '512M',
      machineProperties: { confidential: 'pv' },
      devices: [
        { model: 'virtio-blk-ccw', id: 'blk0', devno: 'fe.0.0001' },
        { model: 'virtio-blk-ccw', id: 'blk1', devno: 'fe.0.0002', iommu_platform: false },
        { model: 'virtio-net-ccw', id: 'net0', devno: 'fe.0.0003', mac: '52:54:00:12:34:00' },
        { model: 'virtio-rng-ccw', id: 'rng0', devno: 'fe.0.0004' },
      ],
    },
  },
  {
    name: 'bounce',
    summary: 'a q35 with 8 GiB and no IOMMU: devices with 30, 31, 32 and 64 address lines',
    content: q35(
      '',
      [30, 31, 32, 64].map((bits, index) => ({
        model: 'dmascope-probe',
        id: `probe${bits}`,
        addr: `0${index + 2}.0`,
        dma_bits: bits,
      })),
      { memory: '8G' },
    ),
  },
]

/** The preset of `dmascope boot` without a source. */
export const DEFAULT_PRESET = 'default'

/** Other names, after what a preset shows. */
const ALIASES: Readonly<Record<string, string>> = { probe: 'lying-firmware' }

/** Every preset, the default one first. */
export const listPresets = (): readonly Preset[] => PRESETS

/** A preset by name or alias. @throws DmascopeError MACHINE_UNKNOWN_PRESET naming the nearest, and all */
export function findPreset(name: string): Preset {
  const wanted = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name
  const preset = PRESETS.find((one) => one.name === wanted)
  if (preset !== undefined) return preset
  const names = [...PRESETS.map((one) => one.name), ...Object.keys(ALIASES)]
  const nearest = nearestName(name, names)
  throw new DmascopeError(
    'MACHINE_UNKNOWN_PRESET',
    `there is no preset '${name}'${nearest === null ? '; ' : `; did you mean '${nearest}'? `}presets are ${names.join(', ')}`,
    { name, nearest },
  )
}

/** The machine of a preset, on its own QEMU release or on another one. */
export function describePreset(
  preset: Preset,
  options: { readonly qemuVersion?: QemuVersion } = {},
): MachineDescription {
  const qemuVersion = options.qemuVersion ?? '11.1'
  const content = { ...(preset.otherwise?.[qemuVersion] ?? preset.content), qemuVersion }
  const where = (path: readonly PropertyKey[]): string =>
    [`preset ${preset.name}`, ...path.map((step) => (typeof step === 'number' ? `device ${step + 1}` : String(step)))]
      .filter((part) => part !== 'devices')
      .join(', ')
  return describeMachine(content, { where, whereKey: where }, { qemuVersion, source: 'preset', name: preset.name })
}
