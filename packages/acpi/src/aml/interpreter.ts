import { hex } from '../problem.ts'
import { createField, readBuffer, readPackage } from './data-objects.ts'
import type { Evaluator, Frame } from './evaluator.ts'
import { extendedTerm } from './extended-opcodes.ts'
import { AmlNamespace } from './namespace.ts'
import { type AmlObject, type AmlValue, isReference, NotDecodable, type Postponed } from './objects.ts'
import { OP } from './opcodes.ts'
import { BINARY, COMPARE, elementOf, FIELD_SIZE, local, sizeOf } from './operators.ts'
import { AmlReader } from './reader.ts'
import { type ReadConfig, readRegionField } from './region-fields.ts'

/** Runaway loops and recursion end here; a routing table takes a few thousand steps. */
const STEP_LIMIT = 50_000
const CALL_LIMIT = 16
/** Terms within terms: real tables stay below 40. */
const DEPTH_LIMIT = 256

/**
 * Reads definition blocks into a namespace and evaluates what is in it, without any hardware: names, packages, buffers,
 * arithmetic, conditions, method calls. Anything else makes that one term `NotDecodable`.
 */
export class AmlInterpreter implements Evaluator {
  readonly namespace: AmlNamespace = new AmlNamespace()
  /** Terms of the tables that were passed over, by offset into their table. */
  readonly undecoded: { offset: number; message: string }[] = []
  readonly #mask: bigint
  readonly #readConfig: ReadConfig | undefined
  #data: Uint8Array = new Uint8Array(0)
  #steps = 0
  #calls = 0
  #depth = 0

  /**
   * @param wide - integers have 64 bits, as in tables of revision 2 and later; else 32
   * @param readConfig - gives fields in PCI configuration space their values; other hardware is never touched
   */
  constructor(wide: boolean, readConfig?: ReadConfig) {
    this.#readConfig = readConfig
    this.#mask = wide ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn
  }

  /** Reads the AML of one table. Bytes are kept, not copied; one table for each interpreter. */
  load(data: Uint8Array): void {
    this.#data = data
    this.#steps = 0
    this.#definitions(new AmlReader(data, 0, data.length), '\\')
  }

  /**
   * The value of an object; a method is called with `args`. Undefined where there is no such object.
   *
   * @throws NotDecodable
   */
  evaluate(path: string, args: AmlValue[] = []): AmlValue | undefined {
    this.#steps = 0
    this.#depth = 0
    return this.valueAt(path, args)
  }

  valueAt(path: string, args: AmlValue[] = []): AmlValue | undefined {
    const found = this.namespace.get(path)
    return found === undefined ? undefined : this.#valueOf(path, found, args, 0)
  }

  /** Where the package or buffer that a name stands for is written, while nobody has asked for its value; else null. */
  literalAt(path: string): { readonly data: Uint8Array; readonly start: number; readonly end: number } | null {
    const found = this.namespace.get(path)
    if (found?.kind !== 'name' || found.later === null) return null
    return { data: this.#data, start: found.later.start, end: found.later.end }
  }

  #definitions(reader: AmlReader, scope: string): void {
    const depth = this.#depth
    try {
      this.#terms(reader, scope, undefined)
    } catch (error) {
      if (!(error instanceof NotDecodable)) throw error
      this.#depth = depth
      this.undecoded.push({ offset: error.offset, message: `${scope}: ${error.message}` })
    }
  }

