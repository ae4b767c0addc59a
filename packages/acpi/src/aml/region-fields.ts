import type { Evaluator } from './evaluator.ts'
import { type AmlObject, childOf, NotDecodable, parentOf } from './objects.ts'
import type { AmlReader } from './reader.ts'

/**
 * Reads a byte of the configuration space of the device around an operation region, on the bus of its host bridge.
 * Undefined where it cannot be read.
 */
export type ReadConfig = (device: number, functionNumber: number, offset: number) => number | undefined

/** RegionSpace of PCI configuration space, ACPI 6.5 §20.2.5.2. */
const PCI_CONFIG = 2

/** FieldList: named spans of bits, ACPI 6.5 §20.2.5.2. */
export function readFieldList(
  { namespace }: Evaluator,
  reader: AmlReader,
  scope: string,
  region: string | undefined,
): void {
  let bit = 0
  while (reader.position < reader.end) {
    const lead = reader.peek()
    if (lead <= 3) reader.position++
    if (lead === 0) bit += reader.packageLength()
    else if (lead === 1) reader.number(2)
    else if (lead === 3) reader.number(3)
    else if (lead === 2) throw new NotDecodable(reader.position, 'a connection in a field list is not decoded')
    else {
      const path = childOf(scope, reader.segment())
      const width = reader.packageLength()
      namespace.set(
        path,
        region === undefined ? { kind: 'hardware', what: 'a hardware field' } : { kind: 'field', region, bit, width },
      )
      bit += width
    }
  }
}

/** The value of a field in PCI configuration space; any other needs hardware that is not at hand. */
export function readRegionField(
  evaluator: Evaluator,
  readConfig: ReadConfig | undefined,
  path: string,
  { region, bit, width }: Extract<AmlObject, { kind: 'field' }>,
  offset: number,
): bigint {
  const found = evaluator.namespace.get(region)
  const address = evaluator.valueAt(childOf(parentOf(region), '_ADR'))
  if (found?.kind === 'region' && found.space === PCI_CONFIG && typeof address === 'bigint' && width <= 32) {
    const first = found.offset + (bit >> 3)
    const last = found.offset + ((bit + width - 1) >> 3)
    let value = 0n
    for (let at = last; at >= first; at--) {
      const byte = readConfig?.(Number((address >> 16n) & 0x1fn), Number(address & 7n), at)
      if (byte === undefined) throw new NotDecodable(offset, `${path} is in configuration space`)
      value = (value << 8n) | BigInt(byte & 0xff)
    }
    return BigInt.asUintN(width, value >> BigInt(bit & 7))
  }
  throw new NotDecodable(offset, `${path} is a hardware field`)
}
