import { type BusView, type BusWindow, WindowView } from '@dmascope/dma'
import { platformOwner } from '@dmascope/memory/contracts'
import type { EcamHostBridge } from '../pci/ecam-host-bridge.ts'
import type { PlatformDevice } from '../platform/platform-device.ts'
import type { Fact } from '../result.ts'
import type { DmaPlatform } from './dma-platform.ts'
import type { InboundWindows } from './inbound-windows.ts'

const SEGMENT = /^([0-9a-f]{4}):/

/** Direct DMA of devices whose buses see memory elsewhere (Linux's `dma_range_map`), by what firmware says of the buses. */
export function windowDma({
  hostBridges,
  devices,
}: {
  readonly hostBridges: readonly EcamHostBridge[]
  readonly devices: readonly PlatformDevice[]
}): DmaPlatform {
  const segments = new Map<number, Placed>()
  for (const { ecam, inbound } of hostBridges) if (inbound) segments.set(ecam.segment, placed(inbound))
  const others = new Map<string, Placed>()
  for (const { base, inbound } of devices) if (inbound) others.set(platformOwner(base), placed(inbound))
  const placeOf = (id: string): Placed | undefined => {
    const segment = SEGMENT.exec(id)
    return segment === null ? others.get(id) : segments.get(Number.parseInt(segment[1]!, 16))
  }
  return {
    partsOf({ id }) {
      const found = placeOf(id)
      return found === undefined ? {} : { view: found.view }
    },
    why({ id }) {
      const found = placeOf(id)
      return found === undefined ? [] : [found.fact]
    },
    windowsBy: ({ id }) => placeOf(id)?.fact.source ?? null,
  }
}

interface Placed {
  readonly view: BusView
  readonly fact: Fact
}

const placed = ({ windows, by }: InboundWindows): Placed => ({
  view: new WindowView(windows),
  fact: { fact: `its bus sees ${windows.map(windowText).join(', and ')}`, source: by },
})

const windowText = ({ cpu, bus, length }: BusWindow): string =>
  `memory at 0x${cpu.toString(16)} to 0x${(cpu + length - 1).toString(16)} from 0x${bus.toString(16)} on`
