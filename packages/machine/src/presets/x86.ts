import type { DeviceContent, MachineFileContent } from '../file/schema.ts'
import { defaultDevices, translated } from './default-devices.ts'
import type { Preset } from './preset.ts'

const iommu: DeviceContent = { model: 'intel-iommu', intremap: 'on' }

const amd = (properties: Readonly<Record<string, boolean>> = {}): DeviceContent => ({
  model: 'amd-iommu',
  intremap: 'on',
  ...properties,
})

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

export const X86: readonly Preset[] = [
  {
    name: 'default',
    summary: 'q35 with VT-d: virtio devices with and without iommu_platform, and an e1000e',
    content: q35('intel_iommu=on', [iommu, ...defaultDevices]),
  },
  {
    name: 'no-iommu',
    summary: 'the same devices on a q35 without an IOMMU',
    content: q35('', defaultDevices),
  },
  {
    name: 'iommu-off',
    summary: 'the default machine, whose guest leaves the IOMMU off (intel_iommu=off)',
    content: q35('intel_iommu=off', [iommu, ...defaultDevices]),
  },
  {
    name: 'passthrough',
    summary: 'the default machine, whose guest gives every device the identity domain (iommu=pt)',
    content: q35('intel_iommu=on iommu=pt', [iommu, ...defaultDevices]),
  },
  {
    name: 'strict',
    summary: 'the default machine, whose guest flushes the IOTLB at every unmap (iommu.strict=1)',
    content: q35('intel_iommu=on iommu.strict=1', [iommu, ...defaultDevices]),
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
    content: q35('intel_iommu=on', [iommu, ...defaultDevices], {
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
      ...defaultDevices,
    ]),
    otherwise: {
      '7.2': q35('intel_iommu=on', [
        { model: 'intel-iommu', intremap: 'on', 'x-scalable-mode': true },
        ...defaultDevices,
      ]),
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
    content: q35('', [{ model: 'virtio-iommu-pci', id: 'viommu', addr: '01.0' }, ...defaultDevices], {
      machineProperties: {},
    }),
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
    content: q35('', [amd({ 'dma-remap': true }), ...defaultDevices]),
    // It always translates there, and has no property for it.
    otherwise: { '7.2': q35('', [amd(), ...defaultDevices], { qemuVersion: '7.2' }) },
  },
  {
    name: 'amd-inert',
    summary: 'the same as QEMU 11.1 makes it unless told otherwise: the guest programs it, and it does nothing',
    content: q35('', [amd(), ...defaultDevices]),
  },
  {
    name: 'xen',
    summary: 'a q35 on which Xen runs, the guest its first domain: memory is not where its addresses say',
    content: q35('', defaultDevices, { xen: {} }),
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
]

export const EXTERNAL_PORT: Preset = {
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
}

export const SEV: Preset = {
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
}

export const BOUNCE: Preset = {
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
}
