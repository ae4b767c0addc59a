import type { TceUnit } from '@dmascope/iommu/tce'
import type { Board, BoardHardware, BoardSite } from '../board/board.ts'
import { isUltracall } from '../confidential/ultracalls.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { HostBridge } from './host-bridge.ts'
import { Hypervisor } from './hypervisor.ts'
import { InterruptSources } from './interrupt-sources.ts'
import { MSI_WINDOW_HI } from './spec/address-map.ts'

const MSI_WINDOW_LAST = 0xfff

/** A host bridge to be: its number, which is its segment's too, and its DMA windows. */
export interface PlannedBridge {
  readonly index: number
  readonly unit: TceUnit
}

export interface PseriesOptions {
  /** In order of creation; the first has index 0. */
  readonly bridges: readonly PlannedBridge[]
  /** The device tree for a guest that has chosen its interrupt controller; null where the machine has it not. */
  treeFor(interrupts: 'xics' | 'xive'): Uint8Array | null
}

/** A pSeries guest of a hypervisor: host bridges with TCE windows, and no hardware but what hypervisor calls reach. */
export const pseriesBoard = ({ bridges, treeFor }: PseriesOptions): Board => ({
  architecture: 'ppc64',
  rootBusName: 'pci.0',
  // The bus is a conventional one, but takes requests for extended configuration space.
  express: true,
  segments: bridges.map(({ index }) => index),
  ramRanges: (memoryBytes) => [{ base: 0, size: memoryBytes }],
  functions: [],
  build: (site) => buildPseries(bridges, treeFor, site),
})

function buildPseries(
  planned: readonly PlannedBridge[],
  treeFor: PseriesOptions['treeFor'],
  { cpuSpace, dmaSpace, roots, queue, processor }: BoardSite,
): BoardHardware {
  const sources = new InterruptSources()
  const bridges = planned.map(({ index, unit }, at) => new HostBridge(index, roots[at]!, unit, sources, queue))
  for (const space of [cpuSpace, dmaSpace]) {
    for (const { windows } of bridges) for (const window of windows) space.addWindow(window)
  }
  const hypervisor = new Hypervisor({ ram: cpuSpace.ram, bridges, sources, treeFor })
  const hypercall = (number: number, args: Uint32Array, out: Uint32Array): number =>
    processor.hypercall !== undefined && isUltracall(number)
      ? processor.hypercall(number, args, out)
      : hypervisor.call(number, args, out)
  return {
    bus: new MachineCpuBus(cpuSpace, sources, queue, { hypercall }),
    messages: {
      hi: MSI_WINDOW_HI,
      first: 0,
      last: MSI_WINDOW_LAST,
      send(_iommu, _requester, _addressLo, data) {
        sources.trigger(data)
        return 'untranslated'
      },
      ring: () => false,
    },
    setPin: (one, asserted) => bridges.find(({ root }) => root.holds(one))?.setPin(one, asserted),
    raiseMsi() {},
    raiseWire() {},
    setWire() {},
    place() {},
    finish() {},
  }
}
