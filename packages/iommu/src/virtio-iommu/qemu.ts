import { DmascopeError } from '@dmascope/layout'
import type { VirtioIommuFeatures } from './options.ts'

type PropertyValue = string | number | boolean

/** Where a machine has its doorbells, and how wide QEMU's newer releases make the input range on it. */
export interface VirtioIommuMachine {
  /** Where devices write their interrupt messages, both ends in it; null where the driver is to map the doorbell. */
  readonly msi: { readonly start: number; readonly end: number } | null
  /** `aw-bits` unless it is given: 39 on q35, 48 on arm virt, 64 elsewhere. */
  readonly inputBits: number
}

const GRANULES: Readonly<Record<string, number>> = {
  '4k': 4096,
  '8k': 8192,
  '16k': 16_384,
  '64k': 65_536,
  // Hosts with pages of other sizes are not modelled.
  host: 4096,
}
const PROPERTIES = { '7.2': ['boot-bypass'], '11.1': ['boot-bypass', 'granule', 'aw-bits'] } as const

/**
 * The features of QEMU's `-device virtio-iommu-pci,...`, so that configuration and feature bits are QEMU's.
 *
 * @param properties - as written, QEMU's names; what the device knows of them
 * @throws DmascopeError VIRTIO_IOMMU_PROPERTY_UNKNOWN, VIRTIO_IOMMU_PROPERTY_VALUE
 */
export function virtioIommuOptionsFor(
  qemuVersion: '7.2' | '11.1',
  machine: VirtioIommuMachine,
  properties: Readonly<Record<string, PropertyValue>> = {},
): VirtioIommuFeatures {
  const known: readonly string[] = PROPERTIES[qemuVersion]
  for (const name of Object.keys(properties)) {
    if (known.includes(name)) continue
    throw new DmascopeError(
      'VIRTIO_IOMMU_PROPERTY_UNKNOWN',
      `virtio-iommu-pci of QEMU ${qemuVersion} has no property ${JSON.stringify(name)}; it has ${known.join(', ')}`,
      { property: name },
    )
  }
  const refuse = (property: string, message: string): DmascopeError =>
    new DmascopeError('VIRTIO_IOMMU_PROPERTY_VALUE', message, { property, value: properties[property] })
  const inputBits = Number(properties['aw-bits'] ?? (qemuVersion === '7.2' ? 64 : machine.inputBits))
  if (!(Number.isInteger(inputBits) && inputBits >= 32 && inputBits <= 64)) {
    throw refuse('aw-bits', 'aw-bits must be within [32,64]')
  }
  const granule = GRANULES[String(properties.granule ?? 'host')]
  if (granule === undefined) {
    throw refuse('granule', `virtio-iommu-pci: granule is one of ${Object.keys(GRANULES).join(', ')}`)
  }
  const { 'boot-bypass': bootBypass = true } = properties
  return {
    granule,
    inputBits,
    domainRange: { start: 0, end: 0xffff_ffff },
    probeSize: 512,
    mmio: true,
    bypass: 'config',
    bootBypass: bootBypass === true || bootBypass === 'on',
    reservedRegions: machine.msi === null ? [] : [{ kind: 'msi', ...machine.msi }],
    checksRequests: false,
    answersUnknownRequests: true,
    breaksOnShortRequests: true,
    tellsAccessOfFaults: false,
    maxMappings: 0x4_0000,
  }
}
