import type { GuestProfile } from '../profile/guest-profile.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'
import type { Fact } from '../result.ts'

/** What devices get that ask for nothing. A driver may still turn `dma-fq` into `dma` for its hardware. */
export interface DefaultDomain {
  readonly type: 'dma' | 'dma-fq' | 'identity'
  readonly why: readonly Fact[]
}

/** What the kernel's command line says, as a source. */
export const COMMAND_LINE = 'kernel command line'

/**
 * The build's defaults, then `iommu.passthrough=`, `iommu=pt` and `iommu.strict=`: the same for every kind of IOMMU.
 *
 * @param strictByDefault - what the kernel for this architecture was built with
 */
export function decideDefaultDomain(
  { configuration }: GuestProfile,
  options: KernelCommandLine,
  strictByDefault = configuration.iommuDefaultStrict,
): DefaultDomain {
  if (options.passthrough ?? configuration.iommuDefaultPassthrough) {
    const source = options.passthrough === undefined ? 'kernel configuration' : COMMAND_LINE
    return { type: 'identity', why: [{ fact: 'the default domain passes through', source }] }
  }
  const strict = options.strict ?? strictByDefault
  const fact = `the default domain translates, with ${strict ? 'strict' : 'lazy'} invalidation`
  const source =
    options.passthrough === undefined && options.strict === undefined ? 'kernel configuration' : COMMAND_LINE
  return { type: strict ? 'dma' : 'dma-fq', why: [{ fact, source }] }
}
