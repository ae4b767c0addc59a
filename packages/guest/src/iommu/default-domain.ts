import type { GuestProfile } from '../profile/guest-profile.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'
import type { Fact } from '../result.ts'

/** What the kernel decided before it looked at any device. */
export interface IommuPolicy {
  /** False: the driver stays away from translation. Interrupt remapping is decided apart. */
  readonly enabled: boolean
  readonly defaultDomain: 'dma' | 'dma-fq' | 'identity'
  readonly why: readonly Fact[]
}

const COMMAND_LINE = 'kernel command line'

/** Whether to translate, and what devices get that ask for nothing: the build's defaults, then the command line. */
export function decidePolicy({ configuration }: GuestProfile, options: KernelCommandLine): IommuPolicy {
  const why: Fact[] = []
  let enabled = configuration.intelIommuDefaultOn
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
  if (!enabled) return { enabled, defaultDomain: 'identity', why }

  const passthrough = options.passthrough ?? configuration.iommuDefaultPassthrough
  if (passthrough) {
    const source = options.passthrough === undefined ? 'kernel configuration' : COMMAND_LINE
    why.push({ fact: 'the default domain passes through', source })
    return { enabled, defaultDomain: 'identity', why }
  }
  const strict = options.strict ?? configuration.iommuDefaultStrict
  why.push({
    fact: `the default domain translates, with ${strict ? 'strict' : 'lazy'} invalidation`,
    source: options.passthrough === undefined && options.strict === undefined ? 'kernel configuration' : COMMAND_LINE,
  })
  return { enabled, defaultDomain: strict ? 'dma' : 'dma-fq', why }
}
