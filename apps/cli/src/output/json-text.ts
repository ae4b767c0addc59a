/** What fits in a line stands on one. */
const WIDTH = 100
const CHUNK = 0x1_0000

/**
 * Writes JSON that a person can read: lists and objects that fit in a line stand on one, and plain values of a long list
 * fill lines. Written in parts, since a tree has millions of characters. Keys that are undefined are left out.
 */
export function writeJson(value: unknown, write: (text: string) => void): void {
  let text = ''
  const put = (part: string): void => {
    text += part
    if (text.length < CHUNK) return
    write(text)
    text = ''
  }
  putValue(value, 0, 0, put)
  write(`${text}\n`)
}

/** `column`: where the value starts, which is behind its key. */
function putValue(value: unknown, indent: number, column: number, put: (text: string) => void): void {
  // A comma may follow.
  const short = inline(value, WIDTH - column - 1)
  if (short !== null) {
    put(short)
    return
  }
  if (typeof value !== 'object' || value === null) {
    put(JSON.stringify(value))
    return
  }
  const inner = ' '.repeat(indent + 2)
  const end = `\n${' '.repeat(indent)}`
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== 'object' || one === null)) {
      put(`[\n${filled(value, inner)}${end}]`)
      return
    }
    for (let index = 0; index < value.length; index++) {
      put(index === 0 ? `[\n${inner}` : `,\n${inner}`)
      putValue(value[index], indent + 2, indent + 2, put)
    }
    put(`${end}]`)
    return
  }
  let before = '{'
  for (const [key, one] of Object.entries(value)) {
    if (one === undefined) continue
    const name = `${inner}${JSON.stringify(key)}: `
    put(`${before}\n${name}`)
    putValue(one, indent + 2, name.length, put)
    before = ','
  }
  put(`${end}}`)
}

/** The value on one line, or null where it takes more than `room` characters; it is followed no further than that. */
function inline(value: unknown, room: number): string | null {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'string' && value.length > room) return null
    const text = JSON.stringify(value)
    return text.length <= room ? text : null
  }
  let text = ''
  if (Array.isArray(value)) {
    if (value.length * 2 > room) return null
    for (const one of value) {
      const shown = inline(one, room - text.length - 2)
      if (shown === null) return null
      text += text === '' ? shown : `, ${shown}`
    }
    return text.length + 2 <= room ? `[${text}]` : null
  }
  for (const [key, one] of Object.entries(value)) {
    if (one === undefined) continue
    const name = `${text === '' ? '' : ', '}${JSON.stringify(key)}: `
    const shown = inline(one, room - text.length - name.length - 4)
    if (shown === null) return null
    text += name + shown
  }
  if (text === '') return '{}'
  return text.length + 4 <= room ? `{ ${text} }` : null
}

/** Plain values of a list, as many in a line as fit. */
function filled(values: readonly unknown[], inner: string): string {
  const lines: string[] = []
  let line = inner
  for (const [index, value] of values.entries()) {
    const shown = `${JSON.stringify(value)}${index + 1 < values.length ? ',' : ''}`
    if (line.length > inner.length && line.length + 1 + shown.length > WIDTH) {
      lines.push(line)
      line = inner
    }
    line += line.length > inner.length ? ` ${shown}` : shown
  }
  return [...lines, line].join('\n')
}
