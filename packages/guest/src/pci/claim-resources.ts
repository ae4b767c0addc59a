import { PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'
import { assignResources, type HostBridgeWindows } from './assign-resources.ts'
import type { ConfigAccess } from './config-access.ts'
import { busKey } from './enumerate.ts'
import { numberBuses } from './number-buses.ts'
import type { PciFunction } from './pci-function.ts'

const TYPE1 = PCI_HEADER_TYPE1.registers

/**
 * What a kernel for PCs does about the addresses of functions: it takes over what firmware set (Linux's
 * `pcibios_resource_survey`), and sets up itself what firmware left alone.
 *
 * DEVIATION: a root bus below which firmware set only a part is taken over as it is; Linux fills the gaps.
 *
 * @param windows - what a root bus's host bridge passes on, by `busKey`
 * @param scan - finds the functions anew
 */
export function claimResources(
  config: ConfigAccess,
  windows: ReadonlyMap<number, HostBridgeWindows>,
  scan: () => PciFunction[],
  log: (line: string) => void,
): PciFunction[] {
  const found = scan()
  const left = [...windows].filter(([key]) => isUntouched(config, below(found, key)))
  if (left.length === 0) return found
  for (const [key] of left) numberBuses(config, Math.floor(key / 0x100), key % 0x100, lastBusFrom(key, windows), log)
  const numbered = scan()
  for (const [key, passedOn] of left) assignResources(config, below(numbered, key), passedOn, log)
  return scan()
}

/** Buses up to where the next host bridge's begin, or the segment ends. */
function lastBusFrom(key: number, windows: ReadonlyMap<number, unknown>): number {
  const end = key - (key % 0x100) + 0x100
  return (Math.min(end, ...[...windows.keys()].filter((other) => other > key)) - 1) % 0x100
}

const below = (functions: readonly PciFunction[], key: number): PciFunction[] =>
  functions.filter((fn) => {
    let at = fn
    while (at.parent !== null) at = at.parent
    return busKey(at) === key
  })

/** There is something to set up, and it all stands as it came out of reset: no BAR has an address, no bridge a bus. */
function isUntouched(config: ConfigAccess, functions: readonly PciFunction[]): boolean {
  const bridges = functions.filter(({ headerType }) => (headerType & 0x7f) === 1)
  return (
    (bridges.length > 0 || functions.some(({ bars }) => bars.length > 0)) &&
    functions.every(({ bars }) => bars.every(({ base }) => base === 0)) &&
    bridges.every((fn) => config.read(fn, TYPE1.SECONDARY_BUS_NUMBER.offset, 1) === 0)
  )
}
