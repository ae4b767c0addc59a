import type { AmlNamespace } from './namespace.ts'
import type { AmlValue } from './objects.ts'
import type { AmlReader } from './reader.ts'

/** A method's call: its arguments and locals, or undefined at the level of the table. */
export interface Frame {
  readonly args: AmlValue[]
  readonly locals: AmlValue[]
  result: AmlValue
  returned: boolean
}

/** What the parts of the interpreter need of it. Each reads on from the reader's position. */
export interface Evaluator {
  readonly namespace: AmlNamespace
  /** Any term; answers its value. @throws NotDecodable */
  term(reader: AmlReader, scope: string, frame: Frame | undefined): AmlValue
  /** A term whose value is an integer. @throws NotDecodable */
  integer(reader: AmlReader, scope: string, frame: Frame | undefined): bigint
  /** Opens a scope, a device and the like, and reads what is in it; `skipped` bytes stand behind its name. */
  openScope(reader: AmlReader, scope: string, kind: 'scope' | 'device', skipped: number): void
  /** The value of an object; undefined where there is none. @throws NotDecodable */
  valueAt(path: string): AmlValue | undefined
  /** Counts work against the limit. @throws NotDecodable beyond it */
  spend(steps: number, offset: number): void
}
