import {
  addAcsCapability,
  addAerCapability,
  addAriCapability,
  addAtsCapability,
  addExpressCapability,
  addPowerManagementCapability,
  type ConfigSpace,
  type ExpressOptions,
  Msi,
  type MsiOptions,
  Msix,
  type MsixOptions,
  readOnlyImage,
  SriovCapability,
  type SriovOptions,
} from '@dmascope/pci'

/** A capability as plain data. `offset` is where it stands; extended ones must have one. */
export type CapabilityDescription =
  | ({ readonly kind: 'msi' } & MsiOptions)
  | ({ readonly kind: 'msix' } & MsixOptions)
  | ({ readonly kind: 'express'; readonly functionLevelReset?: boolean } & Omit<ExpressOptions, 'onFunctionLevelReset'>)
  | { readonly kind: 'power-management'; readonly noSoftReset?: boolean; readonly offset?: number }
  | { readonly kind: 'aer'; readonly offset: number; readonly version?: number }
  | { readonly kind: 'acs'; readonly offset: number; readonly capabilities?: number }
  | { readonly kind: 'ari'; readonly offset: number; readonly nextFunction?: number }
  | { readonly kind: 'ats'; readonly offset: number; readonly queueDepth?: number }
  | ({ readonly kind: 'sriov' } & SriovOptions)
  /** Any other, read-only: `body` is what follows ID and next pointer. */
  | { readonly kind: 'plain'; readonly id: number; readonly body: Uint8Array; readonly offset?: number }
  /** Any other extended one, read-only: `body` is what follows the first four bytes. */
  | {
      readonly kind: 'plain-extended'
      readonly id: number
      readonly version: number
      readonly body: Uint8Array
      readonly offset: number
    }

/** Those that a function has to do with afterwards. */
export interface AddedCapabilities {
  readonly msi: Msi | null
  readonly msix: Msix | null
  readonly sriov: SriovCapability | null
}

/**
 * Adds capabilities in the order given, so that of the conventional ones the last stands first in the chain.
 *
 * @throws RangeError where one does not fit where it should stand
 */
export function addCapabilities(
  config: ConfigSpace,
  descriptions: readonly CapabilityDescription[],
  onFunctionLevelReset: () => void,
): AddedCapabilities {
  let msi: Msi | null = null
  let msix: Msix | null = null
  let sriov: SriovCapability | null = null
  for (const one of descriptions) {
    switch (one.kind) {
      case 'msi':
        msi = new Msi(config, one)
        break
      case 'msix':
        msix = new Msix(config, one)
        break
      case 'express':
        addExpressCapability(config, { ...one, ...(one.functionLevelReset === true && { onFunctionLevelReset }) })
        break
      case 'power-management':
        addPowerManagementCapability(config, one)
        break
      case 'aer':
        addAerCapability(config, one)
        break
      case 'acs':
        addAcsCapability(config, one)
        break
      case 'ari':
        addAriCapability(config, one)
        break
      case 'ats':
        addAtsCapability(config, one)
        break
      case 'sriov':
        sriov = new SriovCapability(config, one)
        break
      case 'plain':
        config.addCapability(one.id, readOnlyImage(prefixed(2, one.body)), one.offset)
        break
      case 'plain-extended':
        config.addExtendedCapability(one.id, one.version, readOnlyImage(prefixed(4, one.body)), one.offset)
        break
    }
  }
  return { msi, msix, sriov }
}

/** `body` behind `count` bytes, which the configuration space fills in. */
function prefixed(count: number, body: Uint8Array): Uint8Array {
  const all = new Uint8Array(count + body.length)
  all.set(body, count)
  return all
}
