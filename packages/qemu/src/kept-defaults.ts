import type { PropertyValue, QemuVersion } from '@dmascope/machine'
import { isBefore, type MachineType, VERSION, type Version } from './machine-types.ts'

/** A default that a versioned machine type keeps: for types up to and including `through`. */
export interface CompatibleDefault {
  /** A model's name, or a type that it derives from. */
  readonly driver: string
  readonly property: string
  readonly value: PropertyValue
}

interface KeptDefault extends CompatibleDefault {
  readonly through: Version
}

/** Several drivers or properties of one release. */
const through = (
  major: number,
  minor: number,
  kept: Readonly<Record<string, Readonly<Record<string, PropertyValue>>>>,
): readonly KeptDefault[] =>
  Object.entries(kept).flatMap(([driver, properties]) =>
    Object.entries(properties).map(([property, value]) => ({
      through: [major, minor] as const,
      driver,
      property,
      value,
    })),
  )

/**
 * QEMU's lists of what newer releases changed (hw_compat, pc_compat and those of pseries), newest first: what is later
 * here stands above what is earlier. Left out is what bears on no DMA.
 */
const KEPT: readonly KeptDefault[] = [
  ...through(9, 2, { 'virtio-balloon-device': { vectors: 0 }, 'virtio-mem-device': { vectors: 0 } }),
  ...through(9, 1, { 'intel-iommu': { 'aw-bits': 39, 'stale-tm': true } }),
  ...through(8, 2, { 'virtio-iommu-pci': { 'aw-bits': 64, granule: '4k' } }),
  ...through(7, 1, { 'virtio-device': { queue_reset: false }, 'virtio-rng-device': { vectors: 0 } }),
  ...through(5, 2, { 'virtio-net-device': { vectors: 3 } }),
  ...through(5, 1, { 'virtio-blk-device': { 'num-queues': 1 }, nvme: { 'use-intel-id': true } }),
  ...through(5, 0, { 'virtio-device': { 'x-disable-legacy-check': true } }),
  ...through(4, 2, { 'virtio-blk-device': { 'queue-size': 128 } }),
  ...through(4, 1, { 'spapr-pci-host-bridge': { pgsz: 0x1_1000 } }),
  ...through(3, 1, {
    'pcie-root-port': { 'disable-acs': true },
    'intel-iommu': { 'dma-drain': false },
    'virtio-blk-device': { discard: false, 'write-zeroes': false },
  }),
  ...through(2, 11, { 'virtio-blk-device': { vectors: 2 } }),
  ...through(2, 9, { 'intel-iommu': { pt: false }, 'pci-bridge': { shpc: false } }),
  // Those of 2.9 alone are without.
  ...through(2, 8, { 'pci-bridge': { shpc: true } }),
  ...through(2, 7, { 'intel-iommu': { 'x-buggy-eim': true } }),
  ...through(2, 6, { 'virtio-pci': { 'disable-modern': true, 'disable-legacy': 'off' } }),
  ...through(2, 4, {
    'virtio-pci': { 'x-disable-pcie': true },
    'virtio-blk-device': { scsi: true },
    'virtio-ccw-device': { max_revision: 0 },
  }),
]

/** The defaults in which a versioned machine type differs from the release's own, where they bear on DMA. */
export const compatibleDefaults = (type: MachineType, version: QemuVersion): readonly CompatibleDefault[] =>
  KEPT.filter(({ through: last }) => !isBefore(last, type.compatible) && isBefore(last, VERSION[version])).map(
    ({ driver, property, value }) => ({ driver, property, value }),
  )
