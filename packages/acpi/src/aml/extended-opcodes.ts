import { hex } from '../problem.ts'
import type { Evaluator, Frame } from './evaluator.ts'
import { type AmlValue, NotDecodable } from './objects.ts'
import { EXT_OP } from './opcodes.ts'
import { AmlReader } from './reader.ts'
import { readFieldList } from './region-fields.ts'

/** The term behind `ExtOpPrefix`: mostly definitions of hardware, of which the names are kept. @throws NotDecodable */
export function extendedTerm(
  evaluator: Evaluator,
  reader: AmlReader,
  scope: string,
  frame: Frame | undefined,
): AmlValue {
  const { namespace } = evaluator
  const start = reader.position
  const op = reader.byte()
  const hardware = (what: string): void =>
    namespace.set(namespace.place(reader.name(), scope), { kind: 'hardware', what })
  switch (op) {
    case EXT_OP.DeviceOp:
      evaluator.openScope(reader, scope, 'device', 0)
      return null
    case EXT_OP.ThermalZoneOp:
      evaluator.openScope(reader, scope, 'scope', 0)
      return null
    case EXT_OP.ProcessorOp:
      evaluator.openScope(reader, scope, 'scope', 6)
      return null
    case EXT_OP.PowerResOp:
      evaluator.openScope(reader, scope, 'scope', 3)
      return null
    case EXT_OP.MutexOp:
      hardware('a mutex')
      reader.byte()
      return null
    case EXT_OP.EventOp:
      hardware('an event')
      return null
    case EXT_OP.AcquireOp:
      reader.name()
      reader.number(2)
      return 0n
    case EXT_OP.ReleaseOp:
      reader.name()
      return null
    case EXT_OP.OpRegionOp: {
      const path = namespace.place(reader.name(), scope)
      const space = reader.byte()
      const offset = Number(evaluator.integer(reader, scope, frame))
      evaluator.term(reader, scope, frame)
      namespace.set(path, { kind: 'region', space, offset })
      return null
    }
    case EXT_OP.FieldOp:
    case EXT_OP.IndexFieldOp:
    case EXT_OP.BankFieldOp: {
      const end = reader.packageEnd()
      const inner = new AmlReader(reader.data, reader.position, end)
      reader.position = end
      const name = inner.name()
      const region = op === EXT_OP.FieldOp ? namespace.find(name, scope) : undefined
      if (op !== EXT_OP.FieldOp) inner.name()
      if (op === EXT_OP.BankFieldOp) evaluator.term(inner, scope, frame)
      inner.byte()
      readFieldList(evaluator, inner, scope, region)
      return null
    }
    default:
      throw new NotDecodable(start - 1, `operator 0x5b ${hex(op, 2)} is not decoded`)
  }
}