  #terms(reader: AmlReader, scope: string, frame: Frame | undefined): void {
    while (reader.position < reader.end && frame?.returned !== true) this.term(reader, scope, frame)
  }

  /** Any term: a definition, a statement, or an expression, whose value is answered. */
  term(reader: AmlReader, scope: string, frame: Frame | undefined): AmlValue {
    this.spend(1, reader.position)
    if (this.#depth >= DEPTH_LIMIT) throw new NotDecodable(reader.position, 'terms are nested too deep')
    // Whoever catches what a term throws puts the depth back.
    this.#depth++
    const value = this.#anyTerm(reader, scope, frame)
    this.#depth--
    return value
  }

  spend(steps: number, offset: number): void {
    this.#steps += steps
    if (this.#steps > STEP_LIMIT) throw new NotDecodable(offset, 'the AML runs on and on')
  }

  #anyTerm(reader: AmlReader, scope: string, frame: Frame | undefined): AmlValue {
    const start = reader.position
    if (reader.isName()) return this.#named(reader, scope, frame)
    const op = reader.byte()
    // What tables are full of comes first.
    switch (op) {
      case OP.ZeroOp:
        return 0n
      case OP.OneOp:
        return 1n
      case OP.OnesOp:
        return this.#mask
      case OP.BytePrefix:
        return reader.number(1)
      case OP.WordPrefix:
        return reader.number(2)
      case OP.DWordPrefix:
        return reader.number(4)
      case OP.QWordPrefix:
        return reader.number(8) & this.#mask
      case OP.StringPrefix:
        return reader.text()
      case OP.BufferOp:
        return readBuffer(this, reader, scope, frame)
      case OP.PackageOp:
      case OP.VarPackageOp:
        return readPackage(this, reader, scope, frame, op === OP.VarPackageOp)
      case OP.LnotOp:
        return this.integer(reader, scope, frame) === 0n ? this.#mask : 0n
      case OP.NotOp: {
        const value = ~this.integer(reader, scope, frame) & this.#mask
        this.#store(reader, scope, frame, value)
        return value
      }
      case OP.IncrementOp:
      case OP.DecrementOp: {
        const again = reader.position
        const value = (this.integer(reader, scope, frame) + (op === OP.IncrementOp ? 1n : -1n)) & this.#mask
        reader.position = again
        this.#store(reader, scope, frame, value)
        return value
      }
      case OP.StoreOp: {
        const value = this.term(reader, scope, frame)
        this.#store(reader, scope, frame, value)
        return value
      }
      case OP.SizeOfOp:
        return sizeOf(this.term(reader, scope, frame), start)
      case OP.DerefOfOp:
        return this.#dereference(this.term(reader, scope, frame))
      case OP.IndexOp: {
        const value = this.term(reader, scope, frame)
        const element = elementOf(value, Number(this.integer(reader, scope, frame)), start)
        this.#store(reader, scope, frame, element)
        return element
      }
      case OP.NoopOp:
        return null
      case OP.NameOp: {
        const path = this.namespace.place(reader.name(), scope)
        const later = frame === undefined ? this.#postponed(reader, scope) : null
        const value = later === null ? this.term(reader, scope, frame) : null
        this.namespace.set(path, { kind: 'name', value, later })
        return null
      }
      case OP.AliasOp: {
        const target = this.namespace.find(reader.name(), scope) ?? ''
        this.namespace.set(this.namespace.place(reader.name(), scope), { kind: 'alias', target })
        return null
      }
      case OP.ExternalOp:
        reader.name()
        reader.number(2)
        return null
      case OP.ScopeOp:
        this.openScope(reader, scope, 'scope', 0)
        return null
      case OP.MethodOp:
        return this.#method(reader, scope)
      case OP.IfOp:
        return this.#if(reader, scope, frame)
      case OP.WhileOp:
        return this.#while(reader, scope, frame)
      case OP.ReturnOp: {
        if (frame === undefined) throw new NotDecodable(start, 'Return outside a method')
        frame.result = this.term(reader, scope, frame)
        frame.returned = true
        return null
      }
      case OP.ExtOpPrefix:
        return extendedTerm(this, reader, scope, frame)
      default:
        return this.#operator(op, reader, scope, frame)
    }
  }

  /** Locals, arguments, and the operators that come in families. */
  #operator(op: number, reader: AmlReader, scope: string, frame: Frame | undefined): AmlValue {
    const start = reader.position - 1
    if (op >= OP.Local0Op && op <= OP.Local7Op) return local(frame?.locals, op - OP.Local0Op, start)
    if (op >= OP.Arg0Op && op <= OP.Arg6Op) return local(frame?.args, op - OP.Arg0Op, start)
    const binary = BINARY[op]
    if (binary !== undefined) {
      const left = this.integer(reader, scope, frame)
      const value = BigInt.asUintN(64, binary(left, this.integer(reader, scope, frame))) & this.#mask
      this.#store(reader, scope, frame, value)
      return value
    }
    const compare = COMPARE[op]
    if (compare !== undefined) {
      const left = this.integer(reader, scope, frame)
      return compare(left, this.integer(reader, scope, frame)) ? this.#mask : 0n
    }
    const size = FIELD_SIZE[op]
    if (size !== undefined) return createField(this, reader, scope, frame, size)
    throw new NotDecodable(start, `operator ${hex(op, 2)} is not decoded`)
  }

  /**
   * Passes over a package or a buffer that a table names: most are never looked at. Null where the term is another.
   */
  #postponed(reader: AmlReader, scope: string): Postponed | null {
    const start = reader.position
    const op = reader.peek()
    if (op !== OP.PackageOp && op !== OP.VarPackageOp && op !== OP.BufferOp) return null
    reader.byte()
    const end = reader.packageEnd()
    reader.position = end
    return { start, end, scope }
  }

  openScope(reader: AmlReader, scope: string, kind: 'scope' | 'device', skipped: number): void {
    const end = reader.packageEnd()
    const inner = new AmlReader(reader.data, reader.position, end)
    reader.position = end
    const name = inner.name()
    // Scope opens what is there already; a device is new, so it belongs where it is written.
    const path = (kind === 'scope' ? this.namespace.find(name, scope) : undefined) ?? this.namespace.place(name, scope)
    for (let index = 0; index < skipped; index++) inner.byte()
    if (kind === 'device' || this.namespace.get(path) === undefined) this.namespace.set(path, { kind })
    this.#definitions(inner, path)
  }

  #method(reader: AmlReader, scope: string): null {
    const end = reader.packageEnd()
    const inner = new AmlReader(reader.data, reader.position, end)
    reader.position = end
    const path = this.namespace.place(inner.name(), scope)
    const argumentCount = inner.byte() & 7
    this.namespace.set(path, { kind: 'method', start: inner.position, end, argumentCount })
    return null
  }

  #if(reader: AmlReader, scope: string, frame: Frame | undefined): null {
    const end = reader.packageEnd()
    const inner = new AmlReader(reader.data, reader.position, end)
    reader.position = end
    const taken = this.integer(inner, scope, frame) !== 0n
    if (taken) this.#terms(inner, scope, frame)
    if (reader.peek() !== OP.ElseOp) return null
    reader.byte()
    const otherwise = reader.packageEnd()
    if (!taken) this.#terms(new AmlReader(reader.data, reader.position, otherwise), scope, frame)
    reader.position = otherwise
    return null
  }

  #while(reader: AmlReader, scope: string, frame: Frame | undefined): null {
    const end = reader.packageEnd()
    const start = reader.position
    reader.position = end
    while (frame?.returned !== true) {
      const inner = new AmlReader(reader.data, start, end)
      if (this.integer(inner, scope, frame) === 0n) break
      this.#terms(inner, scope, frame)
    }
    return null
  }

  #named(reader: AmlReader, scope: string, frame: Frame | undefined): AmlValue {
    const start = reader.position
    const name = reader.name()
    const path = this.namespace.find(name, scope)
    const found = path === undefined ? undefined : this.namespace.get(path)
    if (path === undefined || found === undefined) throw new NotDecodable(start, `${name} is not defined here`)
    const count = found.kind === 'method' ? found.argumentCount : 0
    const args = Array.from({ length: count }, () => this.term(reader, scope, frame))
    return this.#valueOf(path, found, args, start)
  }

  #valueOf(path: string, found: AmlObject, args: AmlValue[], offset: number): AmlValue {
    switch (found.kind) {
      case 'name':
        if (found.later !== null) {
          const { start, end, scope } = found.later
          found.value = this.term(new AmlReader(this.#data, start, end), scope, undefined)
          found.later = null
        }
        return found.value
      case 'buffer-field':
        return new AmlReader(found.data, found.offset, found.data.length).number(found.size)
      case 'alias':
        if (this.#calls >= CALL_LIMIT) throw new NotDecodable(offset, `${path} is an alias of aliases`)
        this.#calls++
        try {
          return this.valueAt(found.target, args) ?? null
        } finally {
          this.#calls--
        }
      case 'method':
        return this.#call(path, found.start, found.end, args)
      case 'hardware':
        throw new NotDecodable(offset, `${path} is ${found.what}`)
      case 'region':
        throw new NotDecodable(offset, `${path} is an operation region`)
      case 'field':
        return readRegionField(this, this.#readConfig, path, found, offset)
      default:
        return { kind: 'reference', name: path, scope: '\\' }
    }
  }

  #call(path: string, start: number, end: number, args: AmlValue[]): AmlValue {
    if (this.#calls >= CALL_LIMIT) throw new NotDecodable(start, `${path} calls too deep`)
    const frame: Frame = { args, locals: new Array(8).fill(null), result: null, returned: false }
    this.#calls++
    try {
      this.#terms(new AmlReader(this.#data, start, end), path, frame)
    } finally {
      this.#calls--
    }
    return frame.result
  }

  integer(reader: AmlReader, scope: string, frame: Frame | undefined): bigint {
    const start = reader.position
    const value = this.term(reader, scope, frame)
    if (typeof value === 'bigint') return value
    if (value instanceof Uint8Array && value.length > 0 && value.length <= 8) {
      return new AmlReader(value, 0, value.length).number(value.length) & this.#mask
    }
    throw new NotDecodable(start, 'an integer is wanted here')
  }

  #dereference(value: AmlValue): AmlValue {
    if (!isReference(value)) return value
    const path = this.namespace.find(value.name, value.scope)
    return (path === undefined ? undefined : this.valueAt(path)) ?? null
  }

  /** Reads a target and stores into it: a local, an argument, a name, a buffer field, or nowhere. */
  #store(reader: AmlReader, scope: string, frame: Frame | undefined, value: AmlValue): void {
    const start = reader.position
    if (reader.isName()) {
      const name = reader.name()
      const path = this.namespace.find(name, scope)
      const found = path === undefined ? undefined : this.namespace.get(path)
      if (found?.kind === 'name') {
        found.value = value
        found.later = null
      } else if (found?.kind === 'buffer-field' && typeof value === 'bigint') {
        for (let index = 0; index < found.size; index++) {
          found.data[found.offset + index] = Number((value >> BigInt(8 * index)) & 0xffn)
        }
      } else throw new NotDecodable(start, `a store to ${name} is not decoded`)
      return
    }
    const op = reader.byte()
    if (op === OP.ZeroOp) return
    if (frame !== undefined && op >= OP.Local0Op && op <= OP.Local7Op) frame.locals[op - OP.Local0Op] = value
    else if (frame !== undefined && op >= OP.Arg0Op && op <= OP.Arg6Op) frame.args[op - OP.Arg0Op] = value
    else throw new NotDecodable(start, `a store to ${hex(op, 2)} is not decoded`)
  }
}
