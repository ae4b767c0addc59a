import { type DmaOps, IommuDma, type IommuDomain } from '@dmascope/dma'
import { directDma, PLAIN_DMA } from '../dma/dma-platform.ts'
import type { GroupDomain } from './attached-domain.ts'
import type { NamedDevice } from './contract.ts'
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
  return space
    ? new IommuDma({ owner, maskBits, space, pages, witness, prefer32Bit: !options.forceDac })
    : directDma({ ...context, dma: context.dma ?? PLAIN_DMA }, device, maskBits)
}

/** The identity domain of hardware that can pass requests through: there is nothing to map. */
export const PASS_THROUGH_DOMAIN: IommuDomain = {
  type: 'identity',
  apertureEnd: 2 ** 52,
  map: () => false,
  unmap: () => {},
  flush: () => {},
}
