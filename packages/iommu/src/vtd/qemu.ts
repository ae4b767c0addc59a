import { DmascopeError } from '@dmascope/layout'
import type { VtdFeatures } from './options.ts'

type PropertyValue = string | number | boolean

/** What QEMU's `intel-iommu` device of a release is, before its properties. */
const RELEASES = {
  '7.2': {
    addressWidth: 39,
    enhancedSetRootPointer: false,
    blockCompatibilityFormat: false,
    staleTransientMapping: true,
  },
  '11.1': {
    addressWidth: 48,
    enhancedSetRootPointer: true,
    blockCompatibilityFormat: true,
    staleTransientMapping: false,
  },
} as const

/** Properties with a bearing on what the unit does. The others of the device are known, and do nothing here. */
const BOOLEAN_PROPERTIES = [
  'intremap',
  'device-iotlb',
  'pt',
  'caching-mode',
  'snoop-control',
  'dma-drain',
  'dma-translation',
  'eim',
  'x-buggy-eim',
  'x-scalable-mode',
  'x-pasid-mode',
  'x-flts',
  'stale-tm',
  'fs1gp',
] as const
const PROPERTIES: readonly string[] = [...BOOLEAN_PROPERTIES, 'aw-bits', 'version']

const TRUE: readonly PropertyValue[] = [true, 'on', 'true', 'yes', 'y']
const FALSE: readonly PropertyValue[] = [false, 'off', 'false', 'no', 'n']

/**
 * The features of QEMU's `-device intel-iommu,...` under TCG, so that CAP and ECAP are QEMU's bit for bit.
 *
 * @param properties - as written, QEMU's names
 * @throws DmascopeError VTD_PROPERTY_UNKNOWN, VTD_PROPERTY_VALUE or VTD_SCALABLE_MODE
 */
export function vtdOptionsFor(
  qemuVersion: '7.2' | '11.1',
  properties: Readonly<Record<string, PropertyValue>> = {},
): VtdFeatures {
  const release = RELEASES[qemuVersion]
  for (const name of Object.keys(properties)) {
    if (PROPERTIES.includes(name)) continue
    throw new DmascopeError(
      'VTD_PROPERTY_UNKNOWN',
      `intel-iommu has no property ${JSON.stringify(name)}; it has ${PROPERTIES.join(', ')}`,
      { property: name },
    )
  }
  const flag = (name: (typeof BOOLEAN_PROPERTIES)[number], initial: boolean): boolean => {
    const value = properties[name]
    if (value === undefined || value === 'auto') return initial
    if (TRUE.includes(value)) return true
    if (FALSE.includes(value)) return false
    throw new DmascopeError('VTD_PROPERTY_VALUE', `intel-iommu: ${name} is on or off, got ${JSON.stringify(value)}`, {
      property: name,
      value,
    })
  }
  for (const name of ['x-scalable-mode', 'x-flts', 'x-pasid-mode'] as const) {
    if (!flag(name, false)) continue
    throw new DmascopeError(
      'VTD_SCALABLE_MODE',
      `intel-iommu: ${name}=on asks for scalable mode, which is not modelled; leave it out`,
      { property: name },
    )
  }
  const interruptRemapping = flag('intremap', true)
  const extendedInterruptMode = flag('eim', interruptRemapping && flag('x-buggy-eim', false))
  if (extendedInterruptMode && !interruptRemapping) {
    throw new DmascopeError('VTD_PROPERTY_VALUE', 'intel-iommu: eim=on cannot be selected without intremap=on', {
      property: 'eim',
    })
  }
  const deviceIotlb = flag('device-iotlb', false)
  return {
    addressWidth: addressWidthOf(properties['aw-bits'] ?? release.addressWidth),
    interruptRemapping,
    extendedInterruptMode,
    cachingMode: flag('caching-mode', false),
    deviceIotlb,
    passThrough: flag('pt', true),
    snoopControl: flag('snoop-control', false),
    drain: flag('dma-drain', true),
    dmaTranslation: flag('dma-translation', true),
    transientMapping: deviceIotlb && flag('stale-tm', release.staleTransientMapping),
    largestPage: '1g',
    enhancedSetRootPointer: release.enhancedSetRootPointer,
    // QEMU drops its caches when a pointer is set, whether it says so or not.
    flushOnSetPointer: true,
    faultRecords: 1,
    collapseFaults: true,
    blockCompatibilityFormat: release.blockCompatibilityFormat,
    reversedBusRange: true,
    pagingStructureCache: false,
    iotlbEntries: 2048,
  }
}

function addressWidthOf(value: PropertyValue): 39 | 48 {
  const width = Number(value)
  if (width === 39 || width === 48) return width
  throw new DmascopeError(
    'VTD_PROPERTY_VALUE',
    `intel-iommu: Supported values for aw-bits are: 39, 48; got ${JSON.stringify(value)}`,
    {
      property: 'aw-bits',
      value,
    },
  )
}
