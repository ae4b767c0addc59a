import type { DefinitionBlock } from '../definition-block.ts'
import { toHex } from '../hex.ts'
import { closeTable, type SdtHeader, sdtHeader } from '../sdt-header.ts'
import { type Aml, device, eisaId, integer, join, method, name, nameString, pkg } from './encode.ts'
import { busNumbers, interrupts, memoryWindow, portWindow, type ResourceRange, resourceTemplate } from './resources.ts'

/** Where a device's interrupt pin leads: to a global system interrupt, or to an interrupt link device. */
export type PciRouteDescription = { readonly device: number; readonly pin: 0 | 1 | 2 | 3 } & (
  | { readonly gsi: number }
  | { readonly link: string }
)

/** A PCI host bridge, as software finds it in the namespace. */
export interface HostBridgeDescription {
  /** Four characters, e.g. `PCI0`. */
  readonly name: string
  readonly uid: number
  readonly segment: number
  /** The root bus, and the last bus below it. */
  readonly bus: number
  readonly lastBus: number
  /** PCI Express: _HID is PNP0A08 and _CID PNP0A03. */
  readonly express: boolean
  readonly ports: readonly ResourceRange[]
  readonly memory: readonly ResourceRange[]
  /** Its `_PRT`: routes, or what `routingTable` has made of them. */
  readonly routing: readonly PciRouteDescription[] | Aml
  /** Further terms, e.g. devices below the bridge. */
  readonly terms?: readonly Aml[]
}

/** `_PRT`: address with all functions, pin, link or zero, index or GSI: ACPI 6.5 §6.2.13. */
export function routingTable(routing: readonly PciRouteDescription[]): Aml {
  return pkg(
    ...routing.map((route) => {
      const address = integer(route.device * 0x1_0000 + 0xffff)
      return 'link' in route
        ? pkg(address, integer(route.pin), nameString(route.link), integer(0))
        : pkg(address, integer(route.pin), integer(0), integer(route.gsi))
    }),
  )
}

const PCI_IDS = name('_HID', eisaId('PNP0A03'))
const PCI_EXPRESS_IDS = join(name('_HID', eisaId('PNP0A08')), name('_CID', eisaId('PNP0A03')))

/** A host bridge's device, for the scope `\_SB`. */
export function hostBridge(bridge: HostBridgeDescription): Aml {
  return device(
    bridge.name,
    bridge.express ? PCI_EXPRESS_IDS : PCI_IDS,
    name('_UID', integer(bridge.uid)),
    name('_SEG', integer(bridge.segment)),
    name('_BBN', integer(bridge.bus)),
    name(
      '_CRS',
      resourceTemplate(
        busNumbers({ first: bridge.bus, last: bridge.lastBus }),
        ...bridge.ports.map(portWindow),
        ...bridge.memory.map(memoryWindow),
      ),
    ),
    name('_PRT', bridge.routing instanceof Uint8Array ? bridge.routing : routingTable(bridge.routing)),
    ...(bridge.terms ?? []),
  )
}

/** An interrupt link device that is wired to one global system interrupt. */
export const interruptLink = (linkName: string, uid: number, gsi: number): Aml =>
  device(
    linkName,
    name('_HID', eisaId('PNP0C0F')),
    name('_UID', integer(uid)),
    name('_PRS', resourceTemplate(interrupts([gsi]))),
    name('_CRS', resourceTemplate(interrupts([gsi]))),
    method('_SRS', 1),
    method('_DIS', 0),
  )

/** The bytes of a DSDT or SSDT of these terms. */
export const buildTerms = (
  signature: DefinitionBlock['signature'],
  terms: readonly Aml[],
  header: SdtHeader,
): Uint8Array => closeTable(signature, { header }, join(...terms))

/** A DSDT or SSDT of these terms. Its revision makes integers 64 bits wide from 2 on. */
export const definitionBlock = (
  signature: DefinitionBlock['signature'],
  terms: readonly Aml[],
  header: SdtHeader = sdtHeader(2),
): DefinitionBlock => ({ signature, header, aml: toHex(join(...terms)) })
