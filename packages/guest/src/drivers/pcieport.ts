import { PCIE_DOWNSTREAM_PORT, PCIE_ROOT_PORT, PCIE_UPSTREAM_PORT } from '@dmascope/pci/spec'
import type { DeviceRecord } from '../device-record.ts'
import { connectInterrupt } from '../interrupts/device-interrupt.ts'
import type { Kernel } from '../kernel.ts'
import { enableDevice, setMaster } from '../pci/pci-function.ts'
import { type BoundDriver, notAttempted } from './driver.ts'

/** What the driver of ports is for, though its match table names every PCI bridge. */
export const isExpressPort = ({ fn: { pcieType } }: DeviceRecord): boolean =>
  pcieType === PCIE_ROOT_PORT || pcieType === PCIE_UPSTREAM_PORT || pcieType === PCIE_DOWNSTREAM_PORT

/**
 * The driver of PCI Express ports. It serves power management and error events, of which none come here; what matters to
 * DMA is that the port forwards it.
 */
export function probePort(kernel: Kernel, record: DeviceRecord): BoundDriver {
  const { fn } = record
  const { pcieType } = fn
  enableDevice(kernel.config, fn)
  setMaster(kernel.config, fn)
  // Services have events to report on root ports alone.
  const refusal = pcieType === PCIE_ROOT_PORT ? connectInterrupt(kernel, record, () => false) : null
  if (refusal !== null) record.why(refusal, 'pcie_portdrv')
  return { ioKind: 'none', selfTest: () => notAttempted('a port does no I/O of its own') }
}
