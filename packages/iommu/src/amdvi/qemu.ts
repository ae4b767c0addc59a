import { DmascopeError } from '@dmascope/layout'
import type { AmdViFeatures } from './options.ts'

type PropertyValue = string | number | boolean

/** What QEMU's `amd-iommu` device of a release is, before its properties. */
const RELEASES = {
  // It always remaps DMA, and knows no switch for it.
  '7.2': { properties: ['intremap', 'device-iotlb', 'pt'], dmaRemap: true, blockInvalidTranslation: false },
  '11.1': {
    properties: ['intremap', 'device-iotlb', 'pt', 'dma-remap', 'dma-translation', 'xtsup', 'numint2k', 'pci-id'],
    dmaRemap: false,
    blockInvalidTranslation: true,
  },
} as const

const TRUE: readonly PropertyValue[] = [true, 'on', 'true', 'yes', 'y']
const FALSE: readonly PropertyValue[] = [false, 'off', 'false', 'no', 'n']

/**
 * The features of QEMU's `-device amd-iommu,...` under TCG, so that the Extended Feature Register is QEMU's bit for bit.
 *
 * @param properties - as written, QEMU's names
 * @throws DmascopeError AMDVI_PROPERTY_UNKNOWN or AMDVI_PROPERTY_VALUE
 */
export function amdviOptionsFor(
  qemuVersion: '7.2' | '11.1',
  properties: Readonly<Record<string, PropertyValue>> = {},
): AmdViFeatures {
  const release = RELEASES[qemuVersion]
  const known: readonly string[] = release.properties
  for (const name of Object.keys(properties)) {
    if (known.includes(name)) continue
    throw new DmascopeError(
      'AMDVI_PROPERTY_UNKNOWN',
      `amd-iommu of QEMU ${qemuVersion} has no property ${JSON.stringify(name)}; it has ${known.join(', ')}`,
      { property: name },
    )
  }
  const flag = (name: string, initial: boolean): boolean => {
    const value = properties[name]
    if (value === undefined || value === 'auto') return initial
    if (TRUE.includes(value)) return true
    if (FALSE.includes(value)) return false
    throw new DmascopeError('AMDVI_PROPERTY_VALUE', `amd-iommu: ${name} is on or off, got ${JSON.stringify(value)}`, {
      property: name,
      value,
    })
  }
  return {
    dmaRemap: flag('dma-remap', release.dmaRemap),
    dmaTranslation: flag('dma-translation', true),
    hostLevels: 6,
    addressWidth: 48,
    physicalWidth: 40,
    interruptRemapping: flag('intremap', true),
    guestApic: true,
    x2apic: flag('xtsup', false),
    announcesManyInterrupts: flag('numint2k', false),
    // The capability is announced whatever the property says.
    deviceIotlb: true,
    invalidateAll: true,
    prefetch: true,
    npCache: true,
    cachesNotPresent: false,
    exclusionRange: false,
    htRange: false,
    announcesHtRangeIgnore: false,
    blockInvalidTranslation: release.blockInvalidTranslation,
    judgesWholeEntry: true,
    haltOnCommandError: false,
    logInterruptFaults: false,
    invalidateWholeDomain: true,
    announcesPageRequests: true,
    announcesGuestTranslation: true,
    announcesHardwareErrors: true,
    pageDirectoryCache: false,
    iotlbEntries: 1024,
  }
}
