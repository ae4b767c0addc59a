import { buildDefinitionBlock, type DefinitionBlock, readAml } from '../definition-block.ts'
import { externalPortsBelow, type RootFunction, withProperties } from './external-ports.ts'
import { AmlInterpreter } from './interpreter.ts'
import { type AmlValue, childOf, isPackage, isReference, NotDecodable } from './objects.ts'
import type { PciRoute } from './pci-route.ts'
import { plainRoutes } from './plain-routing.ts'
import type { ReadConfig } from './region-fields.ts'
import { type Resources, readResources } from './resources.ts'

/** A host bridge of the namespace. */
export interface HostBridge {
  /** Absolute, segments padded to four characters: `\_SB_.PCI0`. */
  path: string
  /** _SEG and _BBN, zero where there are none or they cannot be evaluated without hardware. */
  segment: number
  bus: number
  uid: number | null
  express: boolean
  /** _CBA: where the bridge's configuration space is, as if from bus 0 on; null where it is absent. */
  configBase: number | null
  /** _CRS, null where it is absent or not decodable. */
  resources: Resources | null
  /** _PRT for the I/O APIC, as after `_PIC(1)`; null where it is absent or not decodable. */
  routing: PciRoute[] | null
  /** Functions of the root bus that are ports for devices from outside (`ExternalFacingPort`). */
  externalPorts: RootFunction[]
  /** Why `routing` or `resources` is null, and what else was not understood. */
  notes: string[]
}

const PNP0A03 = 0x030ad041n
const PNP0A08 = 0x080ad041n

/**
 * Finds the PCI host bridges of a definition block, their resources and interrupt routing. It evaluates AML that needs
 * no hardware, such as what QEMU and this package make; a bridge whose methods need more says so in `notes`.
 *
 * @param block - a DSDT or SSDT, as bytes or parsed
 * @param readConfig - where interrupt links are set by a bridge's registers, as QEMU's for PIC mode are, they are read
 *   through this; without it such routes have no `gsi`
 * @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE`
 */
export function findHostBridges(block: Uint8Array | DefinitionBlock, readConfig?: ReadConfig): HostBridge[] {
  const { wide, aml } = readAml(block instanceof Uint8Array ? block : buildDefinitionBlock(block))
  const interpreter = new AmlInterpreter(wide, readConfig)
  interpreter.load(aml)
  attempt(() => interpreter.evaluate('\\_PIC', [1n]))
  const bridges: HostBridge[] = []
  const entries = [...interpreter.namespace.entries()]
  const described = withProperties(entries.map(([path]) => path))
  for (const [path, object] of entries) {
    if (object.kind !== 'device') continue
    const ids = [...idsOf(interpreter, path, '_HID'), ...idsOf(interpreter, path, '_CID')]
    if (ids.includes(PNP0A03) || ids.includes(PNP0A08))
      bridges.push(describe(interpreter, path, ids.includes(PNP0A08), described))
  }
  return bridges
}

/** The routing of every host bridge in one list, each entry with its bridge's segment and bus. */
export function findPciRouting(
  block: Uint8Array | DefinitionBlock,
  readConfig?: ReadConfig,
): (PciRoute & { segment: number; bus: number })[] {
  return findHostBridges(block, readConfig).flatMap(({ segment, bus, routing }) =>
    (routing ?? []).map((route) => ({ segment, bus, ...route })),
  )
}

type Attempt<Value> = { readonly value: Value } | { readonly reason: string }

function attempt<Value>(evaluate: () => Value): Attempt<Value> {
  try {
    return { value: evaluate() }
  } catch (error) {
    if (!(error instanceof NotDecodable)) throw error
    return { reason: error.message }
  }
}

function idsOf(interpreter: AmlInterpreter, path: string, name: string): bigint[] {
  const found = attempt(() => interpreter.evaluate(childOf(path, name)))
  if (!('value' in found) || found.value === undefined) return []
  const ids: bigint[] = []
  for (const value of isPackage(found.value) ? found.value.elements : [found.value]) {
    if (typeof value === 'bigint') ids.push(value)
    else if (value === 'PNP0A03') ids.push(PNP0A03)
    else if (value === 'PNP0A08') ids.push(PNP0A08)
  }
  return ids
}

