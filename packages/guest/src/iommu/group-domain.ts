import { type DmaOps, IommuDma, type IommuDomain } from '@dmascope/dma'
import { directDma, PLAIN_DMA } from '../dma/dma-platform.ts'
import type { GroupDomain } from './attached-domain.ts'
import type { NamedDevice, PciDevice } from './contract.ts'
import type { DeviceFacts } from './device-facts.ts'
import type { IommuContext } from './iommu-context.ts'

export type { GroupDomain } from './attached-domain.ts'

/** The DMA API of a device in this domain: through it where it translates, else straight. */
export function dmaOpsIn(
  found: GroupDomain | null,
  context: IommuContext,
  device: NamedDevice,
  maskBits: number,
): DmaOps {
  const { pages, witness, options } = context
  const owner = device.id
  const space = found?.space
  const dma = context.dma ?? PLAIN_DMA
  if (!space) return directDma({ ...context, dma }, device, maskBits)
  const prefer32Bit = !options.forceDac
  // Where there is no pool, what is not whole pages cannot be mapped for it (Linux's dev_use_swiotlb).
  const bounce = context.isUntrusted?.(device) === true ? { bounce: dma.partsOf(device).bounce ?? null } : {}
  return new IommuDma({ owner, maskBits, space, pages, witness, prefer32Bit, ...bounce, warn: context.log })
}

/**
 * The type of a group's default domain: strict translation where a device of it is not trusted, whatever the command line
 * says (`iommu_get_default_domain_type`).
 */
export function domainTypeOf<Type extends 'dma' | 'dma-fq' | 'identity'>(
  { isUntrusted }: Pick<IommuContext, 'isUntrusted'>,
  devices: readonly PciDevice[],
  otherwise: Type,
  facts: DeviceFacts,
): Type | 'dma' {
  const untrusted = isUntrusted === undefined ? [] : devices.filter(isUntrusted)
  for (const device of untrusted) {
    facts.add(device, { fact: 'it is not trusted: its domain translates, strictly', source: EXTERNAL_FACING })
  }
  return untrusted.length > 0 ? 'dma' : otherwise
}

const EXTERNAL_FACING = 'ExternalFacingPort of the port above it'

/** The identity domain of hardware that can pass requests through: there is nothing to map. */
export const PASS_THROUGH_DOMAIN: IommuDomain = {
  type: 'identity',
  apertureEnd: 2 ** 52,
  map: () => false,
  unmap: () => {},
  flush: () => {},
}
