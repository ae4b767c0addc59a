import type { DmascopeError } from '@dmascope/layout'
import { type DtsErrorCode, dtsError, type TextPosition } from '../problem.ts'

/** Reads a file that a text includes: its text, or null where there is none of that name. */
export type IncludeText = (name: string, from: string) => string | null

const MAX_INCLUDE_DEPTH = 64
/** A file that includes itself twice would else double at each depth. */
const MAX_INCLUDES = 4096
const NAME_SLOTS = 512

/** Where something stands: kept as numbers until someone needs line and column. */
export interface Mark {
  readonly source: SourceText
  readonly offset: number
}

interface SourceText {
  readonly name: string
  readonly text: string
}

const LINE_MARKER = /#(?:line)?[ \t]+\d/y

// Character classes of the grammar, by code.
const SPACE = 1
const NAME = 2
const LABEL = 4
const DIGIT = 8
const classes = new Uint8Array(128)
for (const code of [9, 10, 11, 12, 13, 32]) classes[code] = SPACE
const classify = (characters: string, flag: number): void => {
  for (const one of characters) classes[one.charCodeAt(0)]! |= flag
}
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
classify(`${letters}0123456789,._+*#?@-`, NAME)
classify(`${letters}0123456789_`, LABEL)
classify('0123456789', DIGIT)

const classOf = (code: number): number => (code < 128 ? classes[code]! : 0)
export const isNameCode = (code: number): boolean => (classOf(code) & NAME) !== 0
export const isLabelCode = (code: number): boolean => (classOf(code) & LABEL) !== 0
export const isDigitCode = (code: number): boolean => (classOf(code) & DIGIT) !== 0

/** Walks through a text and what it includes, a character at a time; knows spaces, comments, names and labels. */
export class Scanner {
  text: string
  /** Of the next character in `text`. */
  at = 0
  #source: SourceText
  #nameSource: SourceText
  #nameAt = 0
  /** Where a label was looked for last and not found, and where it would have ended: a name goes on from there. */
  #wordAt = -1
  #wordEnd = 0
  readonly #outer: Mark[] = []
  readonly #include: IncludeText | undefined
  #included = 0
  readonly #names: string[] = new Array(NAME_SLOTS).fill('')

  constructor(text: string, name: string, include?: IncludeText) {
    this.text = text
    this.#source = { name, text }
    this.#nameSource = this.#source
    this.#include = include
  }

