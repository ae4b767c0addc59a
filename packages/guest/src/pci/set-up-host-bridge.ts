import { type AcsParameters, enumerateByParameters } from './acs-parameters.ts'
import { assignResources, type HostBridgeWindows } from './assign-resources.ts'
import type { ConfigAccess, EcamWindow } from './config-access.ts'
import { numberBuses } from './number-buses.ts'
import type { PciFunction } from './pci-function.ts'

/** A host bridge below which nobody else has set anything up. */
interface HostBridge {
  readonly name: string
  readonly ecam: EcamWindow
  readonly rootBus: number
  readonly windows: HostBridgeWindows
  /** The kernel numbers buses itself, whatever firmware did. */
  readonly renumber: boolean
}

/** Numbers buses where it must, and gives everything below a host bridge its addresses. */
export function setUpHostBridge(
  config: ConfigAccess,
  { ecam, rootBus, windows, renumber, name }: HostBridge,
  enableAcs: boolean,
  acs: AcsParameters | null,
  log: (line: string) => void,
): PciFunction[] {
  log(
    `PCI: host bridge ${name} to bus ${ecam.segment.toString(16).padStart(4, '0')}:${rootBus.toString(16).padStart(2, '0')}`,
  )
  if (renumber) numberBuses(config, ecam.segment, rootBus, ecam.endBus, log)
  const buses = [{ segment: ecam.segment, bus: rootBus }]
  const scan = (): PciFunction[] => enumerateByParameters(config, buses, enableAcs, acs, log)
  assignResources(config, scan(), windows, log)
  return scan()
}
