import { DmascopeError } from '@dmascope/layout'
import type { InboundBusDescription, MachineDescription } from '../description.ts'
import { composeWindows, type InboundWindow, InboundWindows, overlapOf } from '../inbound/inbound-windows.ts'
import { type HighMemory, VIRT } from './memory-map.ts'
import type { VirtFacts } from './virt-facts.ts'

/** What the host bridge takes at its own address, before its windows: peers' BARs, and doorbells. */
interface Claimed extends InboundWindow {
  readonly what: string
}

/**
 * The windows of a machine file on the host bridge, and on the buses that it is on, as one.
 *
 * The bridge takes messages to the GIC's doorbell at the doorbell's own address whatever its windows are, as iProc's
 * does: Linux writes that address into devices as it is.
 *
 * @returns null where there are none
 * @throws DmascopeError MACHINE_INBOUND, MACHINE_NOT_MODELLED
 */
export function planInbound(
  { inbound = [] }: MachineDescription,
  { msi, firmware, high, iommu }: Pick<VirtFacts, 'msi' | 'iommu'> & { firmware: boolean; high: HighMemory },
): InboundWindows | null {
  const [bridge, ...above] = inbound
  if (bridge === undefined) return null
  if (firmware || iommu.kind !== 'none') {
    const besides = firmware ? 'firmware, whose tables would have to tell of them,' : 'an IOMMU'
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `${bridge.location.text}: a host bridge with windows is not modelled beside ${besides}; leave one of the two out`,
    )
  }
  const claimed = claimedBy(msi, high)
  refuseOverlap(bridge, claimed)
  const through = above.reduce((windows, next) => composeWindows(windows, next.windows), [...bridge.windows])
  return new InboundWindows([...through, ...claimed])
}

function claimedBy(msi: VirtFacts['msi'], { mmio }: HighMemory): Claimed[] {
  const doorbells = { its: VIRT.gicIts, gicv2m: VIRT.gicV2m, none: null }[msi]
  return [
    { what: 'devices’ own registers', ...VIRT.pcieMmio },
    ...(mmio === null ? [] : [{ what: 'devices’ own registers', ...mmio }]),
    ...(doorbells === null ? [] : [{ what: 'the doorbell of messages', ...doorbells }]),
  ].map(({ what, base, size }) => ({ what, bus: base, memory: base, size }))
}

function refuseOverlap({ windows, location }: InboundBusDescription, claimed: readonly Claimed[]): void {
  for (const one of claimed) {
    const window = windows.find((each) => overlapOf([each, one]) !== null)
    if (window === undefined) continue
    const [at, first, last] = [window.bus, one.bus, one.bus + one.size - 1].map((value) => `0x${value.toString(16)}`)
    throw new DmascopeError(
      'MACHINE_INBOUND',
      `${location.text}: the window at bus address ${at} overlaps ${first} to ${last}, which is kept for ${one.what}; move it`,
      { bus: window.bus, size: window.size },
    )
  }
}