function numberOf(interpreter: AmlInterpreter, path: string, name: string, notes: string[]): number | null {
  const found = attempt(() => interpreter.evaluate(childOf(path, name)))
  if ('reason' in found) notes.push(`${name}: ${found.reason}`)
  else if (typeof found.value === 'bigint') return Number(found.value)
  return null
}

function describe(
  interpreter: AmlInterpreter,
  path: string,
  express: boolean,
  described: readonly string[],
): HostBridge {
  const notes = interpreter.undecoded.map(({ message }) => message).filter((message) => message.startsWith(`${path}:`))
  return {
    path,
    segment: numberOf(interpreter, path, '_SEG', notes) ?? 0,
    bus: numberOf(interpreter, path, '_BBN', notes) ?? 0,
    uid: numberOf(interpreter, path, '_UID', notes),
    express,
    configBase: numberOf(interpreter, path, '_CBA', notes),
    resources: resourcesOf(interpreter, path, '_CRS', notes),
    routing: routingOf(interpreter, path, notes),
    externalPorts: externalPortsBelow(interpreter, path, described),
    notes,
  }
}

function resourcesOf(interpreter: AmlInterpreter, path: string, name: string, notes: string[]): Resources | null {
  const found = attempt(() => interpreter.evaluate(childOf(path, name)))
  if ('reason' in found) notes.push(`${name}: ${found.reason}`)
  else if (found.value instanceof Uint8Array) return readResources(found.value)
  return null
}

function routingOf(interpreter: AmlInterpreter, path: string, notes: string[]): PciRoute[] | null {
  const literal = interpreter.literalAt(childOf(path, '_PRT'))
  const plain = literal === null ? null : plainRoutes(literal.data, literal.start, literal.end)
  return plain ?? evaluatedRouting(interpreter, path, notes)
}

function evaluatedRouting(interpreter: AmlInterpreter, path: string, notes: string[]): PciRoute[] | null {
  const found = attempt(() => interpreter.evaluate(childOf(path, '_PRT')))
  if ('reason' in found) notes.push(`_PRT: ${found.reason}`)
  if ('reason' in found || found.value === undefined) return null
  if (found.value === null || !isPackage(found.value)) {
    notes.push('_PRT: it is no package')
    return null
  }
  const links = new Map<string, Link>()
  const routes: PciRoute[] = []
  for (const element of found.value.elements) {
    const route = routeOf(interpreter, path, element, links)
    if (route === null) notes.push('_PRT: an entry is no package of four')
    else routes.push(route)
  }
  return routes
}

/** What is known of an interrupt link device. */
interface Link {
  /** Where it was named: the same name may mean another elsewhere. */
  readonly scope: string
  readonly path: string
  readonly gsi: number | null
  /** Null where it tells what it is set to. */
  readonly possible: number[] | null
}

function routeOf(
  interpreter: AmlInterpreter,
  path: string,
  element: AmlValue,
  links: Map<string, Link>,
): PciRoute | null {
  if (!isPackage(element)) return null
  const { elements } = element
  const address = elements[0]
  const pinIndex = elements[1]
  const source = elements[2]
  if (typeof address !== 'bigint' || typeof pinIndex !== 'bigint') return null
  const device = Number(BigInt.asUintN(32, address)) >>> 16
  const pin = Number(pinIndex)
  if (source === 0n) {
    const gsi = elements[3]
    return typeof gsi === 'bigint' ? { device, pin, gsi: Number(gsi) } : null
  }
  if (source === undefined || source === null || typeof source === 'bigint') return null
  const name = isReference(source) ? source.name : typeof source === 'string' ? source : null
  if (name === null) return null
  const scope = isReference(source) ? source.scope : path
  let link = links.get(name)
  if (link === undefined || link.scope !== scope) {
    link = linkOf(interpreter, interpreter.namespace.find(name, scope) ?? name, scope)
    links.set(name, link)
  }
  const { gsi, possible } = link
  return possible === null ? { device, pin, gsi, link: link.path } : { device, pin, gsi, link: link.path, possible }
}

function linkOf(interpreter: AmlInterpreter, path: string, scope: string): Link {
  const current = resourcesOf(interpreter, path, '_CRS', [])?.interrupts ?? []
  // Interrupt 0 is the timer's: it stands for a link that is not set.
  if (current.length === 1 && current[0] !== 0) return { scope, path, gsi: current[0]!, possible: null }
  const possible = resourcesOf(interpreter, path, '_PRS', [])?.interrupts ?? []
  return { scope, path, gsi: null, possible }
}
