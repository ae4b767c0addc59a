import { FDT_MAGIC } from './spec/fdt.ts'

/** Whether the bytes start as a devicetree blob does. */
export const isDtb = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === FDT_MAGIC

/** What a source text may start with, behind blanks, comments and line markers. */
const START = /(?:\/(?:dts-v1|plugin|include|memreserve)\/|\/\s*\{|&\{?[\w/@,.+-]+\}?\s*\{)/y

/** Whether a text starts as a devicetree source does. */
export function isDts(text: string): boolean {
  let at = text.startsWith('\uFEFF') ? 1 : 0
  for (;;) {
    while (/\s/.test(text.charAt(at))) at++
    const comment = text.startsWith('/*', at) ? '*/' : text.startsWith('//', at) || text[at] === '#' ? '\n' : null
    if (comment === null) break
    const end = text.indexOf(comment, at + 1)
    if (end < 0) return false
    at = end + comment.length
  }
  START.lastIndex = at
  return START.test(text)
}
