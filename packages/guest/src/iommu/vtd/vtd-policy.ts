import type { GuestProfile } from '../../profile/guest-profile.ts'
import type { KernelCommandLine } from '../../profile/kernel-command-line.ts'
import type { Fact } from '../../result.ts'
import { COMMAND_LINE, type DefaultDomain, decideDefaultDomain } from '../default-domain.ts'

/** What the kernel decided before it looked at any device. */
export interface VtdPolicy {
  /** False: the driver stays away from translation. Interrupt remapping is decided apart. */
  readonly enabled: boolean
  readonly defaultDomain: DefaultDomain['type']
  /** Units that have scalable mode are run in it. */
  readonly scalableMode: boolean
  readonly why: readonly Fact[]
}

/** Whether to translate, and what devices get that ask for nothing: the build's defaults, then the command line. */
export function decideVtdPolicy(profile: GuestProfile, options: KernelCommandLine): VtdPolicy {
  const why: Fact[] = []
  let enabled = profile.configuration.intelIommuDefaultOn
  if (options.intelIommu !== undefined) {
    enabled = options.intelIommu
    why.push({ fact: `intel_iommu=${enabled ? 'on' : 'off'}`, source: COMMAND_LINE })
  } else {
    why.push({ fact: `VT-d is ${enabled ? 'on' : 'off'} unless asked otherwise`, source: 'kernel configuration' })
  }
  if (options.iommuOff) {
    enabled = false
    why.push({ fact: 'iommu=off', source: COMMAND_LINE })
  }
  const scalableMode = options.scalableMode ?? profile.configuration.scalableModeDefaultOn
  if (!enabled) return { enabled, defaultDomain: 'identity', scalableMode, why }
  const { type, why: because } = decideDefaultDomain(profile, options)
  return { enabled, defaultDomain: type, scalableMode, why: [...why, ...because] }
}
