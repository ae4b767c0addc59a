import { type Aml, device, integer, name, pkg, text, uuid } from './encode.ts'
import type { AmlInterpreter } from './interpreter.ts'
import { type AmlValue, childOf, isPackage, NotDecodable, parentOf } from './objects.ts'

/** A function on a root bus. */
export interface RootFunction {
  readonly device: number
  readonly function: number
}

/** `_DSD` sections that hold properties: those of any device, and those of ports for devices from outside. */
const PROPERTIES = 'daffd814-6eba-4d8c-8a91-bc9bbf4aa301'
const EXTERNAL_FACING = 'efcc06cc-73ac-4bc3-bff0-76143807c389'
const EXTERNAL_PORT = 'ExternalFacingPort'
const DSD = '._DSD'

/**
 * The device of a root port whose devices come from outside, by a cable, and are not to be trusted: firmware tells of it
 * by `ExternalFacingPort` in its `_DSD`. For the scope of its host bridge.
 */
export const externalFacingPort = ({ device: slot, function: fn }: RootFunction, uid: number): Aml =>
  device(
    `S${((slot << 3) | fn).toString(16).toUpperCase().padStart(2, '0')}`.padEnd(4, '_'),
    name('_ADR', integer(slot * 0x1_0000 + fn)),
    name('_DSD', pkg(uuid(EXTERNAL_FACING), pkg(pkg(text(EXTERNAL_PORT), integer(1)), pkg(text('UID'), integer(uid))))),
  )

const sameBytes = (a: AmlValue | undefined, b: Uint8Array): boolean =>
  a instanceof Uint8Array && a.length === b.length && a.every((one, index) => one === b[index])

/** Of a UUID's buffer, the bytes. */
const bytesOf = (id: string): Uint8Array => uuid(id).slice(-16)

/** Whether a `_DSD` says so, as Linux's `pci_acpi_set_external_facing` reads it. */
function saysExternal(value: AmlValue | undefined): boolean {
  if (value === undefined || value === null || !isPackage(value)) return false
  const sections = [PROPERTIES, EXTERNAL_FACING].map(bytesOf)
  for (let at = 0; at + 1 < value.elements.length; at += 2) {
    const id = value.elements[at]
    const properties = value.elements[at + 1]
    if (!sections.some((one) => sameBytes(id, one)) || properties === undefined || properties === null) continue
    if (!isPackage(properties)) continue
    for (const property of properties.elements) {
      if (property === null || !isPackage(property) || property.elements[0] !== EXTERNAL_PORT) continue
      const said = property.elements[1]
      return typeof said === 'bigint' && said > 0n && said <= 0xffn
    }
  }
  return false
}

function attempt(interpreter: AmlInterpreter, path: string): AmlValue | undefined {
  try {
    return interpreter.evaluate(path)
  } catch (error) {
    if (error instanceof NotDecodable) return undefined
    throw error
  }
}

/** Children of a host bridge that firmware calls external-facing, in the order of the namespace. */
export function externalPortsBelow(
  interpreter: AmlInterpreter,
  bridge: string,
  described: readonly string[],
): RootFunction[] {
  return described.flatMap((path) => {
    if (parentOf(path) !== bridge || !saysExternal(attempt(interpreter, childOf(path, '_DSD')))) return []
    const address = attempt(interpreter, childOf(path, '_ADR'))
    if (typeof address !== 'bigint' || address < 0n || address > 0x1f_ffffn || (address & 0xffffn) > 7n) return []
    return [{ device: Number(address >> 16n), function: Number(address & 0xffffn) }]
  })
}

/** Devices that have a `_DSD`, of all paths of a namespace. */
export const withProperties = (paths: readonly string[]): string[] =>
  paths.filter((path) => path.endsWith(DSD)).map((path) => path.slice(0, -DSD.length))
