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
    scalableMode: 'x-scalable-mode',
  },
  '11.1': {
    addressWidth: 48,
    enhancedSetRootPointer: true,
    blockCompatibilityFormat: true,
    staleTransientMapping: false,
    scalableMode: 'scalable-mode',
  },
} as const

type QemuRelease = keyof typeof RELEASES

const COMMON_SWITCHES = ['intremap', 'device-iotlb', 'caching-mode', 'snoop-control', 'dma-translation', 'eim'] as const
/** Properties that are on or off, by release. */
const SWITCHES = {
  '7.2': [...COMMON_SWITCHES, 'pt', 'dma-drain', 'x-buggy-eim', 'x-scalable-mode', 'x-pasid-mode'],
  '11.1': [...COMMON_SWITCHES, 'scalable-mode', 'fsts', 'fs1gp', 'stale-tm', 'svm'],
} as const
type Switch = (typeof SWITCHES)[QemuRelease][number]
const NUMBERS = { '7.2': ['aw-bits', 'version'], '11.1': ['aw-bits', 'version', 'pasid-bits'] } as const
const LARGEST_PASID_BITS = 20

const TRUE: readonly PropertyValue[] = [true, 'on', 'true', 'yes', 'y']
const FALSE: readonly PropertyValue[] = [false, 'off', 'false', 'no', 'n']

/**
 * The features of QEMU's `-device intel-iommu,...` under TCG, so that CAP and ECAP are QEMU's bit for bit.
 *
 * @param properties - as written, by the names of the release
 * @throws DmascopeError VTD_PROPERTY_UNKNOWN, VTD_PROPERTY_VALUE or VTD_NOT_MODELLED
 */
export function vtdOptionsFor(
  qemuVersion: QemuRelease,
  properties: Readonly<Record<string, PropertyValue>> = {},
): VtdFeatures {
  const release = RELEASES[qemuVersion]
  const switches: readonly string[] = SWITCHES[qemuVersion]
  const known: readonly string[] = [...switches, ...NUMBERS[qemuVersion]]
  for (const name of Object.keys(properties)) {
    if (known.includes(name)) continue
    throw new DmascopeError(
      'VTD_PROPERTY_UNKNOWN',
      `intel-iommu of QEMU ${qemuVersion} has no property ${JSON.stringify(name)}; it has ${known.join(', ')}`,
      { property: name },
    )
  }
  const flag = (name: Switch, initial: boolean): boolean => {
    const value = properties[name]
    if (value === undefined || value === 'auto') return initial
    if (TRUE.includes(value)) return true
    if (FALSE.includes(value)) return false
    throw refusal(name, value, `${name} is on or off, got ${JSON.stringify(value)}`)
  }
  const interruptRemapping = flag('intremap', true)
  const extendedInterruptMode = flag('eim', interruptRemapping && flag('x-buggy-eim', false))
  if (extendedInterruptMode && !interruptRemapping) {
    throw refusal('eim', true, 'eim=on cannot be selected without intremap=on')
  }
  const deviceIotlb = flag('device-iotlb', false)
  const scalableMode = flag(release.scalableMode, false)
  const firstStage = flag('fsts', false)
  if (firstStage && !scalableMode) throw refusal('fsts', true, 'fsts is only available in scalable mode')
  const pasidBits = flag('x-pasid-mode', false) ? 1 : pasidBitsOf(properties['pasid-bits'] ?? 0)
  if (pasidBits > 0 && !scalableMode) {
    throw refusal(
      'pasid-bits',
      pasidBits,
      `Need to set scalable mode for PASID; write ${release.scalableMode}=on before it`,
    )
  }
  if (pasidBits > 0 && deviceIotlb && qemuVersion === '7.2') {
    throw refusal('x-pasid-mode', true, 'PASID based device IOTLB is not supported; leave out device-iotlb')
  }
  if (flag('svm', false)) refuseSharedMemory(deviceIotlb, firstStage, pasidBits)
  return {
    addressWidth: addressWidthOf(
      properties['aw-bits'] ?? release.addressWidth,
      qemuVersion === '7.2' ? 'Supported' : modeOf(scalableMode, firstStage),
      firstStage,
    ),
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
    scalableMode,
    // The unit has one stage or the other.
    firstStage,
    firstStage1g: flag('fs1gp', true),
    firstStageFiveLevels: false,
    secondStage: !firstStage,
    pasidBits,
    ridPasid: 'unannounced',
    supervisorRequests: !firstStage,
    legacyReasons: true,
    protectedMemory: false,
  }
}

const refusal = (property: string, value: PropertyValue, text: string): DmascopeError =>
  new DmascopeError('VTD_PROPERTY_VALUE', `intel-iommu: ${text}`, { property, value })

function pasidBitsOf(value: PropertyValue): number {
  const bits = Number(value)
  if (Number.isInteger(bits) && bits >= 0 && bits <= LARGEST_PASID_BITS) return bits
  const text = `PASID width ${value} exceeds Max PASID Width ${LARGEST_PASID_BITS} allowed in PCI spec`
  throw refusal('pasid-bits', value, text)
}

/** In the order of QEMU's own checks. */
function refuseSharedMemory(deviceIotlb: boolean, firstStage: boolean, pasidBits: number): never {
  if (!deviceIotlb) throw refusal('svm', true, 'Need to set device IOTLB for svm; write device-iotlb=on')
  if (!firstStage) throw refusal('svm', true, 'Need to set fsts for svm; write fsts=on')
  if (pasidBits === 0) throw refusal('svm', true, 'Need to set PASID support for svm; write pasid-bits=20')
  throw new DmascopeError(
    'VTD_NOT_MODELLED',
    'intel-iommu: svm=on asks for page requests, which are not modelled; leave it out',
    { property: 'svm' },
  )
}

const modeOf = (scalableMode: boolean, firstStage: boolean): string =>
  scalableMode ? `Scalable mode(fsts=${firstStage ? 'on' : 'off'}): supported` : 'Legacy mode: supported'

function addressWidthOf(value: PropertyValue, begin: string, firstStage: boolean): 39 | 48 {
  const width = Number(value)
  if (width === 48 || (width === 39 && !firstStage)) return width
  const allowed = firstStage ? 'value for aw-bits is: 48' : 'values for aw-bits are: 39, 48'
  throw refusal('aw-bits', value, `${begin} ${allowed}; got ${JSON.stringify(value)}`)
}
