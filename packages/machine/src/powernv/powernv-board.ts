import type { Board, BoardHardware, BoardSite } from '../board/board.ts'
import { MachineCpuBus } from '../cpu-bus.ts'
import { OpalServices } from './opal.ts'
import { Phb, type PlannedPhb } from './phb.ts'
import { MSI64_HI, MSI64_LAST } from './spec/address-map.ts'
import { XiveSources } from './xive-sources.ts'

export interface PowernvOptions {
  /** Ascending by their index. At least one. */
  readonly phbs: readonly PlannedPhb[]
  /** Called once, as the board is built. */
  readonly built: (phbs: readonly Phb[]) => void
}

/**
 * A POWER9 machine without a hypervisor: PHB4 host bridges. The firmware that stays in memory, OPAL, is called where a
 * partition would call its hypervisor: software gives a call's token and its arguments, and gets what r3 would hold.
 */
export const powernvBoard = (options: PowernvOptions): Board => ({
  architecture: 'ppc64',
  rootBusName: 'pnv-phb4-root.0',
  express: true,
  segments: options.phbs.map(({ place }) => place.index),
  ramRanges: (memoryBytes) => [{ base: 0, size: memoryBytes }],
  functions: [],
  build: (site) => buildPowernv(options, site),
})

function buildPowernv({ phbs: planned, built }: PowernvOptions, site: BoardSite): BoardHardware {
  const { cpuSpace, dmaSpace, roots, queue, iommus } = site
  const places = planned.map(({ place }) => place)
  const first = Math.min(...places.map(({ firstSource }) => firstSource))
  const end = Math.max(...places.map(({ firstLsi }) => firstLsi)) + 8
  const sources = new XiveSources(first, end - first)
  const phbs = planned.map((plan, at) => new Phb(plan, { ram: cpuSpace.ram, root: roots[at]!, sources, queue }))
  for (const space of [cpuSpace, dmaSpace]) {
    for (const phb of phbs) {
      for (const window of phb.windows) space.addWindow(window)
      const { base, size } = phb.place.esb
      space.add({ name: 'XIVE ESB', base, size, kind: 'mmio', handler: phb.esb })
    }
  }
  const opal = new OpalServices({ ram: cpuSpace.ram, phbs, sources })
  const hypercall = (token: number, args: Uint32Array): number => opal.call(token, args)
  built(phbs)
  return {
    bus: new MachineCpuBus(cpuSpace, sources, queue, { hypercall }),
    messages: {
      hi: MSI64_HI,
      first: 0,
      last: MSI64_LAST,
      send(iommu, _requester, addressLo, data) {
        const at = iommu === null ? -1 : iommus().indexOf(iommu)
        phbs[at]?.message(addressLo, data)
        return 'untranslated'
      },
      ring: () => false,
    },
    setPin: (one, asserted) => phbs.find(({ root }) => root.holds(one))?.setPin(one, asserted),
    raiseMsi() {},
    raiseWire() {},
    setWire() {},
    place() {},
    finish() {},
  }
}