  mark(offset = this.at): Mark {
    return { source: this.#source, offset }
  }

  /** Where the name stands that was taken last. */
  nameMark(): Mark {
    return { source: this.#nameSource, offset: this.#nameAt }
  }

  error(code: DtsErrorCode, message: string, mark: Mark = this.mark()): DmascopeError {
    return dtsError(code, positionOf(mark), message)
  }

  /** The next character's code behind spaces and comments, not taken; NaN at the end of the outermost text. */
  peek(): number {
    for (;;) {
      const { text } = this
      let at = this.at
      let code = text.charCodeAt(at)
      // Most characters that are looked at stand right here, and start no comment.
      if (code > 0x2f) return code
      while ((classOf(code) & SPACE) !== 0) code = text.charCodeAt(++at)
      this.at = at
      if (code === 0x2f) {
        if (!this.#skipSlash()) return code
      } else if (code === 0x23) {
        if (!this.#skipLineMarker()) return code
      } else if (at >= text.length && this.#outer.length > 0) {
        this.#leave()
      } else {
        return code
      }
    }
  }

  /** Takes the next character if it is this one. */
  accept(code: number): boolean {
    if (this.peek() !== code) return false
    this.at++
    return true
  }

  /** @throws DmascopeError `DTS_SYNTAX` */
  expect(character: string): void {
    if (!this.accept(character.charCodeAt(0))) throw this.unexpected(`'${character}'`)
  }

  unexpected(wanted: string): DmascopeError {
    const code = this.peek()
    const found = Number.isNaN(code) ? 'the end of the text' : JSON.stringify(this.text.slice(this.at, this.at + 1))
    return this.error('DTS_SYNTAX', `expected ${wanted}, found ${found}`)
  }

  /** Takes `/word/`. */
  acceptDirective(word: string): boolean {
    if (this.peek() !== 0x2f || !this.text.startsWith(`/${word}/`, this.at)) return false
    this.at += word.length + 2
    return true
  }

  /** Takes `label:`, answering the label; '' where none stands here. */
  acceptLabel(): string {
    const first = this.peek()
    if (!isLabelCode(first) || isDigitCode(first)) return ''
    let end = this.at + 1
    while (isLabelCode(this.text.charCodeAt(end))) end++
    if (this.text.charCodeAt(end) !== 0x3a) {
      this.#wordAt = this.at
      this.#wordEnd = end
      return ''
    }
    const label = this.text.slice(this.at, end)
    this.at = end + 1
    return label
  }

  /** Takes the name of a node or property. A backslash before it is no part of it. */
  name(what: string): string {
    if (this.peek() === 0x5c) this.at++
    const { text } = this
    const start = this.at
    this.#nameSource = this.#source
    this.#nameAt = start
    let end = start === this.#wordAt ? this.#wordEnd : start
    while (isNameCode(text.charCodeAt(end))) end++
    if (end === start) throw this.unexpected(what)
    this.at = end
    // The same few names stand at every node: one string for each saves memory, and makes comparing quick.
    const length = end - start
    const slot = (length * 31 + text.charCodeAt(start) * 7 + text.charCodeAt(end - 1)) & (NAME_SLOTS - 1)
    const known = this.#names[slot]!
    if (known.length === length && text.startsWith(known, start)) return known
    const name = text.slice(start, end)
    this.#names[slot] = name
    return name
  }

  /** Comments, and `/include/`. Answers whether there was one. */
  #skipSlash(): boolean {
    const { text, at } = this
    const next = text.charCodeAt(at + 1)
    if (next === 0x2f) {
      const end = text.indexOf('\n', at)
      this.at = end === -1 ? text.length : end + 1
      return true
    }
    if (next === 0x2a) {
      const end = text.indexOf('*/', at + 2)
      if (end === -1) throw this.error('DTS_SYNTAX', "no '*/' ends this comment")
      this.at = end + 2
      return true
    }
    if (next !== 0x69 || !text.startsWith('/include/', at)) return false
    this.#enter()
    return true
  }

  /** A line that the C preprocessor left: `# 1 "file"`. */
  #skipLineMarker(): boolean {
    const { text, at } = this
    LINE_MARKER.lastIndex = at
    if (!LINE_MARKER.test(text)) return false
    const end = text.indexOf('\n', at)
    this.at = end === -1 ? text.length : end
    return true
  }

  #enter(): void {
    const mark = this.mark()
    const match = /\/include\/\s*"([^"\n]*)"/y
    match.lastIndex = this.at
    const name = match.exec(this.text)?.[1]
    if (name === undefined) throw this.error('DTS_SYNTAX', '/include/ takes a name in quotation marks')
    if (this.#include === undefined) {
      throw this.error('DTS_INCLUDE', `"${name}" cannot be included: no reader of included files was given`)
    }
    if (this.#outer.length >= MAX_INCLUDE_DEPTH || ++this.#included > MAX_INCLUDES) {
      throw this.error('DTS_INCLUDE', `"${name}" is included too deeply or too often; does a file include itself?`)
    }
    const text = this.#include(name, this.#source.name)
    if (text === null) throw this.error('DTS_INCLUDE', `there is no "${name}" to include`)
    this.#outer.push({ source: mark.source, offset: match.lastIndex })
    this.#source = { name, text }
    this.text = text
    this.at = 0
    this.#wordAt = -1
  }

  #leave(): void {
    const { source, offset } = this.#outer.pop()!
    this.#source = source
    this.text = source.text
    this.at = offset
    this.#wordAt = -1
  }
}

/** Line and column of a mark, both from 1. */
export function positionOf({ source, offset }: Mark): TextPosition {
  let line = 1
  let start = 0
  for (let end = source.text.indexOf('\n'); end !== -1 && end < offset; end = source.text.indexOf('\n', start)) {
    line++
    start = end + 1
  }
  return { source: source.name, line, column: offset - start + 1 }
}
