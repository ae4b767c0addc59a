import { deviceModel, pciModel, SINCE_8 } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import {
  bearing,
  differs,
  off,
  on,
  oneOf,
  only,
  onOffAuto,
  type PropertyList,
  text,
  uint8,
  uint32,
  uint64,
} from '../property-specs.ts'

/** What both of QEMU's x86 IOMMUs take (`x86-iommu`). */
const X86_IOMMU: PropertyList = {
  intremap: bearing(onOffAuto('auto')),
  'device-iotlb': bearing(off),
  pt: only('7.2', bearing(on)),
}

/** The PCI side of `amd-iommu`, which that makes itself unless it is told of another. */
export const AMD_IOMMU_FUNCTION: DeviceModel = deviceModel({
  name: 'AMDVI-PCI',
  kind: 'amd-iommu-function',
  versions: SINCE_8,
  pci: pciModel({
    ids: [0x1022, 0x1419],
    classCode: 0x08_0600,
    interruptPin: 0,
    msiVectors: 1,
    caps: '05@60,08@5c,05@58,0f@40',
  }),
})

/** IOMMUs that are platform devices, of a PC or of an Arm machine. `virtio-iommu-pci` stands among the virtio devices. */
export const iommuModels = (): readonly DeviceModel[] => [
  deviceModel({
    name: 'intel-iommu',
    kind: 'intel-iommu',
    plug: 'platform',
    parents: ['x86-iommu'],
    properties: {
      ...X86_IOMMU,
      version: bearing(uint32(0)),
      eim: bearing(onOffAuto('auto')),
      'x-buggy-eim': only('7.2', bearing(off)),
      'aw-bits': bearing(differs(uint8(39), 39, 48)),
      'caching-mode': bearing(off),
      'x-scalable-mode': only('7.2', bearing(off)),
      'scalable-mode': only('11.1', bearing(off)),
      'snoop-control': bearing(off),
      'x-pasid-mode': only('7.2', bearing(off)),
      'pasid-bits': only('11.1', bearing(uint8(0))),
      fsts: only('11.1', bearing(off)),
      fs1gp: only('11.1', bearing(on)),
      'stale-tm': only('11.1', bearing(off)),
      svm: only('11.1', bearing(off)),
      'dma-drain': only('7.2', bearing(on)),
      'dma-translation': bearing(on),
    },
  }),
  deviceModel({
    name: 'amd-iommu',
    kind: 'amd-iommu',
    plug: 'platform',
    parents: ['x86-iommu'],
    properties: {
      ...X86_IOMMU,
      xtsup: only('11.1', bearing(off)),
      'dma-remap': only('11.1', bearing(off)),
      'dma-translation': only('11.1', bearing(on)),
      'pci-id': only('11.1', text),
      numint2k: only('11.1', bearing(off)),
    },
  }),
  AMD_IOMMU_FUNCTION,
  deviceModel({
    name: 'arm-smmuv3',
    kind: 'arm-smmuv3',
    plug: 'platform',
    versions: SINCE_8,
    parents: ['arm-smmu'],
    properties: {
      'primary-bus': bearing(text),
      stage: bearing(text),
      accel: bearing(off),
      ats: bearing(onOffAuto('auto')),
      cmdqv: bearing(onOffAuto('auto')),
      ril: bearing(onOffAuto('auto')),
      oas: bearing(oneOf('auto', ['auto', '32', '36', '40', '42', '44', '48', '52', '56'])),
      ssidsize: bearing(oneOf('auto', ['auto', ...Array.from({ length: 21 }, (_, bits) => String(bits))])),
      'msi-gpa': uint64(0),
      identifier: uint8(0),
      bus_num: uint8(0),
      smmu_per_bus: off,
    },
  }),
]
