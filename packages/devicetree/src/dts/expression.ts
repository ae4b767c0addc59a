import { type NumberWords, readCharacter, readNumber, startsNumber } from './literal.ts'
import type { Scanner } from './scanner.ts'

// Expressions are rare and short, and unsigned in 64 bits as dtc has them: the one place for BigInt here.
const wrap = (value: bigint): bigint => BigInt.asUintN(64, value)
const truth = (value: boolean): bigint => (value ? 1n : 0n)

/** C's binary operators, weakest first; the longer of two that begin alike stands before the other. */
const LEVELS: readonly (readonly [operator: string, apply: (a: bigint, b: bigint) => bigint | null])[][] = [
  [['||', (a, b) => truth(a !== 0n || b !== 0n)]],
  [['&&', (a, b) => truth(a !== 0n && b !== 0n)]],
  [['|', (a, b) => a | b]],
  [['^', (a, b) => a ^ b]],
  [['&', (a, b) => a & b]],
  [
    ['==', (a, b) => truth(a === b)],
    ['!=', (a, b) => truth(a !== b)],
  ],
  [
    ['<=', (a, b) => truth(a <= b)],
    ['>=', (a, b) => truth(a >= b)],
    ['<', (a, b) => truth(a < b)],
    ['>', (a, b) => truth(a > b)],
  ],
  [
    ['<<', (a, b) => (b < 64n ? wrap(a << b) : 0n)],
    ['>>', (a, b) => (b < 64n ? a >> b : 0n)],
  ],
  [
    ['+', (a, b) => wrap(a + b)],
    ['-', (a, b) => wrap(a - b)],
  ],
  [
    ['*', (a, b) => wrap(a * b)],
    ['/', (a, b) => (b === 0n ? null : a / b)],
    ['%', (a, b) => (b === 0n ? null : a % b)],
  ],
]

const MAX_DEPTH = 128
const OPEN = 0x28
const CLOSE = 0x29
const QUESTION = 0x3f

/** `( ... )`, the scanner standing at the first parenthesis. @throws DmascopeError `DTS_SYNTAX`, `DTS_NUMBER`, `DTS_DEPTH` */
export function readExpression(scanner: Scanner, out: NumberWords): void {
  const value = primary(scanner, 0)
  out.lo = Number(value & 0xffff_ffffn)
  out.hi = Number(value >> 32n)
}

function conditional(scanner: Scanner, depth: number): bigint {
  const condition = binary(scanner, 0, depth)
  if (!scanner.accept(QUESTION)) return condition
  const whenTrue = conditional(scanner, deeper(scanner, depth))
  scanner.expect(':')
  const whenFalse = conditional(scanner, deeper(scanner, depth))
  return condition !== 0n ? whenTrue : whenFalse
}

function binary(scanner: Scanner, level: number, depth: number): bigint {
  const operators = LEVELS[level]
  if (operators === undefined) return unary(scanner, depth)
  let left = binary(scanner, level + 1, depth)
  for (;;) {
    const found = operators.find(([operator]) => isOperator(scanner, operator))
    if (found === undefined) return left
    const mark = scanner.mark()
    scanner.at += found[0].length
    const result = found[1](left, binary(scanner, level + 1, depth))
    if (result === null) throw scanner.error('DTS_NUMBER', 'division by zero', mark)
    left = result
  }
}

/** Whether this operator stands here, and not a longer one that begins like it. */
function isOperator(scanner: Scanner, operator: string): boolean {
  scanner.peek()
  const { text, at } = scanner
  if (!text.startsWith(operator, at)) return false
  if (operator.length === 2) return true
  const next = text[at + 1]
  return !((next === operator && '&|<>'.includes(operator)) || (next === '=' && '<>'.includes(operator)))
}

function unary(scanner: Scanner, depth: number): bigint {
  switch (scanner.peek()) {
    case 0x2d:
      scanner.at++
      return wrap(-unary(scanner, deeper(scanner, depth)))
    case 0x7e:
      scanner.at++
      return wrap(~unary(scanner, deeper(scanner, depth)))
    case 0x21:
      scanner.at++
      return truth(unary(scanner, deeper(scanner, depth)) === 0n)
    default:
      return primary(scanner, depth)
  }
}

function primary(scanner: Scanner, depth: number): bigint {
  const code = scanner.peek()
  if (code === OPEN) {
    scanner.at++
    const value = conditional(scanner, deeper(scanner, depth))
    if (!scanner.accept(CLOSE)) throw scanner.unexpected("an operator or ')'")
    return value
  }
  if (code === 0x27) return BigInt(readCharacter(scanner))
  if (!startsNumber(code)) throw scanner.unexpected('a number')
  const words = { lo: 0, hi: 0 }
  readNumber(scanner, words)
  return (BigInt(words.hi) << 32n) | BigInt(words.lo)
}

function deeper(scanner: Scanner, depth: number): number {
  if (depth >= MAX_DEPTH) throw scanner.error('DTS_DEPTH', `more than ${MAX_DEPTH} operators within one another`)
  return depth + 1
}
