import { DmascopeError } from '@dmascope/layout'
import type { SmmuV3Features } from './options.ts'

const STAGES: readonly string[] = ['1', '2', 'nested']

/** What the SMMUv3 of QEMU's `virt` machine of a release is. */
const RELEASES = {
  '7.2': { properties: [], stage: '1', vmid16: false, executeNever: false, globalBypass: false, recordsClass: false },
  '11.1': {
    properties: ['stage'],
    stage: 'nested',
    vmid16: true,
    executeNever: true,
    globalBypass: true,
    recordsClass: true,
  },
} as const

/**
 * The features of the SMMUv3 of QEMU's `virt` machine, so that the identification registers are QEMU's bit for bit.
 *
 * @param properties - of the device, as written, QEMU's names
 * @throws DmascopeError SMMUV3_PROPERTY_UNKNOWN or SMMUV3_PROPERTY_VALUE
 */
export function smmuv3OptionsFor(
  qemuVersion: '7.2' | '11.1',
  properties: Readonly<Record<string, string | number | boolean>> = {},
): SmmuV3Features {
  const release = RELEASES[qemuVersion]
  const known: readonly string[] = release.properties
  for (const name of Object.keys(properties)) {
    if (known.includes(name)) continue
    throw new DmascopeError(
      'SMMUV3_PROPERTY_UNKNOWN',
      `arm-smmuv3 of QEMU ${qemuVersion} has no property ${JSON.stringify(name)} that is modelled; ` +
        (known.length > 0 ? `it has ${known.join(', ')}` : 'leave it out'),
      { property: name },
    )
  }
  const stage = String(properties.stage ?? release.stage)
  if (!STAGES.includes(stage)) {
    throw new DmascopeError(
      'SMMUV3_PROPERTY_VALUE',
      `arm-smmuv3: stage is 1, 2 or nested, got ${JSON.stringify(properties.stage)}`,
      { property: 'stage', value: stage },
    )
  }
  const stage2 = stage !== '1'
  return {
    stage1: stage !== '2',
    stage2,
    granules: [4, 16, 64],
    outputSize: 44,
    streamIdBits: 16,
    log2Commands: 19,
    log2Events: 19,
    asid16: true,
    vmid16: release.vmid16,
    twoLevelStreamTable: true,
    rangeInvalidation: true,
    hierarchicalAttributeDisable: true,
    breakBeforeMakeLevel: 2,
    announcesExecuteNeverControl: release.executeNever && stage2,
    minorRevision: 1,
    globalBypassAttribute: release.globalBypass,
    checksUnprivileged: false,
    globalPages: false,
    overflowFlag: false,
    recordsClass: release.recordsClass,
    acceptsForeignCommands: true,
    rejectsHardwareUpdate: true,
    walkCache: false,
    tlbEntries: 256,
  }
}
