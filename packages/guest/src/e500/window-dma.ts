import { type BusView, WindowView } from '@dmascope/dma'
import type { DmaPlatform } from '../dma/dma-platform.ts'
import type { InboundSetup } from './atmu.ts'

const hex = (value: number): string => `0x${value.toString(16)}`

/**
 * Direct DMA through a Freescale controller’s windows: devices reach what is below the end of the first at its own
 * address; those that drive enough address lines, where there is a window for them, all of memory at a distance
 * (`fsl_pci_dma_set_mask`).
 */
export function fslWindowDma({ windowSize, offset64, memoryEnd }: InboundSetup, path: string): DmaPlatform {
  const low: BusView = new WindowView([{ cpu: 0, bus: 0, length: windowSize }])
  const high: BusView | null = offset64 === null ? null : new WindowView([{ cpu: 0, bus: offset64, length: offset64 }])
  const source = `inbound windows of ${path}`
  const limited = windowSize < memoryEnd
  return {
    partsOf: (_device, maskBits = 0) => {
      if (high !== null && 2 ** maskBits >= offset64! * 2) return { view: high }
      return limited ? { view: low } : {}
    },
    why: () => [
      {
        fact: limited
          ? `its bus sees memory below ${hex(windowSize)}${offset64 === null ? '' : `, and all of it from ${hex(offset64)} on`}`
          : 'its bus sees all of memory',
        source,
      },
    ],
    windowsBy: () => source,
  }
}
