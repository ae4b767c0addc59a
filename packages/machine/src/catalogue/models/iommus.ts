import { deviceModel, pciModel, SINCE_8 } from '../build-model.ts'
import type { DeviceModel } from '../model.ts'
import {
  bearing,
  differs,
  off,
  on,
  only,
  onOffAuto,
  type PropertyList,
  text,
  uint8,
  uint32,
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

/** IOMMUs that are platform devices. `virtio-iommu-pci` stands among the virtio devices. */
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
]
