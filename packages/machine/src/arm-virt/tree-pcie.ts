import { buildIdMap, type DtNode, identityMapExcept, pciUnitAddress } from '@dmascope/devicetree'
import { VIRT, VIRT_SPI } from './memory-map.ts'
import { at, built, cells64, EDGE_RISING, LEVEL_HIGH, reg64, SPI } from './tree-node.ts'
import { isCoherent, type SmmuPlace, type VirtFacts } from './virt-facts.ts'

/** First cell of a range: which of PCI's address spaces (IEEE 1275 PCI binding). */
const IO_SPACE = 0x0100_0000
const MEMORY_32 = 0x0200_0000
const MEMORY_64 = 0x0300_0000
const ECAM_BUS = 0x10_0000
const FOUR_GIB = 0x1_0000_0000
/** Slots whose pins are told apart; those after them repeat. */
const MAPPED_SLOTS = 4
const PINS = 4

/** Phandles of what the host bridge refers to. */
export interface PcieReferences {
  readonly gic: number
  readonly msi: number | null
  readonly iommu: number | null
  /** The pool that devices below it are kept in. */
  readonly pool: number | null
}

/** `/pcie@10000000`. */
export function pcieNode(facts: VirtFacts, references: PcieReferences): DtNode {
  const { high, iommu } = facts
  const { ecam, mmio } = high
  const ranges = [
    ...[IO_SPACE, 0, 0, ...cells64(VIRT.pciePio.base), ...cells64(VIRT.pciePio.size)],
    ...[MEMORY_32, ...cells64(VIRT.pcieMmio.base), ...reg64(VIRT.pcieMmio)],
    ...(mmio === null ? [] : [MEMORY_64, ...cells64(mmio.base), ...reg64(mmio)]),
  ]
  return built(
    at('pcie', VIRT.pcieMmio),
    [
      ['compatible', 'pci-host-ecam-generic'],
      ['device_type', 'pci'],
      ['#address-cells', 3],
      ['#size-cells', 2],
      ['linux,pci-domain', 0],
      ['bus-range', [0, ecam.size / ECAM_BUS - 1]],
      ...(isCoherent(facts) ? [['dma-coherent', true] as const] : []),
      ...(references.msi === null ? [] : [['msi-map', [0, references.msi, 0, 0x1_0000]] as const]),
      ['reg', reg64(ecam)],
      ['ranges', ranges],
      ...dmaRanges(facts),
      ['#interrupt-cells', 1],
      ['interrupt-map', interruptMap(references.gic)],
      ['interrupt-map-mask', [(MAPPED_SLOTS - 1) << 11, 0, 0, 7]],
      ...iommuMap(facts, references.iommu),
      ...inPool(references.pool),
    ],
    iommu.kind === 'virtio-iommu' && references.iommu !== null
      ? [virtioIommuNode(iommu.requesterId, references.iommu)]
      : [],
  )
}

/** All memory that a device's DMA may touch. */
export const inPool = (pool: number | null): readonly (readonly ['memory-region', number])[] =>
  pool === null ? [] : [['memory-region', pool]]

/** A bridge is told to be the way to memory by its windows, for memory of 32 or 64 bits. */
const dmaRanges = ({ inbound: [windows] }: VirtFacts): readonly (readonly ['dma-ranges', number[]])[] =>
  windows === undefined
    ? []
    : [
        [
          'dma-ranges',
          windows.flatMap(({ bus, memory, size }) => [
            bus + size <= FOUR_GIB ? MEMORY_32 : MEMORY_64,
            ...[bus, memory, size].flatMap(cells64),
          ]),
        ],
      ]

/** The host bridge, on the buses that the machine has it on: each with the windows that it has for what is below. */
export const onBuses = (bridge: DtNode, { inbound }: VirtFacts): DtNode =>
  inbound.slice(1).reduce(
    (below, windows, index) =>
      built(
        `bus-${index + 1}`,
        [
          ['compatible', 'simple-bus'],
          ['#address-cells', 2],
          ['#size-cells', 2],
          ['ranges', true],
          ['dma-ranges', windows.flatMap(({ bus, memory, size }) => [bus, memory, size].flatMap(cells64))],
        ],
        [below],
      ),
    bridge,
  )

/** Pins turn with the slot, over four interrupts. */
const interruptMap = (gic: number): number[] =>
  Array.from({ length: MAPPED_SLOTS }, (_, slot) =>
    Array.from({ length: PINS }, (__, pin) => [
      ...[slot << 11, 0, 0, pin + 1],
      ...[gic, 0, 0, SPI, VIRT_SPI.pcie + ((pin + slot) % PINS), LEVEL_HIGH],
    ]),
  ).flat(2)

function iommuMap({ iommu }: VirtFacts, phandle: number | null): readonly (readonly ['iommu-map', number[]])[] {
  if (phandle === null || iommu.kind === 'none' || (iommu.kind !== 'smmuv3-devices' && !iommu.mapped)) return []
  const excluded = iommu.kind === 'virtio-iommu' ? [iommu.requesterId] : []
  return [['iommu-map', buildIdMap(identityMapExcept(phandle, excluded))]]
}

/** The IOMMU's own function, by which a kernel finds it among the others. */
const virtioIommuNode = (requesterId: number, phandle: number): DtNode =>
  built(`virtio_iommu@${(requesterId >> 3).toString(16)},${requesterId & 7}`, [
    ['compatible', ['virtio,pci-iommu', 'pci1af4,1057']],
    ['reg', [pciUnitAddress(requesterId), 0, 0, 0, 0]],
    ['#iommu-cells', 1],
    ['phandle', phandle],
  ])

/** `/smmuv3@9050000`, or elsewhere. */
export const smmuNode = ({ base, spi }: SmmuPlace, phandle: number): DtNode =>
  built(at('smmuv3', { base, size: VIRT.smmu.size }), [
    ['compatible', 'arm,smmu-v3'],
    ['reg', reg64({ base, size: VIRT.smmu.size })],
    ['interrupts', [0, 1, 2, 3].flatMap((index) => [SPI, spi + index, EDGE_RISING])],
    ['interrupt-names', ['eventq', 'priq', 'cmdq-sync', 'gerror']],
    ['dma-coherent', true],
    ['#iommu-cells', 1],
    ['phandle', phandle],
  ])
